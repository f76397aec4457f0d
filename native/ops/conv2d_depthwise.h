// Convolution with a filter of its own for every channel: groups = C = O. Any kernel, stride, padding and
// dilation; x, y and their gradients are f32 or bf16; see kernels/depthwise.h.
#pragma once

#include <cstdint>

#include "kernels/depthwise.h"
#include "ops/conv2d.h"

namespace tenon {

bool conv2d_is_depthwise(const ConvGeom& g);

int64_t conv2d_depthwise_workspace(ConvPass pass, const ConvCall& call);
void conv2d_depthwise(ConvPass pass, const ConvCall& call, const DepthwiseKernels& kernels, float* workspace);

}  // namespace tenon
