// The gradient of a 3x3 convolution's kernel by Winograd's minimal filtering: for every
// part of the transforms, products of an input channel and a vector of output channels
// are summed over all tiles, and the sums are transformed into the nine taps at the end.

#include <array>

#include "winograd.h"
#include "winograd_transforms.h"

namespace {

constexpr int64_t kFewestTiles = 64;  // of a task: its sums cost as much as some tiles
constexpr int64_t kMostTasks = 32;
constexpr int kInputsAtOnce = kLanes == 16 ? 8 : 4;  // whose sums fit into registers

// Writes A m Aᵀ of the 4x4 pixels of one tile of dy, its parts `stride` apart, and adds
// the pixels to the gradient of the bias.
__attribute__((noinline)) void transform_outputs(const Gradient& g, int64_t batch,
                                                 int64_t row, int64_t column,
                                                 const float* zeros, float* to,
                                                 int64_t stride, float* bias) {
  const float* pixels[kSide][kSide];
  for (int64_t y = 0; y < kSide; ++y) {
    const int64_t r = row + y * g.dilation;
    for (int64_t x = 0; x < kSide; ++x) {
      const int64_t q = column + x * g.dilation;
      const bool inside = r < g.height && q < g.width;
      pixels[y][x] =
          inside ? g.dy + ((batch * g.height + r) * g.width + q) * g.outputs : zeros;
    }
  }
  for (int64_t o = 0; o < g.outputs; o += kLanes) {
    V half[kPoints][kSide], sum = load<kLanes>(bias + o);
#pragma GCC unroll 4
    for (int x = 0; x < kSide; ++x) {
      V m[kSide], parts[kPoints];
#pragma GCC unroll 4
      for (int y = 0; y < kSide; ++y) m[y] = load<kLanes>(pixels[y][x] + o);
      sum += (m[0] + m[1]) + (m[2] + m[3]);
      transform_gradient(m, parts);
#pragma GCC unroll 6
      for (int y = 0; y < kPoints; ++y) half[y][x] = parts[y];
    }
    store<kLanes>(bias + o, sum);
#pragma GCC unroll 6
    for (int y = 0; y < kPoints; ++y) {
      V parts[kPoints];
      transform_gradient(half[y], parts);
#pragma GCC unroll 6
      for (int x = 0; x < kPoints; ++x)
        store<kLanes>(to + (y * kPoints + x) * stride + o, parts[x]);
    }
  }
}

// Adds to `sums`, I rows of `outputs`, the products of I channels with vectors of
// outputs over `count` tiles.
template <int I, int O>
__attribute__((noinline)) void add_products(const float* tiles, int64_t inputs,
                                            const float* gradients, int64_t outputs,
                                            int64_t count, float* sums) {
  V own[I][O];
#pragma GCC unroll 8
  for (int i = 0; i < I; ++i)
#pragma GCC unroll 2
    for (int o = 0; o < O; ++o) own[i][o] = load<kLanes>(sums + i * outputs + o * kLanes);
  for (int64_t t = 0; t < count; ++t) {
    V g[O];
#pragma GCC unroll 2
    for (int o = 0; o < O; ++o) g[o] = load<kLanes>(gradients + t * outputs + o * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < I; ++i)
#pragma GCC unroll 2
      for (int o = 0; o < O; ++o) own[i][o] += tiles[t * inputs + i] * g[o];
  }
#pragma GCC unroll 8
  for (int i = 0; i < I; ++i)
#pragma GCC unroll 2
    for (int o = 0; o < O; ++o) store<kLanes>(sums + i * outputs + o * kLanes, own[i][o]);
}

// Adds the products of all channels of a group with all outputs, for one part.
void add_part(const float* tiles, int64_t inputs, const float* gradients,
              int64_t outputs, int64_t count, float* sums) {
  for (int64_t i = 0; i < inputs; i += kInputsAtOnce) {
    float* own = sums + i * outputs;
    int64_t o = 0;
    for (; o + 2 * kLanes <= outputs; o += 2 * kLanes)
      add_products<kInputsAtOnce, 2>(tiles + i, inputs, gradients + o, outputs, count,
                                     own + o);
    for (; o < outputs; o += kLanes)
      add_products<kInputsAtOnce, 1>(tiles + i, inputs, gradients + o, outputs, count,
                                     own + o);
  }
}

// Writes Gᵀ p G of the sums of a group, [part, in, out], to their taps, [tap, in, out].
void gather_kernel(const Gradient& g, const Group& group, const float* sums, float* to) {
  const std::vector<int64_t> inputs = group.inputs();
  for (int64_t i = 0; i < group.channels; ++i) {
    for (int64_t o = 0; o < g.outputs; o += kLanes) {
      V half[3][kPoints];
      for (int64_t x = 0; x < kPoints; ++x) {
        V p[kPoints], taps[3];
        for (int64_t y = 0; y < kPoints; ++y)
          p[y] = load<kLanes>(
              sums + ((y * kPoints + x) * group.channels + i) * g.outputs + o);
        gather_taps(p, taps);
        for (int y = 0; y < 3; ++y) half[y][x] = taps[y];
      }
      for (int y = 0; y < 3; ++y) {
        V taps[3];
        gather_taps(half[y], taps);
        for (int x = 0; x < 3; ++x)
          store<kLanes>(to + ((y * 3 + x) * g.inputs + inputs[i]) * g.outputs + o,
                        taps[x]);
      }
    }
  }
}

}  // namespace

void winograd_gradient(ffi::ThreadPool& pool, const Gradient& g) {
  std::vector<Group> groups;
  int64_t most = g.outputs, copied = 0;
  for (const Source& source : g.sources) add_source(source, groups);
  for (const Group& group : groups) {
    most = std::max(most, group.channels);
    if (group.sources.size() > 1) copied = kPoints * g.width * group.channels;
  }
  const int64_t rows = count_of_tiles(g.height, g.dilation);
  const int64_t columns = count_of_tiles(g.width, g.dilation);
  const int64_t all_rows = g.batch * rows;
  // Shared out by the shapes alone, and added in order: the result does not depend on
  // the number of threads.
  const int64_t tasks = std::clamp<int64_t>(all_rows * columns / kFewestTiles, 1,
                                            std::min(kMostTasks, all_rows));
  const int64_t taps = 9 * g.inputs * g.outputs, size = taps + g.outputs;
  const int64_t tile_stride = kTiles * most + kLanes;
  Aligned<float> memory;
  float* const results = memory.room(tasks * size);  // per task: kernel, then bias
  const std::vector<float> zeros(most);
  parallel(pool, tasks, [&](int64_t task) {
    static thread_local Aligned<float> kept[4];
    float* const tiles = kept[0].room(kParts * tile_stride);
    float* const gradients = kept[1].room(kParts * tile_stride);
    float* const copies = kept[2].room(copied);
    const int64_t sums_size = kParts * g.inputs * g.outputs;
    float* const sums = kept[3].room(sums_size);
    std::fill(sums, sums + sums_size, 0.0f);
    float* const kernel = results + task * size;
    std::vector<std::array<const float*, kPoints>> lines(groups.size());
    for (int64_t r = task * all_rows / tasks; r < (task + 1) * all_rows / tasks; ++r) {
      const int64_t batch = r / rows, row = start_of_tile(r % rows, g.dilation);
      for (size_t i = 0; i < lines.size(); ++i)
        find_rows(groups[i], g.height, g.width, g.dilation, batch, row, copies,
                  lines[i].data());
      for (int64_t begin = 0; begin < columns; begin += kTiles) {
        const int64_t count = std::min(kTiles, columns - begin);
        for (int64_t t = 0; t < count; ++t)
          transform_outputs(g, batch, row, start_of_tile(begin + t, g.dilation),
                            zeros.data(), gradients + t * g.outputs, tile_stride,
                            kernel + taps);
        float* own = sums;
        for (size_t i = 0; i < lines.size(); ++i) {
          const int64_t inputs = groups[i].channels;
          for (int64_t t = 0; t < count; ++t)
            transform_tile(lines[i].data(), g.width, inputs, g.dilation,
                           start_of_tile(begin + t, g.dilation), zeros.data(),
                           tiles + t * inputs, tile_stride);
          for (int64_t k = 0; k < kParts; ++k, own += inputs * g.outputs)
            add_part(tiles + k * tile_stride, inputs, gradients + k * tile_stride,
                     g.outputs, count, own);
        }
      }
    }
    const float* own = sums;
    for (const Group& group : groups) {
      gather_kernel(g, group, own, kernel);
      own += kParts * group.channels * g.outputs;
    }
  });
  std::copy(results, results + taps, g.kernel);
  std::copy(results + taps, results + size, g.bias);
  for (int64_t task = 1; task < tasks; ++task) {
    const float* own = results + task * size;
    for (int64_t i = 0; i < taps; ++i) g.kernel[i] += own[i];
    for (int64_t o = 0; o < g.outputs; ++o) g.bias[o] += own[taps + o];
  }
}
