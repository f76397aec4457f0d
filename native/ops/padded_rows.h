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

// The floats that a later block reads, fetched in even parts.
class BlockAhead {
 public:
  BlockAhead() = default;
  BlockAhead(const ConvCall& call, const PixelBlocks::Block& b, int64_t parts) : left_(parts) {
    const ConvGeom& g = call.g;
    const auto row = [&](int64_t i) { return std::clamp<int64_t>(i * g.sh - g.ph, 0, g.h); };
    const int64_t x0 = b.n0 * g.h + row(b.i0), x1 = (b.n1 - 1) * g.h + row(b.i1);
    const int64_t dy0 = b.n0 * g.oh + b.i0, dy1 = (b.n1 - 1) * g.oh + b.i1;
    x_ = call.x.as<float>() + x0 * g.w * g.c;
    dy_ = call.y.as<float>() + dy0 * g.ow * g.o;
    x_step_ = (x1 - x0) * g.w * g.c / parts;
    dy_step_ = (dy1 - dy0) * g.ow * g.o / parts;
  }
  void fetch() {
    if (left_-- <= 0) return;
    fetch_ahead(x_, x_step_);
    fetch_ahead(dy_, dy_step_);
    x_ += x_step_, dy_ += dy_step_;
  }

 private:
  int64_t left_ = 0, x_step_ = 0, dy_step_ = 0;
  const float *x_ = nullptr, *dy_ = nullptr;
};

}  // namespace tenon
