// A sum over the taps of a kernel, the shape that a convolution's forward pass and its backward-data pass
// share. Along each axis, output positions fall in phases (TapAxis); for the pixels of a pair of phases
//
//   out[image][i][j][:] = sum over r < taps_h, s < taps_w of
//                         in[image][i*step_h + in0_h + r*gap_h][j*step_w + in0_w + s*gap_w][:] * B[r][s]
//
// with zeros outside the input. M: pixels; K: channels of a tap; N: output channels; the batch: taps.
#pragma once

#include <cstdint>

#include "ops/conv2d.h"

namespace tenon {

// Output positions first + i*out_step, i < count, and the taps that reach them in ascending order of input
// position: tap j is number tap0 + j*tap_step of the kernel and meets input i*in_step + in0 + j*gap.
struct Phase {
  int64_t first, count;
  int64_t taps, tap0, tap_step;
  int64_t in0, gap;
};

// One axis of a convolution. Forward has a single phase. The adjoint (backward-data: `in` is dy's size, `out`
// dx's) has one for each remainder of the stride: dx[i] collects dy[o] * w[r] where o*stride = i + padding -
// r*dilation, and for the pixels of one remainder the taps r that divide evenly are an arithmetic
// progression. A phase may be without taps: its pixels are zero.
struct TapAxis {
  int64_t in, out;
  int64_t kernel, stride, padding, dilation;
  bool adjoint;

  int64_t phases() const { return adjoint ? std::min(stride, out) : 1; }
  int64_t in_step() const { return adjoint ? 1 : stride; }
  int64_t out_step() const { return adjoint ? stride : 1; }
  Phase phase(int64_t index) const;
};

struct TapConv {
  TapAxis h, w;
  const float* in = nullptr;  // [images][h.in][w.in][in_c]; group g reads k channels from g*k
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
