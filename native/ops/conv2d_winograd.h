// Winograd convolution F(4x4, 3x3); see kernels/winograd.h for the transforms. Stride 1, dilation 1, one
// group, 3x3 filters, any padding.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/gemm_bf16.h"
#include "kernels/winograd.h"
#include "kernels/winograd_bf16.h"
#include "kernels/winograd_weights.h"
#include "ops/conv2d.h"

namespace tenon {

// Whether the algorithm can compute it.
bool conv2d_winograd_fits(const ConvGeom& g);
// Whether it is what the rule chooses: a function of the shape and the instruction set only.
bool conv2d_winograd_wins(ConvPass pass, const ConvGeom& g, const GemmKernels& kernels);

// What computes forward and backward-data.
struct WinogradTools {
  const GemmKernels& gemm;
  const WinogradKernels& transforms;
  const Bf16Kernels* bf16;  // of the products, for inputs in bf16; null where floats are multiplied

  static WinogradTools of(Target target);
  // As fast as the path of `kernels` can be.
  static WinogradTools of(const Bf16Kernels& kernels);
};

// Forward and backward-data (conv2d_winograd.cc).
int64_t conv2d_winograd_workspace(ConvPass pass, const ConvCall& call, const WinogradTools& tools);
void conv2d_winograd(ConvPass pass, const ConvCall& call, const WinogradTools& tools, float* workspace);
// The same forward pass, bit for bit, with filters transformed once and kept between calls, as
// conv2d_direct_pack() does for direct convolution. The packed layout depends on the filters alone.
int64_t conv2d_winograd_packed_floats(const ConvCall& call, const WinogradTools& tools);
void conv2d_winograd_pack(const ConvCall& call, const WinogradTools& tools, float* packed);
int64_t conv2d_winograd_packed_workspace(const ConvCall& call, const WinogradTools& tools);
void conv2d_winograd_packed(const ConvCall& call, const WinogradTools& tools, const float* packed,
                            float* workspace);

// Backward-weights (conv2d_winograd_weights.cc).
int64_t conv2d_winograd_weights_workspace(const ConvCall& call, const WinogradGradientKernels& kernels);
void conv2d_winograd_weights(const ConvCall& call, const WinogradGradientKernels& kernels, float* workspace);

// The same with products in bf16 (conv2d_winograd_weights_bf16.cc), by a path that has them. x and
// dy are bf16.
int64_t conv2d_winograd_weights_bf16_workspace(const ConvCall& call);
void conv2d_winograd_weights_bf16(const ConvCall& call, const Bf16Kernels& kernels, float* workspace);

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
  Tile after(const Tile& t) const {
    if (t.col + kWinogradOut < out_w) return {t.image, t.row, t.col + kWinogradOut};
    if (t.row + kWinogradOut < out_h) return {t.image, t.row + kWinogradOut, 0};
    return {t.image + 1, 0, 0};
  }
};

struct Bytes {
  const std::byte* begin;
  int64_t count;

  Bytes share(int64_t i, int64_t shares) const {
    const int64_t from = count * i / shares;
    return {begin + from, count * (i + 1) / shares - from};
  }
};

// Images of h x w pixels, `pixel` bytes each.
template <class Byte>
struct WinogradImages {
  Byte* data;
  int64_t h, w, pixel;
  Byte* outside;  // stands for a row that an image does not have

  // Size x size pixels from (row, col) on.
  template <int Size>
  WinogradPixels<Byte> pixels(int64_t image, int64_t row, int64_t col) const {
    WinogradPixels<Byte> p;
    p.pixel = pixel;
    p.first = static_cast<int>(std::clamp<int64_t>(-col, 0, Size));
    p.last = static_cast<int>(std::clamp<int64_t>(w - col, 0, Size));
    for (int i = 0; i < Size; ++i) {
      const bool inside = row + i >= 0 && row + i < h && p.first < p.last;
      p.rows[i] = inside ? data + ((image * h + row + i) * w + col + p.first) * pixel : outside;
    }
    return p;
  }

  // The rows of pixels from one of an image to one of another, each of which may lie above or
  // below the image.
  Bytes rows_between(int64_t first_image, int64_t first_row, int64_t last_image, int64_t last_row) const {
    const int64_t begin = first_image * h + std::clamp<int64_t>(first_row, 0, h),
                  end = last_image * h + std::clamp<int64_t>(last_row, 0, h);
    return {data + begin * w * pixel, (end - begin) * w * pixel};
  }
};

}  // namespace tenon
