// The operands of the bf16 convolutions: activations and their gradients are bf16, parameters and theirs f32.
#pragma once

#include "base/conv_geom.h"
#include "ops/gemm_bf16.h"
#include "ops/tap_axis.h"

namespace tenon {

// As ConvCall::make, which checks all but the dtypes.
ConvCall bf16_conv_call(ConvPass pass, const Call& call);

// How a pass that reads and writes bf16 is computed other than by products of gathered pixels: with a filter
// of its own for each channel, by Winograd's algorithm, or tap by tap for few input channels. Arithmetic is
// in float, but for Winograd's products where Bf16Kernels::winograd has them in bf16.
enum class FloatWay { none, depthwise, winograd, thin };
FloatWay bf16_conv_in_float(ConvPass pass, const ConvCall& call, const Bf16Kernels& kernels);
// Whether the pass goes by Winograd's algorithm with products in bf16.
bool bf16_conv_multiplies_transforms(ConvPass pass, const ConvCall& call, const Bf16Kernels& kernels);
int64_t bf16_conv_in_float_workspace(ConvPass pass, const ConvCall& call, const Bf16Kernels& kernels);
void run_bf16_conv_in_float(ConvPass pass, const ConvCall& call, const Bf16Kernels& kernels,
                            float* workspace);

Cost bf16_conv_cost(const Call& call, const ConvGeom& g, int64_t workspace_floats);

// One phase of a convolution or of its adjoint (a convolution has a single one): which input pixels each
// output pixel meets, and where that lies in the output.
struct ConvPhase {
  const bf16* in;  // [images][in_h][in_w][in_c]
  int64_t images, in_h, in_w, in_c;
  Phase h, w;
  int64_t step_h, step_w;
  int64_t groups, k, n;  // channels of a group, in and out
  TensorView out;
  int64_t out_first, out_pixel, out_row, out_image;  // in elements
  const float* bias;                                 // or null
  Activation activation;
  bool accumulate;  // out += instead of out =, before the activation

  int64_t taps() const { return h.taps * w.taps; }
  // Whether `out` is bf16, written in whole lines, and too large for caches.
  bool streams() const;

  static ConvPhase forward(const ConvCall& call, const TensorView& out);
  static ConvPhase adjoint(const ConvCall& call, const TensorView& out, const Phase& h, const Phase& w);
};

// A matrix of pixels by taps (im2col), gathered a few rows at a time: pixel (image, i, j) of an out_h x out_w
// grid meets input pixel (i * step_h + row[tap], j * step_w + column[tap]), which is zero outside the image.
struct PixelRows {
  const bf16* in;  // [images][in_h][in_w][in_c]
  int64_t in_h, in_w, in_c;
  int64_t out_h, out_w, step_h, step_w;
  int64_t taps_h, taps_w;  // tap t is (t / taps_w, t % taps_w)
  int64_t row0, gap_h;     // row[tap] = row0 + tap row * gap_h; gap may be negative
  int64_t column0, gap_w;
  int64_t k;  // channels of a tap

  int64_t taps() const { return taps_h * taps_w; }
  // Whether the pixels of the grid are those of the input, in order, and meet themselves alone.
  bool is_matrix() const {
    return taps() == 1 && step_h == 1 && step_w == 1 && row0 == 0 && column0 == 0 && out_h == in_h &&
           out_w == in_w;
  }
  // Channels [channel, channel + k) at taps [tap0, tap1) of pixels [m0, m0 + rows), `ld` bf16 apart; what is
  // beyond the taps in a row is left as it is.
  void gather(int64_t m0, int64_t rows, int64_t channel, int64_t tap0, int64_t tap1, bf16* to,
              int64_t ld) const;
};

}  // namespace tenon
