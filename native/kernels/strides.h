// How an op walks memory when its operands do not all have the same dims: one list of loops, a stride of
// every operand for each loop. Neighbouring loops that every operand walks without a jump are merged, so that
// common cases end with one or two loops.
#pragma once

#include <cstdint>

#include "base/tensor.h"

namespace tenon {

// Loops over `dims`, outermost first; operand k advances by stride[k][i] elements per step of loop i. rank is
// at least 1.
template <int Operands>
struct Loops {
  int rank = 0;
  int64_t dims[kMaxRank] = {};
  int64_t stride[Operands][kMaxRank] = {};

  int64_t inner() const { return dims[rank - 1]; }
  int64_t inner_stride(int k) const { return stride[k][rank - 1]; }
  int64_t outer() const {
    int64_t n = 1;
    for (int i = 0; i + 1 < rank; ++i) n *= dims[i];
    return n;
  }

  // Adds a loop inside the others; merges it with the one outside it where possible.
  void push(int64_t dim, const int64_t (&step)[Operands]) {
    if (dim == 1) return;
    bool merge = rank > 0;
    for (int k = 0; k < Operands && merge; ++k) merge = stride[k][rank - 1] == step[k] * dim;
    if (!merge) ++rank;
    dims[rank - 1] = merge ? dims[rank - 1] * dim : dim;
    for (int k = 0; k < Operands; ++k) stride[k][rank - 1] = step[k];
  }

  // A tensor of one element has no loops: add one.
  void finish() {
    if (rank > 0) return;
    rank = 1;
    dims[0] = 1;
    for (int k = 0; k < Operands; ++k) stride[k][0] = 1;
  }
};

// Where the operands stand in the outer loops: the offset of each, and the counters.
template <int Operands>
struct Position {
  // Starts at step `row` of the outer loops taken as one.
  Position(const Loops<Operands>& loops, int64_t row) : loops_(loops) {
    for (int i = loops.rank - 2; i >= 0; --i) {
      index_[i] = row % loops.dims[i];
      row /= loops.dims[i];
      for (int k = 0; k < Operands; ++k) offset[k] += index_[i] * loops.stride[k][i];
    }
  }

  void next() {
    for (int i = loops_.rank - 2; i >= 0; --i) {
      for (int k = 0; k < Operands; ++k) offset[k] += loops_.stride[k][i];
      if (++index_[i] < loops_.dims[i]) return;
      for (int k = 0; k < Operands; ++k) offset[k] -= index_[i] * loops_.stride[k][i];
      index_[i] = 0;
    }
  }

  int64_t offset[Operands] = {};

 private:
  const Loops<Operands>& loops_;
  int64_t index_[kMaxRank] = {};
};

// Row-major strides, in elements.
inline void dense_strides(const TensorView& t, int64_t (&strides)[kMaxRank]) {
  int64_t step = 1;
  for (int i = t.rank - 1; i >= 0; --i) {
    strides[i] = step;
    step *= t.dims[i];
  }
}

// As dense_strides, but axes of size 1 stand still: such a tensor broadcasts.
inline void broadcast_strides(const TensorView& t, int64_t (&strides)[kMaxRank]) {
  dense_strides(t, strides);
  for (int i = 0; i < t.rank; ++i)
    if (t.dims[i] == 1) strides[i] = 0;
}

// True when every dim of x is y's or 1.
inline bool broadcasts_to(const TensorView& x, const TensorView& y) {
  if (x.rank != y.rank) return false;
  for (int i = 0; i < x.rank; ++i)
    if (x.dims[i] != y.dims[i] && x.dims[i] != 1) return false;
  return true;
}

}  // namespace tenon
