// Winograd's minimal filtering F(2x2, 3x3): of a tile of 4x4 pixels and a kernel of 3x3
// taps, transforms are multiplied that need 16 products for 2x2 pixels, not 36. The
// pixels of a tile are `dilation` apart, so tiles of a dilated convolution interleave.
// The error is that of a few more float32 additions.
//
// Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.

#include "winograd.h"

namespace {

using V = Vector<kLanes>;

constexpr int64_t kTiles = kPixels == 16 ? 16 : 12;

// A source with its part of the kernel, transformed: [16, in, out].
struct Transformed {
  Source source;
  std::vector<float> kernel;
};

// The sources of one dilation: these share their tiles.
struct Pass {
  std::vector<Transformed> sources;
  int64_t dilation;
  bool first, last;
};

// Returns G g Gᵀ of the part of the kernel that belongs to `source`.
std::vector<float> transform_kernel(const Convolution& c, const Source& source) {
  std::vector<float> transformed(16 * source.channels * c.outputs);
  for (int64_t i = 0; i < source.channels; ++i) {
    for (int64_t o = 0; o < c.outputs; o += kLanes) {
      V half[4][3];
      for (int x = 0; x < 3; ++x) {
        V g[3];
        for (int y = 0; y < 3; ++y)
          g[y] = load<kLanes>(
              c.kernel + ((y * 3 + x) * c.inputs + source.offset + i) * c.outputs + o);
        half[0][x] = g[0];
        half[1][x] = 0.5f * (g[0] + g[1] + g[2]);
        half[2][x] = 0.5f * (g[0] - g[1] + g[2]);
        half[3][x] = g[2];
      }
      for (int y = 0; y < 4; ++y) {
        const V* h = half[y];
        const V row[4] = {h[0], 0.5f * (h[0] + h[1] + h[2]), 0.5f * (h[0] - h[1] + h[2]),
                          h[2]};
        for (int x = 0; x < 4; ++x)
          store<kLanes>(
              &transformed[((y * 4 + x) * source.channels + i) * c.outputs + o], row[x]);
      }
    }
  }
  return transformed;
}

// Writes Bᵀ d B of one tile and source, its 16 parts `stride` apart. `zeros` stand for
// the pixels outside of the map.
inline void transform_tile(const Convolution& c, const Source& source, int64_t batch,
                           int64_t row, int64_t column, const float* zeros, float* to,
                           int64_t stride) {
  const int64_t d = source.dilation, channels = source.channels;
  const float* map = source.map + batch * c.height * c.width * channels;
  const float* pixels[4][4];
  for (int y = 0; y < 4; ++y) {
    const int64_t r = row + (y - 1) * d;
    for (int x = 0; x < 4; ++x) {
      const int64_t q = column + (x - 1) * d;
      const bool inside = r >= 0 && r < c.height && q >= 0 && q < c.width;
      pixels[y][x] = inside ? map + (r * c.width + q) * channels : zeros;
    }
  }
  for (int64_t i = 0; i < channels; i += kLanes) {
    V half[4][4];
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
      const V p0 = load<kLanes>(pixels[0][x] + i), p1 = load<kLanes>(pixels[1][x] + i),
              p2 = load<kLanes>(pixels[2][x] + i), p3 = load<kLanes>(pixels[3][x] + i);
      half[0][x] = p0 - p2;
      half[1][x] = p1 + p2;
      half[2][x] = p2 - p1;
      half[3][x] = p1 - p3;
    }
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) {
      const V* h = half[y];
      float* at = to + y * 4 * stride + i;
      store<kLanes>(at, h[0] - h[2]);
      store<kLanes>(at + stride, h[1] + h[2]);
      store<kLanes>(at + 2 * stride, h[2] - h[1]);
      store<kLanes>(at + 3 * stride, h[1] - h[3]);
    }
  }
}

// Adds to `products`, [tile, out], those of kPixels tiles, [tile, in], with a kernel,
// [in, out]. The number of inputs is a template argument where it is known, so that
// addresses are constant.
template <int kOuts, int kInputs>
inline void multiply(const float* tiles, const float* kernel, int64_t any_inputs,
                     int64_t outputs, bool first, float* products) {
  const int64_t inputs = kInputs ? kInputs : any_inputs;
  V sums[kPixels][kOuts] = {};
  if (!first)
    for (int p = 0; p < kPixels; ++p)
      for (int o = 0; o < kOuts; ++o)
        sums[p][o] = load<kLanes>(products + p * outputs + o * kLanes);
  for (int64_t i = 0; i < inputs; ++i) {
    V weights[kOuts];
#pragma GCC unroll 4
    for (int o = 0; o < kOuts; ++o)
      weights[o] = load<kLanes>(kernel + i * outputs + o * kLanes);
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 4
      for (int o = 0; o < kOuts; ++o) sums[p][o] += tiles[p * inputs + i] * weights[o];
  }
  for (int p = 0; p < kPixels; ++p)
    for (int o = 0; o < kOuts; ++o)
      store<kLanes>(products + p * outputs + o * kLanes, sums[p][o]);
}

template <int kOuts>
void multiply(const float* tiles, const float* kernel, int64_t inputs, int64_t outputs,
              bool first, float* products) {
  if (inputs == 16)
    multiply<kOuts, 16>(tiles, kernel, inputs, outputs, first, products);
  else
    multiply<kOuts, 0>(tiles, kernel, inputs, outputs, first, products);
}

// Stores Aᵀ m A, the pixels of one tile.
void finish_tile(const Convolution& c, const Pass& pass, const float* products,
                 int64_t stride, int64_t batch, int64_t row, int64_t column) {
  for (int64_t o = 0; o < c.outputs; o += kLanes) {
    V half[2][4];
    for (int x = 0; x < 4; ++x) {
      const float* m = products + x * stride + o;
      const V m0 = load<kLanes>(m), m1 = load<kLanes>(m + 4 * stride),
              m2 = load<kLanes>(m + 8 * stride), m3 = load<kLanes>(m + 12 * stride);
      half[0][x] = m0 + m1 + m2;
      half[1][x] = m1 - m2 - m3;
    }
    const V bias = pass.first && c.bias ? load<kLanes>(c.bias + o) : V{};
    for (int y = 0; y < 2; ++y) {
      const V* h = half[y];
      const V sums[2] = {h[0] + h[1] + h[2] + bias, h[1] - h[2] - h[3] + bias};
      for (int x = 0; x < 2; ++x) {
        const int64_t r = row + y * pass.dilation, q = column + x * pass.dilation;
        if (r >= c.height || q >= c.width) continue;
        const int64_t at = ((batch * c.height + r) * c.width + q) * c.outputs + o;
        const V sum = pass.first ? sums[x] : sums[x] + load<kLanes>(c.y + at);
        store<kLanes>(c.y + at, pass.last ? finish<kLanes>(c, at, sum) : sum);
      }
    }
  }
}

// The i-th of the lines that begin a tile: `dilation` lines, then as many left out.
int64_t start_of_tile(int64_t i, int64_t dilation) {
  return i / dilation * 2 * dilation + i % dilation;
}

int64_t count_of_tiles(int64_t size, int64_t dilation) {
  return size / (2 * dilation) * dilation + std::min(size % (2 * dilation), dilation);
}

void run(ffi::ThreadPool& pool, const Convolution& c, const Pass& pass) {
  const int64_t rows = count_of_tiles(c.height, pass.dilation);
  const int64_t columns = count_of_tiles(c.width, pass.dilation);
  int64_t most = 0;
  for (const Transformed& own : pass.sources)
    most = std::max(most, own.source.channels);
  // One vector more than needed between the 16 parts: at a distance of a power of two
  // they would share few lines of the cache.
  const int64_t tile_stride = kTiles * most + kLanes;
  const int64_t product_stride = kTiles * c.outputs + kLanes;
  const std::vector<float> zeros(most);
  parallel(pool, c.batch * rows, [&](int64_t task) {
    const int64_t batch = task / rows;
    const int64_t row = start_of_tile(task % rows, pass.dilation);
    std::vector<float> tiles(16 * tile_stride), products(16 * product_stride);
    for (int64_t begin = 0; begin < columns; begin += kTiles) {
      const int64_t count = std::min(kTiles, columns - begin);
      for (const Transformed& own : pass.sources) {
        const int64_t inputs = own.source.channels;
        for (int64_t t = 0; t < count; ++t)
          transform_tile(c, own.source, batch, row,
                         start_of_tile(begin + t, pass.dilation), zeros.data(),
                         tiles.data() + t * inputs, tile_stride);
        for (int64_t k = 0; k < 16; ++k) {
          const float* kernel = own.kernel.data() + k * inputs * c.outputs;
          for (int64_t t = 0; t < count; t += kPixels) {
            const float* from = tiles.data() + k * tile_stride + t * inputs;
            float* to = products.data() + k * product_stride + t * c.outputs;
            const bool first = &own == &pass.sources.front();
            int64_t o = 0;
            for (; o + kLanes * kVectors <= c.outputs; o += kLanes * kVectors)
              multiply<kVectors>(from, kernel + o, inputs, c.outputs, first, to + o);
            for (; o < c.outputs; o += kLanes)
              multiply<1>(from, kernel + o, inputs, c.outputs, first, to + o);
          }
        }
      }
      for (int64_t t = 0; t < count; ++t)
        finish_tile(c, pass, products.data() + t * c.outputs, product_stride, batch, row,
                    start_of_tile(begin + t, pass.dilation));
    }
  });
}

}  // namespace

bool winograd_takes(const Convolution& c) {
  for (const Source& source : c.sources)
    if (source.channels % kLanes) return false;
  return c.outputs % kLanes == 0;
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
    own->sources.push_back({source, transform_kernel(c, source)});
  }
  // Tiles of different dilations do not coincide, so each dilation passes over the map
  // anew and adds; only the last pass may apply the activation.
  passes.back().last = true;
  for (const Pass& pass : passes) run(pool, c, pass);
}
