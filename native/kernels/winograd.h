// The transforms of Winograd convolution F(4x4, 3x3): 4x4 outputs of a 3x3 filter from a 6x6 tile of inputs
// with 36 products instead of 144 (Lavin & Gray 2016, "Fast algorithms for convolutional neural networks"):
//
//   Y = A^T [ (G g G^T) . (B^T d B) ] A
//
// The products of all tiles, channels and filters at one of the 36 points are a matrix product, which the
// drivers (ops/conv2d_winograd*.cc) leave to the register tiles of gemm.h. A transformed tile lies in 36
// planes: point (i, j) at (6i + j) * plane. Vectors run over channels.
//
// A tile may reach beyond its image: rows out there are read from a line of zeros and not written, columns
// are neither read nor written.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gemm.h"

namespace tenon {

inline constexpr int kWinogradIn = 6;       // rows and columns of an input tile
inline constexpr int kWinogradOut = 4;      // of an output tile
inline constexpr int kWinogradPoints = 36;  // of a transformed tile

inline constexpr int kWinogradNarrow = 16;      // channels of the narrow products, and
inline constexpr int kWinogradNarrowRows = 12;  // tiles that they take at a time

// Rows of filters: tap (r, s) of row i, lane j is at taps + (3r + s) * tap_stride + i * row_stride + j.
struct WinogradFilters {
  const float* taps;
  int64_t tap_stride, row_stride;
  int64_t rows, lanes;
};

// Pixels of an image that a tile of it reads or writes. Columns [first, last) of the tile lie in the image.
template <class Byte>
struct WinogradPixels {
  Byte* rows[kWinogradIn];  // at column `first`; for a row outside the image, zeros to read or null
  int64_t pixel;            // bytes from one pixel to the next
  int first, last;
};

struct WinogradOutput {
  const float* products;  // A^T (products) A, in planes
  int64_t plane;
  WinogradPixels<std::byte> pixels;
  int64_t channels;
  const float* bias;  // [channels] added to every pixel, or null
  Activation activation;
  bool accumulate;  // adds what the pixels hold, before the activation
};

// planes <- the transform of the tile at `pixels`.
using WinogradToPlanes = void (*)(const WinogradPixels<const std::byte>& pixels, int64_t channels,
                                  float* planes, int64_t plane);

// The transforms that meet tensors, by how those store their elements. Arithmetic is in float.
struct WinogradStorage {
  WinogradToPlanes input;  // B^T d B of 6 x 6 pixels d
  void (*output)(const WinogradOutput& tile);
};

// What one instruction set offers. Whole vectors are written to planes and panels, zeros beyond the channels.
struct WinogradKernels {
  WinogradStorage floats, bf16s;

  const WinogradStorage& of(DType dtype) const { return dtype == DType::bf16 ? bf16s : floats; }

  // planes <- G g G^T, a row of `panel` lanes (a multiple of the vector width) for each row of filters.
  void (*filter)(const WinogradFilters& filters, int64_t panel, float* planes, int64_t plane);

  // products <- inputs x filters at one point, of kWinogradNarrow channels or fewer on both sides and zeros
  // beyond. `rows` is the number of tiles, a multiple of kWinogradNarrowRows. Null where the registers do not
  // hold the filters of a point.
  void (*narrow)(const float* inputs, const float* filters, float* products, int64_t rows);
};

const WinogradKernels& winograd_kernels(Target target);

}  // namespace tenon
