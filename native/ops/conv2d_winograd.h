// Winograd convolution F(4x4, 3x3); see kernels/winograd.h for the transforms. Stride 1, dilation 1, one
// group, 3x3 filters, any padding.
#pragma once

#include <cstdint>

#include "kernels/winograd.h"
#include "ops/conv2d.h"

namespace tenon {

// Whether the algorithm can compute it.
bool conv2d_winograd_fits(const ConvGeom& g);
// Whether it is what the rule chooses: a function of the shape and the instruction set only.
bool conv2d_winograd_wins(ConvPass pass, const ConvGeom& g, const GemmKernels& kernels);

// Forward and backward-data (conv2d_winograd.cc).
int64_t conv2d_winograd_workspace(ConvPass pass, const ConvCall& call, const GemmKernels& kernels);
void conv2d_winograd(ConvPass pass, const ConvCall& call, const GemmKernels& kernels,
                     const WinogradKernels& transforms, float* workspace);
// The same forward pass, bit for bit, with filters transformed once and kept between calls, as
// conv2d_direct_pack() does for direct convolution. The packed layout depends on the filters alone.
int64_t conv2d_winograd_packed_floats(const ConvCall& call, const GemmKernels& kernels);
void conv2d_winograd_pack(const ConvCall& call, const GemmKernels& kernels, const WinogradKernels& transforms,
                          float* packed);
int64_t conv2d_winograd_packed_workspace(const ConvCall& call, const GemmKernels& kernels);
void conv2d_winograd_packed(const ConvCall& call, const GemmKernels& kernels,
                            const WinogradKernels& transforms, const float* packed, float* workspace);

// Backward-weights (conv2d_winograd_weights.cc).
int64_t conv2d_winograd_weights_workspace(const ConvCall& call, const GemmKernels& kernels);
void conv2d_winograd_weights(const ConvCall& call, const GemmKernels& kernels,
                             const WinogradKernels& transforms, float* workspace);

// Floats rounded up to an odd number of cache lines: rows or planes that far apart spread over all sets of
// the first-level cache, which those a power of two apart do not.
inline int64_t odd_lines(int64_t floats) {
  constexpr int64_t kLine = 16;
  return (ceil_div(floats, kLine) | 1) * kLine;
}

// The 4x4 tiles of images of out_h x out_w pixels, in the order of images, rows and columns.
struct WinogradTiles {
  int64_t images, out_h, out_w;

  struct Tile {
    int64_t image, row, col;  // of its first output pixel
  };
  int64_t across() const { return ceil_div(out_w, kWinogradOut); }
  int64_t down() const { return ceil_div(out_h, kWinogradOut); }
  int64_t count() const { return images * down() * across(); }
  Tile at(int64_t index) const {
    return {index / across() / down(), index / across() % down() * kWinogradOut,
            index % across() * kWinogradOut};
  }
};

// Addresses of size x size pixels, `pixel` bytes each, from (row, col) on of an image of h x w; `outside` for
// those that the image does not have.
template <int Size, class Byte>
void list_pixels(Byte* image, int64_t h, int64_t w, int64_t pixel, int64_t row, int64_t col, Byte* outside,
                 Byte** pixels) {
  for (int i = 0; i < Size; ++i)
    for (int j = 0; j < Size; ++j) {
      const bool inside = row + i >= 0 && row + i < h && col + j >= 0 && col + j < w;
      pixels[i * Size + j] = inside ? image + ((row + i) * w + col + j) * pixel : outside;
    }
}

}  // namespace tenon
