// 3x3 convolutions, and the gradients of their kernels, with 36 products instead of 144
// for four by four pixels.

#ifndef EMRNAS_WINOGRAD_H_
#define EMRNAS_WINOGRAD_H_

#include "convolution.h"

// Whether the channels of each dilation come in whole vectors, and the outputs.
bool winograd_takes(const std::vector<Source>& sources, int64_t outputs);

void winograd_convolve(ffi::ThreadPool& pool, const Convolution& c);

// The gradient to compute of a kernel and a bias. All sources have one dilation.
struct Gradient {
  std::vector<Source> sources;
  const float* dy;
  int64_t batch, height, width, inputs, outputs, dilation;
  float *kernel, *bias;
};

void winograd_gradient(ffi::ThreadPool& pool, const Gradient& g);

#endif  // EMRNAS_WINOGRAD_H_
