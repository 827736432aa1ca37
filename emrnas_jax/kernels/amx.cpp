// 3x3 convolutions of bfloat16 maps on the matrix units (AMX) that Intel's server CPUs
// have since 2023, with the gradient of the kernel.
//
// Conventions are those of convolution.cpp; here all maps have one dilation. A tile
// holds 16 rows of 64 bytes. An instruction multiplies a tile of 16 x 32 bfloat16 values
// with one of 32 x 16 and adds the products to 16 x 16 float32 sums, so sums are float32
// and every result is rounded once.
//
// Source: Intel Architecture Instruction Set Extensions, chapter 3 (AMX).

#include <cstring>
#include <vector>

#include "convolution.h"

using Halves = ffi::Buffer<ffi::BF16>;
using HalfResult = ffi::ResultBuffer<ffi::BF16>;

#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

using Half = uint16_t;  // the bits of a bfloat16

constexpr int64_t kSide = 16;          // rows of a tile, and its columns in float32
constexpr int64_t kDepth = 32;         // bfloat16 values in a row of a tile
constexpr int64_t kTile = kSide * kDepth;
constexpr int64_t kBlock = 2 * kSide;  // pixels that are computed together
constexpr int64_t kRows = 8;           // rows of pixels that are prepared together

int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// Tiles of full size for the thread, as long as it lives.
class FullTiles {
 public:
  FullTiles() {
    struct alignas(64) {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    for (int i = 0; i < 8; ++i) config.bytes[i] = 64, config.rows[i] = kSide;
    _tile_loadconfig(&config);
  }
  ~FullTiles() { _tile_release(); }
};

// The first `count` of 16 lanes, all of them from 16 on.
__mmask16 lanes(int64_t count) { return count >= 16 ? 0xffff : (1 << count) - 1; }

// The compiler does not know what tile instructions read: this ends its reordering.
void finish_stores() { __asm__ volatile("" ::: "memory"); }

__m256i load_halves(const Half* from, int64_t count) {
  return _mm256_maskz_loadu_epi16(lanes(count), from);
}

__m512 to_float(__m256i halves) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// The maps a convolution reads, and their shape.
struct Maps {
  std::vector<const Half*> data;
  std::vector<int64_t> channels;
  int64_t inputs = 0, height, width, dilation;
};

Maps maps_of(ffi::RemainingArgs& args, int64_t dilation) {
  Maps maps;
  maps.dilation = dilation;
  for (size_t i = 0; i < args.size(); ++i) {
    const Halves map = args.get<Halves>(i).value();
    const auto shape = map.dimensions();
    maps.data.push_back(reinterpret_cast<const Half*>(map.untyped_data()));
    maps.channels.push_back(shape[3]);
    maps.inputs += shape[3];
    maps.height = shape[1], maps.width = shape[2];
  }
  return maps;
}

// Writes the rows from `row` - dilation on to `to`, [row, width + 2 dilation, depth]:
// the channels of all maps in turn, with zeros after them and outside of the map.
void copy_rows(const Maps& maps, int64_t batch, int64_t row, int64_t rows, int64_t depth,
               Half* to) {
  const int64_t d = maps.dilation, width = maps.width, line = (width + 2 * d) * depth;
  for (int64_t r = row - d; r < row + rows + d; ++r, to += line) {
    if (r < 0 || r >= maps.height || depth != maps.inputs)
      std::memset(to, 0, line * sizeof(Half));
    if (r < 0 || r >= maps.height) continue;
    std::memset(to, 0, d * depth * sizeof(Half));
    std::memset(to + (width + d) * depth, 0, d * depth * sizeof(Half));
    Half* at = to + d * depth;
    for (size_t i = 0; i < maps.data.size(); at += maps.channels[i++]) {
      const int64_t channels = maps.channels[i];
      const Half* from =
          maps.data[i] + (batch * maps.height + r) * width * channels;
      if (channels == depth) {
        std::memcpy(at, from, width * depth * sizeof(Half));
        continue;
      }
      for (int64_t c = 0; c < channels; c += kDepth) {
        const __mmask32 kept = channels - c >= kDepth ? ~0u : (1u << (channels - c)) - 1;
        for (int64_t p = 0; p < width; ++p)
          _mm512_mask_storeu_epi16(
              at + p * depth + c, kept,
              _mm512_maskz_loadu_epi16(kept, from + p * channels + c));
      }
    }
  }
}

// Rounds a kernel to bfloat16 and orders it as tiles, [tap, depth, out] of
// [pair of inputs, out, input of the pair]. `packed` holds zeros, which stay in the rest
// of the last tiles.
void pack_kernel(const float* kernel, int64_t inputs, int64_t outputs, int64_t depths,
                 int64_t outs, Half* packed) {
  for (int64_t tap = 0; tap < 9; ++tap)
    for (int64_t i = 0; i < inputs; ++i)
      for (int64_t o = 0; o < outputs; ++o) {
        const __m128 value = _mm_set_ss(kernel[(tap * inputs + i) * outputs + o]);
        const int64_t tile = (tap * depths + i / kDepth) * outs + o / kSide;
        const int64_t at = i % kDepth / 2 * kDepth + o % kSide * 2 + i % 2;
        packed[tile * kTile + at] = _mm_extract_epi16(
            reinterpret_cast<__m128i>(_mm_cvtneps_pbh(value)), 0);
      }
}

// Writes the sums of 32 pixels and 16 or 32 outputs, [pixel, out].
template <int kOuts>
void sum_block(const Half* pixels, int64_t dilation, int64_t line, int64_t depth,
               const Half* kernel, int64_t outs, float* sums) {
  finish_stores();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t tap = 0; tap < 9; ++tap) {
    const Half* x = pixels + tap / 3 * dilation * line + tap % 3 * dilation * depth;
    for (int64_t i = 0; i < depth; i += kDepth, kernel += outs * kTile) {
      _tile_loadd(4, x + i, depth * sizeof(Half));
      _tile_loadd(5, x + kSide * depth + i, depth * sizeof(Half));
      _tile_loadd(6, kernel, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 5, 6);
      if (kOuts == 1) continue;
      _tile_loadd(7, kernel + kTile, 64);
      _tile_dpbf16ps(2, 4, 7);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, sums, kOuts * 64);
  _tile_stored(1, sums + kSide * kOuts * kSide, kOuts * 64);
  if (kOuts == 1) return;
  _tile_stored(2, sums + kSide, kOuts * 64);
  _tile_stored(3, sums + kSide * kOuts * kSide + kSide, kOuts * 64);
}

struct Finish {
  const float* bias;  // padded with zeros
  const Half* activated;
  After after;
  float slope;
};

// Adds the bias to 16 sums, activates and rounds; `at` is the first one's place.
void finish(const Finish& f, const float* sums, int64_t output, int64_t at,
            int64_t count, Half* y) {
  __m512 sum = _mm512_add_ps(_mm512_loadu_ps(sums), _mm512_loadu_ps(f.bias + output));
  __mmask16 negative = 0;
  if (f.after == kLeaky) negative = _mm512_cmp_ps_mask(sum, __m512{}, _CMP_LT_OQ);
  if (f.after == kLeakyGradient)  // as integers, bfloat16 above zero are above zero
    negative = ~_mm256_cmpgt_epi16_mask(load_halves(f.activated + at, count), __m256i{});
  sum = _mm512_mask_mul_ps(sum, negative, sum, _mm512_set1_ps(f.slope));
  _mm256_mask_storeu_epi16(y + at, lanes(count),
                           reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(sum)));
}

ffi::Error convolve(ffi::ThreadPool pool, Floats kernel, Floats bias, Halves activated,
                    ffi::RemainingArgs args, HalfResult result,
                    ffi::Span<const int64_t> dilations, int64_t after, float slope) {
  const Maps maps = maps_of(args, dilations[0]);
  const auto shape = result->dimensions();
  const int64_t height = shape[1], width = shape[2], outputs = shape[3];
  const int64_t d = maps.dilation, depth = round_up(maps.inputs, kDepth);
  const int64_t outs = round_up(outputs, kSide) / kSide, line = (width + 2 * d) * depth;
  Aligned<Half> memory;
  Half* const packed = memory.room(9 * depth / kDepth * outs * kTile);
  pack_kernel(kernel.typed_data(), maps.inputs, outputs, depth / kDepth, outs, packed);
  std::vector<float> padded(outs * kSide, 0.0f);
  if (bias.element_count())
    std::copy(bias.typed_data(), bias.typed_data() + outputs, padded.data());
  const Finish f{padded.data(), reinterpret_cast<const Half*>(activated.untyped_data()),
                 static_cast<After>(after), slope};
  Half* y = reinterpret_cast<Half*>(result->untyped_data());
  const int64_t tasks = (height + kRows - 1) / kRows;
  parallel(pool, shape[0] * tasks, [&](int64_t task) {
    const int64_t batch = task / tasks, first = task % tasks * kRows;
    const int64_t rows = std::min(kRows, height - first);
    const FullTiles tiles;
    // Kept by the thread: new memory would cost more than the copy.
    static thread_local Aligned<Half> kept;
    Half* const copies = kept.room((kRows + 2 * d) * line);
    copy_rows(maps, batch, first, rows, depth, copies);
    alignas(64) float sums[kBlock * 2 * kSide];
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t start = 0; start < width; start += kBlock) {
        const int64_t column = std::min(start, width - kBlock);
        const Half* pixels = copies + r * line + column * depth;
        const int64_t pixel = (batch * height + first + r) * width + column;
        for (int64_t o = 0; o < outs; o += 2) {
          const int64_t own = std::min<int64_t>(2, outs - o);
          const Half* k = packed + o * kTile;
          if (own == 2)
            sum_block<2>(pixels, d, line, depth, k, outs, sums);
          else
            sum_block<1>(pixels, d, line, depth, k, outs, sums);
          for (int64_t p = 0; p < kBlock; ++p)
            for (int64_t i = 0; i < own; ++i) {
              const int64_t output = (o + i) * kSide;
              finish(f, sums + (p * own + i) * kSide, output,
                     (pixel + p) * outputs + output, outputs - output, y);
            }
        }
      }
    }
  });
  return ffi::Error::Success();
}

// Returns the values of two pixels for 16 channels, in pairs; zeros outside the row.
__m512i pair_of(const Half* row, int64_t pixel, int64_t width, int64_t channels,
                int64_t count) {
  const auto at = [&](int64_t p) {
    return p < 0 || p >= width
               ? __m512i{}
               : _mm512_cvtepu16_epi32(load_halves(row + p * channels, count));
  };
  return _mm512_or_si512(at(pixel), _mm512_slli_epi32(at(pixel + 1), 16));
}

// Exchanges rows and columns of 16 x 16 values of 32 bits.
void transpose(__m512i v[16]) {
  __m512i w[16];
  for (int i = 0; i < 16; i += 2) {
    w[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
    w[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    v[i] = _mm512_unpacklo_epi64(w[i], w[i + 2]);
    v[i + 1] = _mm512_unpackhi_epi64(w[i], w[i + 2]);
    v[i + 2] = _mm512_unpacklo_epi64(w[i + 1], w[i + 3]);
    v[i + 3] = _mm512_unpackhi_epi64(w[i + 1], w[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    w[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88);
    w[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd);
    w[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
    w[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm512_shuffle_i32x4(w[i], w[i + 8], 0x88);
    v[i + 4] = _mm512_shuffle_i32x4(w[i + 4], w[i + 12], 0x88);
    v[i + 8] = _mm512_shuffle_i32x4(w[i], w[i + 8], 0xdd);
    v[i + 12] = _mm512_shuffle_i32x4(w[i + 4], w[i + 12], 0xdd);
  }
}

// What a thread prepares for the gradient: rows of the maps turned, [row, channel,
// pixel], with `dilation` zeros before them, and rows of dy in pairs of pixels, [row,
// pair, channel, pixel of the pair].
struct Prepared {
  Aligned<Half> turned, pairs;
};

void turn_rows(const Maps& maps, int64_t batch, int64_t row, int64_t rows,
               int64_t inputs, int64_t length, Half* to) {
  const int64_t d = maps.dilation;
  for (int64_t r = row - d; r < row + rows + d; ++r, to += inputs * length) {
    if (r < 0 || r >= maps.height) {
      std::memset(to, 0, inputs * length * sizeof(Half));
      continue;
    }
    Half* at = to;
    for (size_t i = 0; i < maps.data.size(); at += maps.channels[i++] * length) {
      const int64_t channels = maps.channels[i];
      const Half* from =
          maps.data[i] + (batch * maps.height + r) * maps.width * channels;
      for (int64_t c = 0; c < channels; c += kSide) {
        const int64_t count = std::min(kSide, channels - c);
        for (int64_t p = 0; p < length; p += kDepth) {
          __m512i v[16];
          for (int64_t k = 0; k < 16; ++k)
            v[k] = pair_of(from + c, p + 2 * k - d, maps.width, channels, count);
          transpose(v);
          for (int64_t k = 0; k < count; ++k)
            _mm512_storeu_si512(at + (c + k) * length + p, v[k]);
        }
      }
    }
    std::memset(at, 0, (to + inputs * length - at) * sizeof(Half));
  }
}

// Writes a row of dy in pairs, and adds it to the bias gradient.
void pair_row(const Half* row, int64_t width, int64_t outputs, int64_t padded_width,
              int64_t padded_outputs, Half* to, float* bias) {
  for (int64_t o = 0; o < padded_outputs; o += kSide) {
    const int64_t count = std::min(kSide, outputs - o);
    __m512 sum = _mm512_loadu_ps(bias + o);
    for (int64_t p = 0; p < padded_width; p += 2)
      _mm512_storeu_si512(to + (p / 2 * padded_outputs + o) * 2,
                          pair_of(row + o, p, width, outputs, count));
    for (int64_t p = 0; p < width; ++p)
      sum = _mm512_add_ps(sum, to_float(load_halves(row + p * outputs + o, count)));
    _mm512_storeu_ps(bias + o, sum);
  }
}

// Adds to `sums`, 32 or 16 inputs by 32 or 16 outputs, the products of one tap.
template <int kIns, int kOuts>
void add_tap(const Half* turned, int64_t turned_row, int64_t length, const Half* pairs,
             int64_t pairs_row, int64_t outputs, int64_t rows, int64_t width,
             float* sums) {
  const int64_t stride = outputs * sizeof(float);
  finish_stores();
  _tile_loadd(0, sums, stride);
  if (kIns == 2) _tile_loadd(1, sums + kSide * outputs, stride);
  if (kOuts == 2) _tile_loadd(2, sums + kSide, stride);
  if (kIns == 2 && kOuts == 2) _tile_loadd(3, sums + kSide * outputs + kSide, stride);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t p = 0; p < width; p += kDepth) {
      const Half* x = turned + r * turned_row + p;
      const Half* g = pairs + r * pairs_row + p * outputs;
      _tile_loadd(4, x, length * sizeof(Half));
      _tile_loadd(6, g, outputs * 2 * sizeof(Half));
      _tile_dpbf16ps(0, 4, 6);
      if (kIns == 2) {
        _tile_loadd(5, x + kSide * length, length * sizeof(Half));
        _tile_dpbf16ps(1, 5, 6);
      }
      if (kOuts == 2) {
        _tile_loadd(7, g + 2 * kSide, outputs * 2 * sizeof(Half));
        _tile_dpbf16ps(2, 4, 7);
      }
      if (kIns == 2 && kOuts == 2) _tile_dpbf16ps(3, 5, 7);
    }
  _tile_stored(0, sums, stride);
  if (kIns == 2) _tile_stored(1, sums + kSide * outputs, stride);
  if (kOuts == 2) _tile_stored(2, sums + kSide, stride);
  if (kIns == 2 && kOuts == 2) _tile_stored(3, sums + kSide * outputs + kSide, stride);
}

ffi::Error kernel_gradient(ffi::ThreadPool pool, Halves gradient, ffi::RemainingArgs args,
                           Result kernel, Result bias, int64_t dilation) {
  const Maps maps = maps_of(args, dilation);
  const auto shape = gradient.dimensions();
  const int64_t height = shape[1], width = shape[2], outputs = shape[3], d = dilation;
  const int64_t ins = round_up(maps.inputs, kSide), outs = round_up(outputs, kSide);
  const int64_t columns = round_up(width, kDepth);
  const int64_t length = round_up(columns + 2 * d, kDepth);
  const int64_t turned_row = ins * length, pairs_row = columns * outs;
  const int64_t chunks = (height + kRows - 1) / kRows, parts = shape[0] * chunks;
  const int64_t tasks = std::min<int64_t>(parts, 32), size = (9 * ins + 1) * outs;
  const Half* dy = reinterpret_cast<const Half*>(gradient.untyped_data());
  Aligned<float> memory;
  float* const sums = memory.room(tasks * size);  // per task: kernel, then bias
  parallel(pool, tasks, [&](int64_t task) {
    const FullTiles tiles;
    static thread_local Prepared prepared;
    Half* const turned = prepared.turned.room((kRows + 2 * d) * turned_row);
    Half* const pairs = prepared.pairs.room(kRows * pairs_row);
    float* own = sums + task * size;
    for (int64_t part = task * parts / tasks; part < (task + 1) * parts / tasks; ++part) {
      const int64_t batch = part / chunks, first = part % chunks * kRows;
      const int64_t rows = std::min(kRows, height - first);
      turn_rows(maps, batch, first, rows, ins, length, turned);
      for (int64_t r = 0; r < rows; ++r)
        pair_row(dy + (batch * height + first + r) * width * outputs, width, outputs,
                 columns, outs, pairs + r * pairs_row,
                 own + 9 * ins * outs);
      for (int64_t tap = 0; tap < 9; ++tap)
        for (int64_t i = 0; i < ins; i += 2 * kSide)
          for (int64_t o = 0; o < outs; o += 2 * kSide) {
            const bool two_ins = i + kSide < ins, two_outs = o + kSide < outs;
            const auto add = two_ins ? (two_outs ? add_tap<2, 2> : add_tap<2, 1>)
                                     : (two_outs ? add_tap<1, 2> : add_tap<1, 1>);
            add(turned + tap / 3 * d * turned_row + i * length +
                    tap % 3 * d,
                turned_row, length, pairs + o * 2, pairs_row, outs, rows,
                columns, own + (tap * ins + i) * outs + o);
          }
    }
  });
  float *to_kernel = kernel->typed_data(), *to_bias = bias->typed_data();
  std::fill(to_kernel, to_kernel + 9 * maps.inputs * outputs, 0.0f);
  std::fill(to_bias, to_bias + outputs, 0.0f);
  for (int64_t task = 0; task < tasks; ++task) {
    const float* own = sums + task * size;
    for (int64_t tap = 0; tap < 9; ++tap)
      for (int64_t i = 0; i < maps.inputs; ++i)
        for (int64_t o = 0; o < outputs; ++o)
          to_kernel[(tap * maps.inputs + i) * outputs + o] +=
              own[(tap * ins + i) * outs + o];
    for (int64_t o = 0; o < outputs; ++o) to_bias[o] += own[9 * ins * outs + o];
  }
  return ffi::Error::Success();
}

}  // namespace

// Whether this machine has the units and lets this process use them.
extern "C" int emrnas_has_amx() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // of arch_prctl
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

#else

namespace {

const char* kMissing = "compiled without AMX; ask emrnas_has_amx";

ffi::Error convolve(ffi::ThreadPool, Floats, Floats, Halves, ffi::RemainingArgs,
                    HalfResult, ffi::Span<const int64_t>, int64_t, float) {
  return ffi::Error(ffi::ErrorCode::kUnimplemented, kMissing);
}

ffi::Error kernel_gradient(ffi::ThreadPool, Halves, ffi::RemainingArgs, Result, Result,
                           int64_t) {
  return ffi::Error(ffi::ErrorCode::kUnimplemented, kMissing);
}

}  // namespace

extern "C" int emrnas_has_amx() { return 0; }

#endif

XLA_FFI_DEFINE_HANDLER_SYMBOL(emrnas_convolve_bf16, convolve,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Floats>()  // kernel
                                  .Arg<Floats>()  // bias, or empty
                                  .Arg<Halves>()  // activated, or empty
                                  .RemainingArgs()  // maps
                                  .Ret<Halves>()
                                  .Attr<ffi::Span<const int64_t>>("dilations")
                                  .Attr<int64_t>("after")
                                  .Attr<float>("slope"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(emrnas_kernel_gradient_bf16, kernel_gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Halves>()    // dy
                                  .RemainingArgs()  // maps
                                  .Ret<Floats>()    // of the kernel
                                  .Ret<Floats>()    // of the bias
                                  .Attr<int64_t>("dilation"));
