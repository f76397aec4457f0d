// The gradient of a convolution's weights on AMX tiles, without a matrix of columns.
#pragma once

#include "kernels/tap_sums_bf16.h"
#include "ops/conv2d_bf16.h"

namespace tenon {

// Null where another algorithm computes this shape on this path.
const TapSumKernels* conv2d_weights_tiles(const ConvGeom& g, Target target);
int64_t conv2d_weights_tiles_workspace(const ConvGeom& g);
void conv2d_weights_tiles(const ConvCall& call, const TapSumKernels& kernels, float* workspace);

}  // namespace tenon
