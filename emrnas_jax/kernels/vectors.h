// What the kernels share: vectors, and loops that run on XLA's threads.

#ifndef EMRNAS_VECTORS_H_
#define EMRNAS_VECTORS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using Floats = ffi::Buffer<ffi::F32>;
using Result = ffi::ResultBuffer<ffi::F32>;

// Lanes of the widest vector, and how many of them make up one block of outputs with
// how many pixels: as many accumulators as leave a few registers to the operands.
#if defined(__AVX512F__)
constexpr int kLanes = 16, kVectors = 1, kPixels = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8, kVectors = 2, kPixels = 6;
#elif defined(__aarch64__)
constexpr int kLanes = 4, kVectors = 4, kPixels = 6;
#else
constexpr int kLanes = 4, kVectors = 2, kPixels = 6;
#endif

template <int L> struct Lanes;
template <> struct Lanes<4> {
  typedef float Vector __attribute__((vector_size(16), aligned(4)));
};
template <> struct Lanes<8> {
  typedef float Vector __attribute__((vector_size(32), aligned(4)));
};
template <> struct Lanes<16> {
  typedef float Vector __attribute__((vector_size(64), aligned(4)));
};
template <int L> using Vector = typename Lanes<L>::Vector;

template <int L> inline Vector<L> load(const float* from) {
  return *reinterpret_cast<const Vector<L>*>(from);
}
template <int L> inline void store(float* to, Vector<L> value) {
  *reinterpret_cast<Vector<L>*>(to) = value;
}

// Memory that begins at a line of the cache: a vector that lies in two lines takes two
// accesses.
template <typename T> class Aligned {
 public:
  // Returns room for `count` values, zeros at the first call and anything later.
  T* room(int64_t count) {
    memory_.resize(count + kLine);
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    return memory_.data() + (kLine - address / sizeof(T) % kLine) % kLine;
  }

 private:
  static constexpr int64_t kLine = 64 / sizeof(T);
  std::vector<T> memory_;
};

// Runs f(0) .. f(n - 1). The caller works too and waits only for what was begun, so
// that calls from within the pool cannot block each other. Each thread begins with a
// range of its own, which is the same in every call: what a convolution reads then lies
// where the one before has written it, in the cache of the same core.
template <typename F>
void parallel(ffi::ThreadPool& pool, int64_t n, const F& f) {
  struct alignas(64) Range {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  struct Shared {
    const F* f;
    std::vector<Range> ranges;
    std::atomic<int64_t> done{0};
  };
  const int64_t count = std::max<int64_t>(1, std::min<int64_t>(pool.num_threads(), n));
  auto shared = std::make_shared<Shared>();
  shared->f = &f;
  shared->ranges = std::vector<Range>(count);
  for (int64_t k = 0; k < count; ++k) {
    shared->ranges[k].next = k * n / count;
    shared->ranges[k].end = (k + 1) * n / count;
  }
  auto work = [shared, count](int64_t own) {
    for (int64_t k = 0; k < count; ++k) {  // then what others have left
      Range& range = shared->ranges[(own + k) % count];
      for (int64_t i; (i = range.next.fetch_add(1)) < range.end;) {
        (*shared->f)(i);
        shared->done.fetch_add(1);
      }
    }
  };
  for (int64_t k = 1; k < count; ++k) pool.Schedule([work, k] { work(k); });
  work(0);
  while (shared->done.load() < n) std::this_thread::yield();
}

#endif  // EMRNAS_VECTORS_H_
