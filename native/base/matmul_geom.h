// The sizes of one matmul call, fully checked: shared by the driver and the reference.
#pragma once

#include <cstdint>

#include "base/attributes.h"
#include "base/tensor.h"

namespace tenon {

inline constexpr AttrNames kMatmulAttrs{"transposeA", "transposeB", "hasBias", "activation"};

struct MatmulGeom {
  int64_t batch, m, n, k;
  bool trans_a, trans_b, has_bias;
  int activation;

  // Operands a, b, (bias), y; attributes as kMatmulAttrs. Throws std::invalid_argument.
  static MatmulGeom make(const TensorView* t, int count, const double* attrs, DType real);
};

}  // namespace tenon
