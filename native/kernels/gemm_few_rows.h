// Register kernels for products of few rows of A with a B that is too large for caches, which
// ops/gemm_few_rows.cc reads once. Kernels fetch the B that follows into the second-level cache as they go:
// where every row is a page of its own, the processor's own fetching begins anew with each. Sums have the
// order of gemm.h's.
//
// *Down* a row-major B, a strip of its rows at a time: a tile is all rows of A by one vector of
// columns, so no other tile reads that vector of B: rows far apart in memory would meet in few sets of
// the first-level cache.
//
// *Along* the rows of a transposed B, which are columns of the product: a tile is some of them by all rows of
// A, the lanes, and numbers of B are broadcast.
#pragma once

#include <cstdint>

#include "base/cpu.h"

namespace tenon {

// Columns of the product, from a row-major B.
struct DownStrip {
  const float* a;  // packed: row m at k is a[k * a_step + m]
  int64_t a_step;
  const float* b;     // row k is at b + k * ldb,
  const float* next;  // and in the next strip at next + k * ldb; null where there is none
  int64_t ldb;
  int64_t k;
  float* sums;        // [vector of columns][row][lane]: read unless the strip begins, written unless it ends
  bool begins, ends;  // a block of K
  float* c;           // where it ends
  int64_t ldc;
  int64_t columns;
  bool accumulate;  // C += instead of C =
};

// Columns of the product, a row of the transposed B each.
struct AlongTile {
  const float* a;  // packed: row m at k is a[k * a_step + m], and there are rows for whole vectors
  int64_t a_step;
  const float* b;  // column n at k is b[n * ldb + k]
  int64_t ldb;
  int64_t k;
  float* c;  // [column][row]: c + n * c_step
  int64_t c_step;
  bool accumulate;  // C += instead of C =
};

struct FewRowsKernels {
  static constexpr int kMostRows = 16, kMostColumns = 12, kMostVectors = 2;

  int tallest;  // most rows of A at a time
  void (*down[kMostRows + 1])(const DownStrip&);
  int most_columns[kMostVectors + 1];  // of a tile with as many vectors of rows of A
  void (*along[kMostVectors + 1][kMostColumns + 1])(const AlongTile&);
};

const FewRowsKernels& few_rows_kernels(Target target);

}  // namespace tenon
