// Operands of `covariance` and `column_moments`: rows of features, added to sums that outlive the call.
#pragma once

#include <cstdint>

#include "kernels/checks.h"

namespace tenon {

// x real [B, D], shift f64 [D], total -> total' f64 of `total_rank` dims D.
struct SumsOperands {
  int64_t rows, features;

  static SumsOperands make(const Call& call, DType real, int total_rank) {
    require_operands(call, 4);
    const TensorView &x = call.t[0], &shift = call.t[1], &total = call.t[2], &out = call.t[3];
    require(x.rank == 2 && x.dtype == real, "x must be real [B, D]");
    const int64_t d = x.dims[1];
    require(shift.dtype == DType::f64 && shift.rank == 1 && shift.dims[0] == d, "shift must be f64 [D]");
    require(total.dtype == DType::f64 && total.rank == total_rank, "total must be f64 [D] or [D, D]");
    for (int i = 0; i < total_rank; ++i) require(total.dims[i] == d, "total must have D in every dim");
    require(out.dtype == DType::f64, "total' must be f64");
    require_same_dims(total, out, "total and total' differ in shape");
    return {x.dims[0], d};
  }
};

}  // namespace tenon
