// 3x3 convolutions by Winograd's minimal filtering: see winograd_transforms.h.

#include <array>

#include "winograd.h"
#include "winograd_transforms.h"

namespace {

// The groups of one dilation: these share their tiles.
struct Pass {
  std::vector<Group> groups;
  int64_t dilation;
  bool first, last;
};

// Writes G g Gᵀ of the part of the kernel that belongs to `group` to `group.kernel`.
void transform_kernel(const Convolution& c, const Group& group) {
  const std::vector<int64_t> inputs = group.inputs();
  for (int64_t i = 0; i < group.channels; ++i) {
    for (int64_t o = 0; o < c.outputs; o += kLanes) {
      V half[3][kPoints];
      for (int x = 0; x < 3; ++x) {
        V g[3];
        for (int y = 0; y < 3; ++y)
          g[y] = load<kLanes>(
              c.kernel + ((y * 3 + x) * c.inputs + inputs[i]) * c.outputs + o);
        transform_taps(g, half[x]);
      }
      for (int64_t y = 0; y < kPoints; ++y) {
        const V row[3] = {half[0][y], half[1][y], half[2][y]};
        V parts[kPoints];
        transform_taps(row, parts);
        for (int64_t x = 0; x < kPoints; ++x)
          store<kLanes>(
              group.kernel +
                  ((y * kPoints + x) * group.channels + i) * c.outputs + o,
              parts[x]);
      }
    }
  }
}

// Adds to `products`, [tile, out], those of kTilesAtOnce tiles, [tile, in], with a kernel,
// [in, out]. The number of inputs is a template argument where it is known, so that
// addresses are constant.
template <int kOuts, int kInputs>
__attribute__((noinline)) void multiply(const float* tiles, const float* kernel,
                                        int64_t any_inputs, int64_t outputs, bool first,
                                        float* products) {
  const int64_t inputs = kInputs ? kInputs : any_inputs;
  V sums[kTilesAtOnce][kOuts] = {};
  if (!first)
    for (int p = 0; p < kTilesAtOnce; ++p)
      for (int o = 0; o < kOuts; ++o)
        sums[p][o] = load<kLanes>(products + p * outputs + o * kLanes);
  for (int64_t i = 0; i < inputs; ++i) {
    V weights[kOuts];
#pragma GCC unroll 4
    for (int o = 0; o < kOuts; ++o)
      weights[o] = load<kLanes>(kernel + i * outputs + o * kLanes);
#pragma GCC unroll 16
    for (int p = 0; p < kTilesAtOnce; ++p)
#pragma GCC unroll 4
      for (int o = 0; o < kOuts; ++o) sums[p][o] += tiles[p * inputs + i] * weights[o];
  }
  for (int p = 0; p < kTilesAtOnce; ++p)
    for (int o = 0; o < kOuts; ++o)
      store<kLanes>(products + p * outputs + o * kLanes, sums[p][o]);
}

template <int kOuts>
void multiply(const float* tiles, const float* kernel, int64_t inputs, int64_t outputs,
              bool first, float* products) {
  if (inputs == 16)
    multiply<kOuts, 16>(tiles, kernel, inputs, outputs, first, products);
  else if (inputs == 32)
    multiply<kOuts, 32>(tiles, kernel, inputs, outputs, first, products);
  else
    multiply<kOuts, 0>(tiles, kernel, inputs, outputs, first, products);
}

// Stores Aᵀ m A, the pixels of one tile.
__attribute__((noinline)) void finish_tile(const Convolution& c, const Pass& pass,
                                           const float* products, int64_t stride,
                                           int64_t batch, int64_t row, int64_t column) {
  for (int64_t o = 0; o < c.outputs; o += kLanes) {
    V half[kSide][kPoints];
#pragma GCC unroll 6
    for (int x = 0; x < kPoints; ++x) {
      V m[kPoints], pixels[kSide];
#pragma GCC unroll 6
      for (int y = 0; y < kPoints; ++y)
        m[y] = load<kLanes>(products + (y * kPoints + x) * stride + o);
      transform_products(m, pixels);
#pragma GCC unroll 4
      for (int y = 0; y < kSide; ++y) half[y][x] = pixels[y];
    }
    const V bias = pass.first && c.bias ? load<kLanes>(c.bias + o) : V{};
    for (int64_t y = 0; y < kSide; ++y) {
      const int64_t r = row + y * pass.dilation;
      if (r >= c.height) break;
      V sums[kSide];
      transform_products(half[y], sums);
      for (int64_t x = 0; x < kSide; ++x) {
        const int64_t q = column + x * pass.dilation;
        if (q >= c.width) break;
        const int64_t at = ((batch * c.height + r) * c.width + q) * c.outputs + o;
        const V sum = sums[x] + (pass.first ? bias : load<kLanes>(c.y + at));
        store<kLanes>(c.y + at, pass.last ? finish<kLanes>(c, at, sum) : sum);
      }
    }
  }
}

void run(ffi::ThreadPool& pool, const Convolution& c, const Pass& pass) {
  const int64_t rows = count_of_tiles(c.height, pass.dilation);
  const int64_t columns = count_of_tiles(c.width, pass.dilation);
  int64_t most = 0;
  int64_t copied = 0;
  for (const Group& group : pass.groups) {
    most = std::max(most, group.channels);
    if (group.sources.size() > 1) copied = kPoints * c.width * group.channels;
  }
  // One vector more than needed between the parts: at a distance of a power of two
  // they would share few lines of the cache.
  const int64_t tile_stride = kTiles * most + kLanes;
  const int64_t product_stride = kTiles * c.outputs + kLanes;
  const std::vector<float> zeros(most);
  parallel(pool, c.batch * rows, [&](int64_t task) {
    const int64_t batch = task / rows;
    const int64_t row = start_of_tile(task % rows, pass.dilation);
    static thread_local Aligned<float> memory[3];
    float* const tiles = memory[0].room(kParts * tile_stride);
    float* const products = memory[1].room(kParts * product_stride);
    float* const copies = memory[2].room(copied);
    std::vector<std::array<const float*, kPoints>> lines(pass.groups.size());
    for (size_t g = 0; g < lines.size(); ++g)
      find_rows(pass.groups[g], c.height, c.width, pass.dilation, batch, row, copies,
                lines[g].data());
    for (int64_t begin = 0; begin < columns; begin += kTiles) {
      const int64_t count = std::min(kTiles, columns - begin);
      for (size_t g = 0; g < lines.size(); ++g) {
        const Group& own = pass.groups[g];
        const int64_t inputs = own.channels;
        for (int64_t t = 0; t < count; ++t)
          transform_tile(lines[g].data(), c.width, inputs, pass.dilation,
                         start_of_tile(begin + t, pass.dilation), zeros.data(),
                         tiles + t * inputs, tile_stride);
        for (int64_t k = 0; k < kParts; ++k) {
          const float* kernel = own.kernel + k * inputs * c.outputs;
          for (int64_t t = 0; t < count; t += kTilesAtOnce) {
            const float* from = tiles + k * tile_stride + t * inputs;
            float* to = products + k * product_stride + t * c.outputs;
            const bool first = g == 0;
            int64_t o = 0;
            for (; o + kLanes * kVectorsAtOnce <= c.outputs; o += kLanes * kVectorsAtOnce)
              multiply<kVectorsAtOnce>(from, kernel + o, inputs, c.outputs, first, to + o);
            for (; o < c.outputs; o += kLanes)
              multiply<1>(from, kernel + o, inputs, c.outputs, first, to + o);
          }
        }
      }
      for (int64_t t = 0; t < count; ++t)
        finish_tile(c, pass, products + t * c.outputs, product_stride, batch, row,
                    start_of_tile(begin + t, pass.dilation));
    }
  });
}

}  // namespace

bool winograd_takes(const std::vector<Source>& sources, int64_t outputs) {
  for (const Source& one : sources) {
    int64_t channels = 0;  // of its dilation
    for (const Source& source : sources)
      if (source.dilation == one.dilation) channels += source.channels;
    if (channels % kLanes) return false;
  }
  return outputs % kLanes == 0;
}

void winograd_convolve(ffi::ThreadPool& pool, const Convolution& c) {
  std::vector<Pass> passes;
  for (const Source& source : c.sources) {
    Pass* own = nullptr;
    for (Pass& pass : passes)
      if (pass.dilation == source.dilation) own = &pass;
    if (!own) {
      passes.push_back({{}, source.dilation, passes.empty(), false});
      own = &passes.back();
    }
    add_source(source, own->groups);
  }
  static thread_local Aligned<float> memory;  // kept: new memory has to be cleared
  float* kernel = memory.room(kParts * c.inputs * c.outputs);
  for (Pass& pass : passes) {
    for (Group& group : pass.groups) {
      group.kernel = kernel;
      kernel += kParts * group.channels * c.outputs;
      transform_kernel(c, group);
    }
  }
  // Tiles of different dilations do not coincide, so each dilation passes over the map
  // anew and adds; only the last pass may apply the activation.
  passes.back().last = true;
  for (const Pass& pass : passes) run(pool, c, pass);
}
