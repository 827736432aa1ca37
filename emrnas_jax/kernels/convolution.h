// A convolution to compute: what convolution.cpp and winograd.cpp have in common.

#ifndef EMRNAS_CONVOLUTION_H_
#define EMRNAS_CONVOLUTION_H_

#include <vector>

#include "vectors.h"

struct Source {
  const float* map;
  int64_t channels, dilation;
  int64_t offset;  // of its channels among the kernel's inputs
};

// What becomes of a sum before it is stored.
enum After : int64_t {
  kNothing = 0,
  kLeaky = 1,         // LeakyReLU of that slope; 0: ReLU
  kLeakyGradient = 2  // times the slope where `activated`, its output, is not above 0
};

struct Convolution {
  std::vector<Source> sources;
  const float *kernel, *bias, *activated;
  float* y;
  int64_t batch, height, width, inputs, outputs;
  After after;
  float slope;
};

// Returns the value to store at `at` for the sum found there.
template <int L>
inline Vector<L> finish(const Convolution& c, int64_t at, Vector<L> sum) {
  if (c.after == kLeaky) return sum >= 0 ? sum : c.slope * sum;
  if (c.after == kLeakyGradient)
    return load<L>(c.activated + at) > 0 ? sum : c.slope * sum;
  return sum;
}

inline float finish(const Convolution& c, int64_t at, float sum) {
  if (c.after == kLeaky) return sum >= 0 ? sum : c.slope * sum;
  if (c.after == kLeakyGradient) return c.activated[at] > 0 ? sum : c.slope * sum;
  return sum;
}

#endif  // EMRNAS_CONVOLUTION_H_
