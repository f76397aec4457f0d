// The kernels of Winograd's weight gradients (ops/conv2d_winograd_weights.cc): transforms of tiles of x and
// dy, and the sums of their products over tiles.
//
// The 36 points of a transformed tile are six rows of six. Rows of A and B^T come in pairs that share their
// even and odd parts (see winograd_axes.h), so that a pair of rows is transformed by itself at the price of
// reading the tile again. A third of the points is a third of the sums and of the planes: they stay in a
// nearer cache while more tiles are added to them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/winograd.h"

namespace tenon {

inline constexpr int kWinogradPairs = 3;
// The rows of points in each: the pairs of the axes (winograd_axes.h).
inline constexpr int kWinogradPairRows[kWinogradPairs][2] = {{0, 5}, {1, 2}, {3, 4}};

struct WinogradGradientTiles {
  const WinogradPixels<const std::byte>* tiles;
  int64_t count;
  int64_t channels;
  float* planes;  // point j of the pair's row k, tile t: at (6k + j) * plane + t * row
  int64_t plane, row;
};

// sums[point][o][c] (+)= sum over tiles of dy[point][t][o] * x[point][t][c], for a row of points.
struct WinogradGradientSums {
  const float *dy, *x;
  int64_t dy_plane, dy_row, x_plane, x_row;
  int64_t tiles;
  int64_t o, c;  // whole vectors of each are read, multiplied and written
  float* sums;
  int64_t sum_plane, sum_row;
  bool accumulate;
  const std::byte* ahead;  // what is fetched into the second cache level meanwhile
  int64_t ahead_bytes;
};

using WinogradTransformPair = void (*)(const WinogradGradientTiles& tiles);

// By how a tensor stores its elements, and by pair.
struct WinogradGradientStorage {
  WinogradTransformPair input[kWinogradPairs];            // B^T d B
  WinogradTransformPair output_gradient[kWinogradPairs];  // A dy A^T
};

struct WinogradGradientKernels {
  int width;  // floats in a vector
  WinogradGradientStorage floats, bf16s;

  const WinogradGradientStorage& of(DType dtype) const { return dtype == DType::bf16 ? bf16s : floats; }

  void (*add_products)(const WinogradGradientSums& sums);

  // taps[(3r + s) * tap_stride + j] (+)= G^T (planes) G for j < lanes.
  void (*filter_gradient)(const float* planes, int64_t plane, int64_t lanes, float* taps, int64_t tap_stride,
                          bool accumulate);
};

const WinogradGradientKernels& winograd_gradient_kernels(Target target);

}  // namespace tenon
