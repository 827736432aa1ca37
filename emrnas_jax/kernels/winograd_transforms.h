// Winograd's minimal filtering F(4x4, 3x3): of a tile of 6x6 pixels and a kernel of 3x3
// taps, transforms are multiplied that need 36 products for 4x4 pixels, not 144. The
// pixels of a tile are `dilation` apart, so tiles of a dilated convolution interleave.
//
// The transforms evaluate polynomials at 0, ±sqrt(1/2), ±sqrt(2) and infinity. The error
// is then about twice that of the sums as they are defined; at the usual 0, ±1, ±2 it
// would be six times that.
//
// Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016;
// points as in Barabasz et al., "Error analysis and improving the accuracy of Winograd
// convolution for deep neural networks", 2020.

#ifndef EMRNAS_WINOGRAD_TRANSFORMS_H_
#define EMRNAS_WINOGRAD_TRANSFORMS_H_

#include "convolution.h"

using V = Vector<kLanes>;

constexpr int64_t kSide = 4;            // pixels of a tile along one axis
constexpr int64_t kPoints = kSide + 2;  // at which polynomials are evaluated
constexpr int64_t kParts = kPoints * kPoints;

// Tiles and vectors of outputs whose sums fit into registers, and tiles whose transforms
// fit into the nearest cache.
constexpr int kTilesAtOnce = kLanes == 16 ? 8 : kPixels;
constexpr int kVectorsAtOnce = kLanes == 16 ? 2 : kVectors;
constexpr int64_t kTiles = kLanes == 16 ? 8 : 12;

constexpr float kNear = 0.70710678f, kFar = 1.41421356f;  // the points beside 0

// Writes Bᵀ d, Aᵀ m and G g along one axis, and what their gradients need, A m and Gᵀ p.
inline void transform_pixels(const V* d, V* to) {
  const V near = kNear * (d[3] - 2.0f * d[1]), near_even = d[4] - 2.0f * d[2];
  const V far = kFar * (d[3] - 0.5f * d[1]), far_even = d[4] - 0.5f * d[2];
  to[0] = d[0] - 2.5f * d[2] + d[4];
  to[1] = near_even + near;
  to[2] = near_even - near;
  to[3] = far_even + far;
  to[4] = far_even - far;
  to[5] = d[1] - 2.5f * d[3] + d[5];
}

inline void transform_products(const V* m, V* to) {
  const V near_sum = m[1] + m[2], near = kNear * (m[1] - m[2]);
  const V far_sum = m[3] + m[4], far = kFar * (m[3] - m[4]);
  to[0] = m[0] + near_sum + far_sum;
  to[1] = near + far;
  to[2] = 0.5f * near_sum + 2.0f * far_sum;
  to[3] = 0.5f * near + 2.0f * far + m[5];
}

inline void transform_taps(const V* g, V* to) {
  const V near_even = g[0] + 0.5f * g[2], near = kNear * g[1];
  const V far_even = g[0] + 2.0f * g[2], far = kFar * g[1];
  to[0] = g[0];
  to[1] = (-2.0f / 3) * (near_even + near);
  to[2] = (-2.0f / 3) * (near_even - near);
  to[3] = (1.0f / 6) * (far_even + far);
  to[4] = (1.0f / 6) * (far_even - far);
  to[5] = g[2];
}

inline void transform_gradient(const V* m, V* to) {
  const V near_even = m[0] + 0.5f * m[2], near = kNear * (m[1] + 0.5f * m[3]);
  const V far_even = m[0] + 2.0f * m[2], far = kFar * (m[1] + 2.0f * m[3]);
  to[0] = m[0];
  to[1] = near_even + near;
  to[2] = near_even - near;
  to[3] = far_even + far;
  to[4] = far_even - far;
  to[5] = m[3];
}

inline void gather_taps(const V* p, V* to) {
  const V near = (-2.0f / 3) * (p[1] + p[2]), far = (1.0f / 6) * (p[3] + p[4]);
  to[0] = p[0] + near + far;
  to[1] = (-2.0f / 3 * kNear) * (p[1] - p[2]) + (kFar / 6) * (p[3] - p[4]);
  to[2] = 0.5f * near + 2.0f * far + p[5];
}

// Sources whose channels make whole vectors together, with their part of the kernel,
// transformed: [part, in, out]. One source is read where it is, several are copied.
struct Group {
  std::vector<Source> sources;
  int64_t channels = 0;
  float* kernel = nullptr;

  // Returns the kernel's input of each channel.
  std::vector<int64_t> inputs() const {
    std::vector<int64_t> found;
    for (const Source& source : sources)
      for (int64_t i = 0; i < source.channels; ++i) found.push_back(source.offset + i);
    return found;
  }
};

// Adds a source to the groups of its dilation. Those that are no whole vectors make a
// group of their own, the last one.
inline void add_source(const Source& source, std::vector<Group>& groups) {
  const auto is_whole = [](const Source& s) { return s.channels % kLanes == 0; };
  if (is_whole(source))
    groups.insert(groups.begin(), Group{{source}, source.channels});
  else if (groups.empty() || is_whole(groups.back().sources[0]))
    groups.push_back(Group{{source}, source.channels});
  else
    groups.back().sources.push_back(source), groups.back().channels += source.channels;
}

// Copies the pixels of a row from all sources, channels in turn.
inline void copy_row(const Group& group, int64_t width, int64_t row, float* to) {
  for (const Source& source : group.sources) {
    const float* from = source.map + row * width * source.channels;
    for (int64_t p = 0; p < width; ++p) {
      float* at = to + p * group.channels;
      int64_t i = 0;
      for (; i + 4 <= source.channels; i += 4) store<4>(at + i, load<4>(from + i));
      for (; i < source.channels; ++i) at[i] = from[i];
      from += source.channels;
    }
    to += source.channels;
  }
}

// Points `rows` to the rows of pixels that the tiles of `row` read; null where a row is
// outside of the map.
inline void find_rows(const Group& group, int64_t height, int64_t width,
                      int64_t dilation, int64_t batch, int64_t row, float* copies,
                      const float* rows[kPoints]) {
  const int64_t line = width * group.channels;
  for (int64_t y = 0; y < kPoints; ++y) {
    const int64_t r = row + (y - 1) * dilation;
    rows[y] = nullptr;
    if (r < 0 || r >= height) continue;
    if (group.sources.size() == 1) {
      rows[y] = group.sources[0].map + (batch * height + r) * line;
      continue;
    }
    copy_row(group, width, batch * height + r, copies + y * line);
    rows[y] = copies + y * line;
  }
}

// Writes Bᵀ d B of one tile, its parts `stride` apart. `zeros` stand for the pixels
// outside of the map. Not inlined, as its caller has no registers left.
__attribute__((noinline)) static void transform_tile(const float* const rows[kPoints],
                                              int64_t width, int64_t channels, int64_t d,
                                              int64_t column, const float* zeros,
                                              float* to, int64_t stride) {
  const float* pixels[kPoints][kPoints];
  for (int64_t x = 0; x < kPoints; ++x) {
    const int64_t q = column + (x - 1) * d;
    const bool inside = q >= 0 && q < width;
    for (int64_t y = 0; y < kPoints; ++y)
      pixels[y][x] = inside && rows[y] ? rows[y] + q * channels : zeros;
  }
  for (int64_t i = 0; i < channels; i += kLanes) {
    V half[kPoints][kPoints];
#pragma GCC unroll 6
    for (int x = 0; x < kPoints; ++x) {
      V d[kPoints], parts[kPoints];
#pragma GCC unroll 6
      for (int y = 0; y < kPoints; ++y) d[y] = load<kLanes>(pixels[y][x] + i);
      transform_pixels(d, parts);
#pragma GCC unroll 6
      for (int y = 0; y < kPoints; ++y) half[y][x] = parts[y];
    }
#pragma GCC unroll 6
    for (int y = 0; y < kPoints; ++y) {
      V parts[kPoints];
      transform_pixels(half[y], parts);
#pragma GCC unroll 6
      for (int x = 0; x < kPoints; ++x)
        store<kLanes>(to + (y * kPoints + x) * stride + i, parts[x]);
    }
  }
}

// The i-th of the lines that begin a tile: `dilation` lines, then those of their tiles.
inline int64_t start_of_tile(int64_t i, int64_t dilation) {
  return i / dilation * kSide * dilation + i % dilation;
}

inline int64_t count_of_tiles(int64_t size, int64_t dilation) {
  const int64_t span = kSide * dilation;
  return size / span * dilation + std::min(size % span, dilation);
}

#endif  // EMRNAS_WINOGRAD_TRANSFORMS_H_
