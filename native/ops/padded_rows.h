// A copy of input rows with their zero padding, where a kernel row's taps of a pixel lie next to each other.
#pragma once

#include "ops/conv2d.h"

namespace tenon {

// Rows under a block of output pixels, of `cols` pixels each: [image][row][column][channel].
struct PaddedRows {
  int64_t rows, cols;  // of an image

  static PaddedRows make(const ConvGeom& g, const PixelBlocks& blocks) {
    return {(blocks.rows - 1) * g.sh + (g.kh - 1) * g.dh + 1, (g.ow - 1) * g.sw + g.kw};
  }
  int64_t row_floats(const ConvGeom& g) const { return cols * g.c; }
  int64_t floats(const ConvGeom& g, const PixelBlocks& blocks) const {
    return checked_product(blocks.images * rows, cols, g.c);
  }
  // Where the first pixel of output row i of the block's image n begins.
  int64_t at(const ConvGeom& g, int64_t n, int64_t i) const { return (n * rows + i * g.sh) * row_floats(g); }

  template <class T>
  void copy(const ConvCall& call, FloatCopy convert, const PixelBlocks::Block& b, float* dst) const {
    const ConvGeom& g = call.g;
    const int64_t lo = std::clamp<int64_t>(g.pw, 0, cols), hi = std::clamp<int64_t>(g.pw + g.w, lo, cols);
    const int64_t used = (b.i1 - b.i0 - 1) * g.sh + (g.kh - 1) * g.dh + 1;
    for (int64_t n = b.n0; n < b.n1; ++n) {
      for (int64_t i = 0; i < used; ++i) {
        const int64_t row = b.i0 * g.sh - g.ph + i;
        float* q = dst + ((n - b.n0) * rows + i) * row_floats(g);
        if (row < 0 || row >= g.h || lo == hi) {
          std::fill(q, q + row_floats(g), 0.0f);
          continue;
        }
        std::fill(q, q + lo * g.c, 0.0f);
        convert(call.x.as<T>() + ((n * g.h + row) * g.w + lo - g.pw) * g.c, (hi - lo) * g.c, q + lo * g.c);
        std::fill(q + hi * g.c, q + row_floats(g), 0.0f);
      }
    }
  }
};

}  // namespace tenon
