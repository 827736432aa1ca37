// The gradient of a 3x3 convolution with respect to its kernel and bias, for the CPU.
//
// Conventions are those of convolution.cpp. For every tap, products of an input channel
// and a vector of output channels are summed over pixels in registers. Rows are shared
// out by the shapes alone and their sums added in order, so the result does not depend
// on the number of threads.

#include "winograd.h"

namespace {

// Adds to `sums`, C rows of `stride` values, the products of C channels of `x` with
// L channels of `dy` over `count` pixels.
template <int L, int C>
inline void add_products(float* sums, int64_t stride, const float* x, int64_t channels,
                         const float* dy, int64_t outputs, int64_t count) {
  Vector<L> acc[C];
#pragma GCC unroll 16
  for (int i = 0; i < C; ++i) acc[i] = load<L>(sums + i * stride);
  for (int64_t p = 0; p < count; ++p, x += channels, dy += outputs) {
    const Vector<L> g = load<L>(dy);
#pragma GCC unroll 16
    for (int i = 0; i < C; ++i) acc[i] += x[i] * g;
  }
#pragma GCC unroll 16
  for (int i = 0; i < C; ++i) store<L>(sums + i * stride, acc[i]);
}

constexpr int kInputs = kLanes == 16 ? 16 : 8;  // accumulators that fit in registers

template <int L>
void add_row(const Gradient& g, float* sums, const float* x, int64_t channels,
             const float* dy, int64_t count, int64_t output) {
  int64_t i = 0;
  for (; i + kInputs <= channels; i += kInputs)
    add_products<L, kInputs>(sums + i * g.outputs + output, g.outputs, x + i, channels,
                             dy + output, g.outputs, count);
  for (; i + 4 <= channels; i += 4)
    add_products<L, 4>(sums + i * g.outputs + output, g.outputs, x + i, channels,
                       dy + output, g.outputs, count);
  for (; i + 2 <= channels; i += 2)
    add_products<L, 2>(sums + i * g.outputs + output, g.outputs, x + i, channels,
                       dy + output, g.outputs, count);
  for (; i < channels; ++i)
    add_products<L, 1>(sums + i * g.outputs + output, g.outputs, x + i, channels,
                       dy + output, g.outputs, count);
}

void add_row(const Gradient& g, float* sums, const float* x, int64_t channels,
             const float* dy, int64_t count) {
  int64_t o = 0;
  for (; o + kLanes <= g.outputs; o += kLanes)
    add_row<kLanes>(g, sums, x, channels, dy, count, o);
  if constexpr (kLanes > 8)
    for (; o + 8 <= g.outputs; o += 8) add_row<8>(g, sums, x, channels, dy, count, o);
  for (; o < g.outputs; o += 4) add_row<4>(g, sums, x, channels, dy, count, o);
}

// Adds what one row of pixels gives: [tap, in, out] from one map, whose inputs begin at
// `sums`.
void add_taps(const Gradient& g, float* sums, const float* map, int64_t channels,
              int64_t batch, int64_t row) {
  const float* dy = g.dy + (batch * g.height + row) * g.width * g.outputs;
  for (int64_t tap = 0; tap < 9; ++tap) {
    const int64_t r = row + (tap / 3 - 1) * g.dilation;
    const int64_t shift = (tap % 3 - 1) * g.dilation;
    const int64_t first = std::max<int64_t>(0, -shift);
    const int64_t end = std::min(g.width, g.width - shift);
    if (r < 0 || r >= g.height || end <= first) continue;
    const float* x =
        map + ((batch * g.height + r) * g.width + first + shift) * channels;
    add_row(g, sums + tap * g.inputs * g.outputs, x, channels, dy + first * g.outputs,
            end - first);
  }
}

ffi::Error kernel_gradient(ffi::ThreadPool pool, Floats dy, ffi::RemainingArgs maps,
                           Result kernel, Result bias, int64_t dilation) {
  const auto shape = dy.dimensions();
  Gradient g;
  g.dy = dy.typed_data(), g.kernel = kernel->typed_data(), g.bias = bias->typed_data();
  g.batch = shape[0], g.height = shape[1], g.width = shape[2], g.inputs = 0;
  g.outputs = shape[3], g.dilation = dilation;
  for (size_t i = 0; i < maps.size(); ++i) {
    const Floats map = maps.get<Floats>(i).value();
    g.sources.push_back({map.typed_data(), map.dimensions()[3], dilation, g.inputs});
    g.inputs += map.dimensions()[3];
  }
  if (winograd_takes(g.sources, g.outputs)) {
    winograd_gradient(pool, g);
    return ffi::Error::Success();
  }
  const int64_t rows = g.batch * g.height, size = 9 * g.inputs * g.outputs;
  const int64_t tasks = std::clamp<int64_t>(rows / 8, 1, 64);
  const int64_t stride = size + g.outputs;  // of a task's sums: kernel, then bias
  Aligned<float> memory;
  float* const sums = memory.room(tasks * stride);
  parallel(pool, tasks, [&](int64_t task) {
    float* own = sums + task * stride;
    for (int64_t r = task * rows / tasks; r < (task + 1) * rows / tasks; ++r) {
      for (const Source& source : g.sources)
        add_taps(g, own + source.offset * g.outputs, source.map, source.channels,
                 r / g.height, r % g.height);
      const float* line = g.dy + r * g.width * g.outputs;
      for (int64_t p = 0; p < g.width * g.outputs; p += g.outputs)
        for (int64_t o = 0; o < g.outputs; ++o) own[size + o] += line[p + o];
    }
  });
  std::fill(g.kernel, g.kernel + size, 0.0f);
  std::fill(g.bias, g.bias + g.outputs, 0.0f);
  for (int64_t task = 0; task < tasks; ++task) {
    const float* own = sums + task * stride;
    for (int64_t i = 0; i < size; ++i) g.kernel[i] += own[i];
    for (int64_t o = 0; o < g.outputs; ++o) g.bias[o] += own[size + o];
  }
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(emrnas_kernel_gradient, kernel_gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Floats>()    // dy
                                  .RemainingArgs()  // maps
                                  .Ret<Floats>()    // of the kernel
                                  .Ret<Floats>()    // of the bias
                                  .Attr<int64_t>("dilation"));
