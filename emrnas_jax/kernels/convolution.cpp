// 3x3 convolutions of feature maps, for the CPU.
//
// Arrays are float32 and row-major: maps [batch, height, width, channel], kernels
// [3, 3, in, out]; stride 1, zero padding that keeps the size. A convolution reads one
// or several maps, each with its own dilation and its own part of the kernel's inputs.
// Products are summed in registers: some pixels times some output channels stay there
// while all taps and input channels pass, so no map is copied, padded or concatenated.

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "convolution.h"
#include "winograd.h"

namespace {

// Points `rows` to the three rows of `source` that pixels `column` .. of `row` read,
// from the leftmost pixel on; null where a row is outside the map. At the left and
// right edge that is a copy with zeros beside it.
template <int P>
inline void find_rows(const Convolution& c, const Source& source, int64_t batch,
                      int64_t row, int64_t column, float* scratch,
                      const float* rows[3]) {
  const int64_t d = source.dilation, channels = source.channels;
  const bool inside = column >= d && column + P + d <= c.width;
  for (int64_t tap = 0; tap < 3; ++tap) {
    const int64_t r = row + (tap - 1) * d;
    if (r < 0 || r >= c.height) {
      rows[tap] = nullptr;
      continue;
    }
    const float* line = source.map + (batch * c.height + r) * c.width * channels;
    if (inside) {
      rows[tap] = line + (column - d) * channels;
      continue;
    }
    float* copy = scratch + tap * (P + 2 * d) * channels;
    rows[tap] = copy;
    for (int64_t at = column - d; at < column + P + d; ++at, copy += channels) {
      if (at < 0 || at >= c.width) {
        std::fill(copy, copy + channels, 0.0f);
      } else {
        std::copy(line + at * channels, line + (at + 1) * channels, copy);
      }
    }
  }
}

// `channels` is a template argument where it is known, so that addresses are constant.
template <int L, int V, int P, int kChannels>
inline __attribute__((always_inline)) void accumulate(
    Vector<L> (&sums)[P][V], const Convolution& c, const Source& source,
    const float* const rows[3], int64_t output) {
  const int64_t channels = kChannels ? kChannels : source.channels;
  for (int64_t tap = 0; tap < 9; ++tap) {
    if (!rows[tap / 3]) continue;
    const float* x = rows[tap / 3] + tap % 3 * source.dilation * channels;
    const float* k = c.kernel + (tap * c.inputs + source.offset) * c.outputs + output;
    for (int64_t i = 0; i < channels; ++i) {
      Vector<L> weights[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) weights[v] = load<L>(k + i * c.outputs + v * L);
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sums[p][v] += x[p * channels + i] * weights[v];
    }
  }
}

template <int L, int V, int P>
void convolve_block(const Convolution& c, int64_t batch, int64_t row, int64_t column,
                    int64_t output, float* scratch) {
  Vector<L> sums[P][V];
  for (int v = 0; v < V; ++v) {
    const Vector<L> bias = c.bias ? load<L>(c.bias + output + v * L) : Vector<L>{};
    for (int p = 0; p < P; ++p) sums[p][v] = bias;
  }
  for (const Source& source : c.sources) {
    const float* rows[3];
    find_rows<P>(c, source, batch, row, column, scratch, rows);
    if (source.channels == 16) {
      accumulate<L, V, P, 16>(sums, c, source, rows, output);
    } else {
      accumulate<L, V, P, 0>(sums, c, source, rows, output);
    }
  }
  const int64_t start =
      ((batch * c.height + row) * c.width + column) * c.outputs + output;
  for (int p = 0; p < P; ++p) {
    for (int v = 0; v < V; ++v) {
      const int64_t at = start + p * c.outputs + v * L;
      store<L>(c.y + at, finish<L>(c, at, sums[p][v]));
    }
  }
}

template <int L, int V, int P>
void convolve_row(const Convolution& c, int64_t batch, int64_t row, int64_t output,
                  float* scratch) {
  int64_t column = 0;
  for (; column + P <= c.width; column += P)
    convolve_block<L, V, P>(c, batch, row, column, output, scratch);
  if (column == c.width) return;
  if (c.width >= P) {  // the last block begins earlier and writes some pixels again
    convolve_block<L, V, P>(c, batch, row, c.width - P, output, scratch);
    return;
  }
  for (; column < c.width; ++column)
    convolve_block<L, V, 1>(c, batch, row, column, output, scratch);
}

#if defined(__AVX512F__)
// Returns the sums of the lanes of 16 vectors. Pairs of neighbouring lanes are added
// until one vector is left, which takes fewer steps than adding lane after lane.
inline __m512 sums_of_lanes(const Vector<16>* vectors) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24,
                                         26, 28, 30);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  const auto add_pairs = [&](__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_permutex2var_ps(a, even, b),
                         _mm512_permutex2var_ps(a, odd, b));
  };
  __m512 v[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i)
    v[i] = add_pairs((__m512)vectors[2 * i], (__m512)vectors[2 * i + 1]);
  for (int i = 0; i < 4; ++i) v[i] = add_pairs(v[2 * i], v[2 * i + 1]);
  return add_pairs(add_pairs(v[0], v[1]), add_pairs(v[2], v[3]));
}
#endif

// Few outputs, such as the two channels of an image: vectors run over the inputs, and
// `transposed` is the kernel as [tap, out, in].
template <int L, int P, int O>
void convolve_block_to_few(const Convolution& c, const float* transposed,
                           int64_t batch, int64_t row, int64_t column,
                           float* scratch) {
  const Source& source = c.sources[0];
  const int64_t channels = source.channels;
  const float* rows[3];
  find_rows<P>(c, source, batch, row, column, scratch, rows);
  Vector<L> sums[P][O] = {};
  for (int64_t tap = 0; tap < 9; ++tap) {
    if (!rows[tap / 3]) continue;
    const float* x = rows[tap / 3] + tap % 3 * source.dilation * channels;
    const float* k = transposed + tap * O * channels;
    for (int64_t i = 0; i < channels; i += L) {
#pragma GCC unroll 4
      for (int o = 0; o < O; ++o) {
        const Vector<L> weights = load<L>(k + o * channels + i);
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) sums[p][o] += load<L>(x + p * channels + i) * weights;
      }
    }
  }
  const int64_t start = ((batch * c.height + row) * c.width + column) * O;
#if defined(__AVX512F__)
  if constexpr (L == 16 && P == 4 && O == 4) {
    __m512 totals = sums_of_lanes(sums[0]);
    if (c.bias)
      totals = _mm512_add_ps(totals, _mm512_broadcast_f32x4(_mm_loadu_ps(c.bias)));
    store<16>(c.y + start, finish<16>(c, start, (Vector<16>)totals));
    return;
  }
#endif
  for (int p = 0; p < P; ++p) {
    for (int o = 0; o < O; ++o) {
      float total = c.bias ? c.bias[o] : 0.0f;
      for (int lane = 0; lane < L; ++lane) total += sums[p][o][lane];
      const int64_t at = start + p * O + o;
      c.y[at] = finish(c, at, total);
    }
  }
}

template <int L, int O>
void convolve_row_to_few(const Convolution& c, const float* transposed,
                         int64_t batch, int64_t row, float* scratch) {
  int64_t column = 0;
  for (; column + 4 <= c.width; column += 4)
    convolve_block_to_few<L, 4, O>(c, transposed, batch, row, column, scratch);
  for (; column < c.width; ++column)
    convolve_block_to_few<L, 1, O>(c, transposed, batch, row, column, scratch);
}

template <int L>
void convolve_row_to_few(const Convolution& c, const float* transposed,
                         int64_t batch, int64_t row, float* scratch) {
  if (c.outputs == 1) convolve_row_to_few<L, 1>(c, transposed, batch, row, scratch);
  if (c.outputs == 2) convolve_row_to_few<L, 2>(c, transposed, batch, row, scratch);
  if (c.outputs == 3) convolve_row_to_few<L, 3>(c, transposed, batch, row, scratch);
  if (c.outputs == 4) convolve_row_to_few<L, 4>(c, transposed, batch, row, scratch);
}

void transpose(const Convolution& c, float* transposed) {
  for (int64_t tap = 0; tap < 9; ++tap)
    for (int64_t i = 0; i < c.inputs; ++i)
      for (int64_t o = 0; o < c.outputs; ++o)
        transposed[(tap * c.outputs + o) * c.inputs + i] =
            c.kernel[(tap * c.inputs + i) * c.outputs + o];
}

ffi::Error convolve(ffi::ThreadPool pool, Floats kernel, Floats bias, Floats activated,
                    ffi::RemainingArgs maps, Result y,
                    ffi::Span<const int64_t> dilations, int64_t after, float slope) {
  const auto shape = y->dimensions();
  Convolution c;
  c.batch = shape[0], c.height = shape[1], c.width = shape[2], c.outputs = shape[3], c.inputs = 0;
  c.kernel = kernel.typed_data(), c.activated = activated.typed_data();
  c.bias = bias.element_count() ? bias.typed_data() : nullptr;
  c.y = y->typed_data(), c.after = static_cast<After>(after), c.slope = slope;
  int64_t halo = 0, most_channels = 0;
  for (size_t i = 0; i < maps.size(); ++i) {
    const Floats map = maps.get<Floats>(i).value();
    const int64_t channels = map.dimensions()[3];
    c.sources.push_back({map.typed_data(), channels, dilations[i], c.inputs});
    c.inputs += channels;
    halo = std::max(halo, dilations[i]);
    most_channels = std::max(most_channels, channels);
  }
  // Fewer products, but only for channels in whole vectors; the rest goes on below.
  if (winograd_takes(c.sources, c.outputs)) {
    winograd_convolve(pool, c);
    return ffi::Error::Success();
  }
  // Four outputs of four pixels need 16 sums in registers, which AVX-512 alone has.
  const bool whole_vectors = c.sources.size() == 1 && c.inputs % kLanes == 0;
  const bool few = c.outputs < 4 || (c.outputs == 4 && whole_vectors && kLanes == 16);
  Aligned<float> memory;
  float* const transposed = memory.room(few ? 9 * c.inputs * c.outputs : 0);
  if (few) transpose(c, transposed);
  const int64_t rows = c.batch * c.height, rows_per_task = 4;
  parallel(pool, (rows + rows_per_task - 1) / rows_per_task, [&](int64_t task) {
    // Room for three rows of a block with the pixels that its taps reach on either side.
    std::vector<float> scratch(3 * (kPixels + 2 * halo) * most_channels);
    const int64_t end = std::min(rows, (task + 1) * rows_per_task);
    for (int64_t r = task * rows_per_task; r < end; ++r) {
      const int64_t batch = r / c.height, row = r % c.height;
      float* s = scratch.data();
      if (few) {
        if (c.inputs % kLanes == 0)
          convolve_row_to_few<kLanes>(c, transposed, batch, row, s);
        else
          convolve_row_to_few<4>(c, transposed, batch, row, s);
        continue;
      }
      int64_t o = 0;
      for (; o + kLanes * kVectors <= c.outputs; o += kLanes * kVectors)
        convolve_row<kLanes, kVectors, kPixels>(c, batch, row, o, s);
      for (; o + kLanes <= c.outputs; o += kLanes)
        convolve_row<kLanes, 1, kPixels>(c, batch, row, o, s);
      if constexpr (kLanes > 8)
        for (; o + 8 <= c.outputs; o += 8)
          convolve_row<8, 1, kPixels>(c, batch, row, o, s);
      for (; o < c.outputs; o += 4) convolve_row<4, 1, kPixels>(c, batch, row, o, s);
    }
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(emrnas_convolve, convolve,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Floats>()  // kernel
                                  .Arg<Floats>()  // bias, or empty
                                  .Arg<Floats>()  // activated, or empty
                                  .RemainingArgs()  // maps
                                  .Ret<Floats>()
                                  .Attr<ffi::Span<const int64_t>>("dilations")
                                  .Attr<int64_t>("after")
                                  .Attr<float>("slope"));
