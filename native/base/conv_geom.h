// The geometry of one 2-d convolution: built and fully checked once from the operands of a call, then shared
// by the forward pass, both backward passes and the reference.
//
// Physical layouts: x [N, H, W, C], w [O, KH, KW, C/G], y [N, OH, OW, O]. Output pixel (oh, ow) and kernel
// tap (r, s) meet input pixel (oh*SH - PH + r*DH, ow*SW - PW + s*DW); outside the image that is zero. PH and
// PW are the padding above and on the left; that below and on the right only decides OH and OW.
#pragma once

#include <cstdint>

#include "base/attributes.h"
#include "base/tensor.h"

namespace tenon {

// Both begin with the geometry.
inline constexpr AttrNames kConvForwardAttrs{"stride[2]", "padding[4]",  "dilation[2]", "groups",
                                             "hasBias",   "hasResidual", "activation",  "algorithm"};
inline constexpr AttrNames kConvBackwardAttrs{"stride[2]", "padding[4]", "dilation[2]", "groups",
                                              "algorithm"};

struct ConvGeom {
  int64_t n, h, w, c;              // input
  int64_t o, oh, ow;               // output
  int64_t kh, kw;                  // kernel
  int64_t sh, sw, ph, pw, dh, dw;  // stride, padding above and on the left, dilation
  int64_t groups;

  int64_t taps() const { return kh * kw; }
  int64_t cg() const { return c / groups; }  // input channels of a group
  int64_t og() const { return o / groups; }  // output channels of a group
  int64_t pixels() const { return n * oh * ow; }
  int64_t weights() const { return o * taps() * cg(); }
  double flops() const { return 2.0 * static_cast<double>(pixels()) * static_cast<double>(weights()); }

  // Throws std::invalid_argument when operands and attributes disagree.
  static ConvGeom make(const TensorView& x, const TensorView& w, const TensorView& y, const double* attrs);
};

enum class ConvPass { forward, backward_data, backward_weights };

constexpr AttrList conv_attrs(ConvPass pass) {
  return pass == ConvPass::forward ? AttrList(kConvForwardAttrs) : AttrList(kConvBackwardAttrs);
}

// One call of conv2d, conv2d_backward_data or conv2d_backward_weights as native/kernels/README.md lists its
// operands and attributes. Pointers are null in prepare().
struct ConvCall {
  ConvGeom g;
  TensorView x, w, y, bias;  // or their gradients; whichever the pass computes is the output
  TensorView residual;       // forward: added to the sums before the activation; may be y's memory
  bool has_bias, has_residual;
  int activation;
  int algorithm;

  // Throws std::invalid_argument.
  static ConvCall make(ConvPass pass, const TensorView* t, int count, const double* attrs, DType real);
};

// The range of output positions [lo, hi) inside [begin, end) whose tap meets the input: 0 <= i*stride +
// offset < size.
struct Range {
  int64_t lo, hi;
  int64_t size() const { return hi > lo ? hi - lo : 0; }
};
Range inside(int64_t begin, int64_t end, int64_t stride, int64_t offset, int64_t size);

// Products of sizes that need scratch memory: throws std::invalid_argument instead of overflowing.
int64_t checked_product(int64_t a, int64_t b, int64_t c = 1, int64_t d = 1);

}  // namespace tenon
