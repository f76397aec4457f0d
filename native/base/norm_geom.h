// The geometry of a normalization over channels: x is [rows..., C] with C innermost.
//
// Wide rows. When C is not a multiple of the vector length, `fold` consecutive rows lie side by side in one
// wide row whose width is (it is all one piece of memory, so nothing moves): wide row r holds rows r*fold ..
// r*fold+fold-1, and column j of it is channel j % C. fold is 1 where C already fits or the rows cannot be
// divided; kernels then mask the last vector.
//
// Blocks. A reduction over rows is cut in `blocks` blocks of `block_rows` wide rows, a function of the
// shape (and the vector length) alone; partial results are merged in block order, so that the thread
// count never shows.
#pragma once

#include <cstdint>

#include "base/tensor.h"

namespace tenon {

class NormGeom {
 public:
  // Throws std::invalid_argument unless x has rank 2 or 4 and at least one channel.
  NormGeom(const TensorView& x, int lanes);

  int64_t rows() const { return rows_; }
  int64_t channels() const { return channels_; }
  int64_t fold() const { return fold_; }
  int64_t wide_rows() const { return rows_ / fold_; }
  int64_t width() const { return channels_ * fold_; }
  int64_t blocks() const { return blocks_; }
  int64_t begin(int64_t block) const { return block * block_rows_; }
  int64_t end(int64_t block) const {
    const int64_t stop = (block + 1) * block_rows_;
    return stop < wide_rows() ? stop : wide_rows();
  }
  int64_t count(int64_t block) const { return end(block) - begin(block); }

 private:
  int64_t rows_ = 0;
  int64_t channels_ = 0;
  int64_t fold_ = 1;
  int64_t block_rows_ = 1;
  int64_t blocks_ = 0;
};

}  // namespace tenon
