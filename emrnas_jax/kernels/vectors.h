// What the kernels share: vectors, and loops that run on XLA's threads.

#ifndef EMRNAS_VECTORS_H_
#define EMRNAS_VECTORS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

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

// Runs f(0) .. f(n - 1). The caller works too and waits only for what was begun, so
// that calls from within the pool cannot block each other.
template <typename F>
void parallel(ffi::ThreadPool& pool, int64_t n, const F& f) {
  struct Shared {
    const F* f;
    int64_t n;
    std::atomic<int64_t> next{0}, done{0};
  };
  auto shared = std::make_shared<Shared>();
  shared->f = &f;
  shared->n = n;
  auto work = [shared] {
    for (int64_t i; (i = shared->next.fetch_add(1)) < shared->n;) {
      (*shared->f)(i);
      shared->done.fetch_add(1);
    }
  };
  const int64_t helpers = std::min<int64_t>(pool.num_threads(), n) - 1;
  for (int64_t i = 0; i < helpers; ++i) {
    auto copy = work;
    pool.Schedule(std::move(copy));
  }
  work();
  while (shared->done.load() < n) std::this_thread::yield();
}

#endif  // EMRNAS_VECTORS_H_
