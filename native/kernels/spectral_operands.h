// Operands of `spectral`: vectors f64 [K, D], scale f64 [K] -> y real [D, D].
#pragma once

#include <cstdint>

#include "kernels/checks.h"

namespace tenon {

struct SpectralOperands {
  int64_t vectors, features;

  static SpectralOperands make(const Call& call, DType real) {
    require_operands(call, 3);
    const TensorView &v = call.t[0], &scale = call.t[1], &y = call.t[2];
    require(v.dtype == DType::f64 && v.rank == 2, "spectral: vectors must be f64 [K, D]");
    require(scale.dtype == DType::f64 && scale.rank == 1 && scale.dims[0] == v.dims[0],
            "spectral: scale must be f64 [K]");
    require(y.dtype == real && y.rank == 2 && y.dims[0] == v.dims[1] && y.dims[1] == v.dims[1],
            "spectral: y must be real [D, D]");
    return {v.dims[0], v.dims[1]};
  }
};

}  // namespace tenon
