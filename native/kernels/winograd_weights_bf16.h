// The transforms of Winograd's weight gradients with products in bf16 (ops/conv2d_winograd_weights_bf16.cc),
// for processors that multiply bf16 faster than floats but have no tiles, which are faster still without
// Winograd's algorithm. Transforms are computed in float, their results rounded to bf16, multiplied, and
// summed in float over pairs of tiles (pair_sums_bf16.h). The error is 1.2% of the gradient's root mean
// square (1.8% where an image is a tile or two), and next to none where it is direct: products of bf16 are
// exact in float.
#pragma once

#include "kernels/pair_sums_bf16.h"
#include "kernels/winograd.h"

namespace tenon {

struct WinogradPairTiles {
  const WinogradPixels<const std::byte>* tiles;  // two for each pair, of pixels in bf16
  int64_t pairs;
  int64_t channels;
  uint32_t* to;          // whole panels are written, zeros beyond the channels
  int64_t point, panel;  // words from a point to the next, and from a panel
};

struct WinogradPairKernels {
  void (*input)(const WinogradPairTiles& tiles);            // B^T d B of 6 x 6 pixels
  void (*output_gradient)(const WinogradPairTiles& tiles);  // A dy A^T of 4 x 4
};

// Null where this build has no such kernels for its architecture.
const WinogradPairKernels* winograd_pairs_avx512bf16();

}  // namespace tenon
