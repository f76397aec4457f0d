// A sum over a grid of taps, the shape that a convolution's forward pass and every phase of its backward-data
// pass have:
//
//   out[image][i][j][:] = sum over r < taps_h, s < taps_w of in[image][i*step_h + row0 + r*gap_h][j*step_w +
//   col0 + s*gap_w][:] * B[r][s]
//
// with zeros outside the input. M: the pixels of an output row; K: channels of a tap; N: output channels; the
// batch: taps.
#pragma once

#include <cstdint>

#include "ops/conv2d.h"

namespace tenon {

struct TapConv {
  const float* in = nullptr;  // [images][in_h][in_w][in_c]; group g reads k channels from g*k
  int64_t images = 0, in_h = 0, in_w = 0, in_c = 0, k = 0;
  int64_t taps_h = 0, taps_w = 0, gap_h = 1, gap_w = 1, row0 = 0, col0 = 0, step_h = 1, step_w = 1;
  float* out =
      nullptr;  // pixel (image, i, j) of group g is at image*out_image + i*out_row + j*out_pixel + g*n
  int64_t out_h = 0, out_w = 0, out_image = 0, out_row = 0, out_pixel = 0, n = 0;
  int64_t groups = 1;
  const float* weights = nullptr;  // [groups][panels][taps_h][taps_w][k][panel], zero beyond n
  const float* bias = nullptr;     // [groups * n]
  Activation activation = Activation::none;

  int64_t taps() const { return taps_h * taps_w; }
  // Width of a weight panel: two vectors, or one where that is enough.
  static int64_t panel(int64_t n, const GemmKernels& kernels) {
    return n <= kernels.width ? kernels.width : 2 * kernels.width;
  }
  static int64_t packed_floats(int64_t groups, int64_t n, int64_t taps, int64_t k,
                               const GemmKernels& kernels) {
    const int64_t width = panel(n, kernels);
    return checked_product(groups * taps, ceil_div(n, width) * width, k);
  }
};

int64_t tap_conv_workspace(const TapConv& conv, const GemmKernels& kernels);
void tap_conv(const TapConv& conv, const GemmKernels& kernels, float* workspace);

}  // namespace tenon
