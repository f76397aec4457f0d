// Register kernels for products of few rows of A with a row-major B that is too large for caches, which
// ops/gemm_few_rows.cc reads once, strip after strip of rows. A tile is all rows of A by one vector of
// columns, so no other tile reads that vector of B: rows far apart in memory would meet in few sets of
// the first-level cache. Tiles fetch the B that follows as they go: where every row is a page of its own, the
// processor's own fetching begins anew with each. Sums have the order of gemm.h's.
#pragma once

#include <cstdint>

#include "base/cpu.h"

namespace tenon {

struct FewRowsTile {
  const float* a;  // packed: row m at k is a[k * a_step + m]
  int64_t a_step;
  const float* b;      // row k is at b + k * ldb,
  const float* ahead;  // and at ahead + k * ldb what is fetched meanwhile
  int64_t ldb;
  int64_t k;
  const float* start;  // sums to go on from instead of zero, or null
  float* c;
  int64_t start_step, c_step;  // floats from row to row
  int64_t n;                   // columns, at most a vector
  bool accumulate;             // C += instead of C =
};

struct FewRowsKernels {
  static constexpr int kMostRows = 16;

  int tallest;  // most rows of a tile
  void (*fn[kMostRows + 1])(const FewRowsTile&);
};

const FewRowsKernels& few_rows_kernels(Target target);

}  // namespace tenon
