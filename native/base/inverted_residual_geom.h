// One call of inverted_residual, as native/kernels/README.md lists its operands and attributes: checked once,
// and shared by the kernel and the reference.
#pragma once

#include "base/conv_geom.h"

namespace tenon {

inline constexpr int64_t kPanelColumns = 32;  // of packed weights: [panels][K][kPanelColumns]

// Begins as those of convolutions do: the geometry is that of the depthwise one.
inline constexpr AttrNames kInvertedResidualAttrs{
    "stride[2]",   "padding[4]",       "dilation[2]",         "groups",    "kernel[2]", "hasExpansion",
    "hasResidual", "expandActivation", "depthwiseActivation", "activation"};

struct InvertedResidualCall {
  ConvGeom g;           // of the depthwise convolution, whose channels are the expanded ones
  int64_t in_c, out_c;  // channels of x and y
  TensorView x, y;      // pointers are null in prepare()
  TensorView expand, expand_bias, filters, filter_bias, project, project_bias;
  TensorView residual;  // added to the last sums before the activation
  bool has_expansion, has_residual;
  int expand_activation, depthwise_activation, activation;

  double flops() const {
    const double in = static_cast<double>(g.n * g.h * g.w), out = static_cast<double>(g.pixels());
    const double wide = static_cast<double>(g.c);
    return 2 * wide * (has_expansion ? in * static_cast<double>(in_c) : 0.0) +
           2 * wide * out * static_cast<double>(g.taps() + out_c);
  }

  // `real`: of biases and filters. `stored`: of images and panels; bf16 panels have K in steps of 32.
  // Throws std::invalid_argument when operands and attributes disagree.
  static InvertedResidualCall make(const TensorView* t, int count, const double* attrs, DType real,
                                   DType stored);
};

}  // namespace tenon
