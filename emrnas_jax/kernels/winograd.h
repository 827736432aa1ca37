// 3x3 convolutions with 16 products instead of 36 for two by two pixels.

#ifndef EMRNAS_WINOGRAD_H_
#define EMRNAS_WINOGRAD_H_

#include "convolution.h"

// Whether all channels come in whole vectors.
bool winograd_takes(const Convolution& c);

void winograd_convolve(ffi::ThreadPool& pool, const Convolution& c);

#endif  // EMRNAS_WINOGRAD_H_
