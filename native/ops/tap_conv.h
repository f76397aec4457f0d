// A sum over the taps of a kernel, the shape that a convolution's forward pass and its backward-data pass
// share. Along each axis, output positions fall in phases (tap_axis.h); for the pixels of a pair of phases
//
//   out[image][i][j][:] = sum over r < taps_h, s < taps_w of
//                         in[image][i*step_h + in0_h + r*gap_h][j*step_w + in0_w + s*gap_w][:] * B[r][s]
//
// with zeros outside the input. M: pixels; K: channels of a tap; N: output channels; the batch: taps.
#pragma once

#include <cstdint>

#include "kernels/gemm_bf16.h"
#include "ops/conv2d.h"
#include "ops/tap_axis.h"

namespace tenon {

struct TapConv {
  TapAxis h, w;
  const float* in = nullptr;  // [images][h.in][w.in][in_c]; group g reads k channels from g*k
  // In place of `in` and `out`, for a single phase and group: bf16, widened as it is copied, and bf16 or
  // float, made of sums by `finish`.
  const Bf16Kernels* storage = nullptr;
  const bf16* stored_in = nullptr;
  TensorView stored_out = {};
  int64_t images = 0, in_c = 0, k = 0;
  float* out = nullptr;  // [images][h.out][w.out][groups * n]
  int64_t n = 0, groups = 1;
  const float* weights =
      nullptr;  // [groups][panels][phases of h][of w][taps_h][taps_w][k][panel], zero beyond n
  const float* bias = nullptr;  // [groups * n]
  Activation activation = Activation::none;
  bool accumulate = false;  // out += instead of out =; for a single phase

  int64_t taps() const { return h.kernel * w.kernel; }
  // Width of a weight panel: two vectors, or one where that is enough.
  static int64_t panel(int64_t n, const GemmKernels& kernels) {
    return n <= kernels.width ? kernels.width : 2 * kernels.width;
  }
  int64_t packed_floats(const GemmKernels& kernels) const {
    const int64_t width = panel(n, kernels);
    return checked_product(groups * taps(), ceil_div(n, width) * width, k);
  }
};

int64_t tap_conv_workspace(const TapConv& conv, const GemmKernels& kernels);
void tap_conv(const TapConv& conv, const GemmKernels& kernels, float* workspace);

}  // namespace tenon
