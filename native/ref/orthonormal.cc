// The reference of `orthonormal`: vectors one after the other, each twice beside all before it.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/conv_geom.h"
#include "kernels/checks.h"
#include "kernels/kernel.h"

namespace tenon::ref {
namespace {

constexpr AttrNames kAttrs{"gain"};

Cost prepare(const Call& call) {
  require_operands(call, 2);
  const TensorView &x = call.t[0], &y = call.t[1];
  require(y.dtype == DType::f64 && y.rank == 2, "orthonormal: y must be f64 [M, N]");
  require_dtype(x, DType::f64, "orthonormal: x must be f64");
  require_same_dims(x, y, "orthonormal: shapes differ");
  return {static_cast<size_t>(checked_product(y.dims[0], y.dims[1], sizeof(double))), 0, 0};
}

void run(const Call& call) {
  const int64_t rows = call.t[1].dims[0], columns = call.t[1].dims[1];
  const bool by_rows = rows <= columns;
  const int64_t count = std::min(rows, columns), length = std::max(rows, columns);
  const int64_t step = by_rows ? columns : 1, within = by_rows ? 1 : columns;
  const double* x = call.t[0].as<double>();
  double* y = call.t[1].as<double>();
  auto* vectors = reinterpret_cast<double*>(call.workspace);
  for (int64_t i = 0; i < count; ++i) {
    double* v = vectors + i * length;
    for (int64_t k = 0; k < length; ++k) v[k] = x[i * step + k * within];
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t j = 0; j < i; ++j) {
        const double* b = vectors + j * length;
        double dot = 0;
        for (int64_t k = 0; k < length; ++k) dot += v[k] * b[k];
        for (int64_t k = 0; k < length; ++k) v[k] -= dot * b[k];
      }
    }
    double square = 0;
    for (int64_t k = 0; k < length; ++k) square += v[k] * v[k];
    for (int64_t k = 0; k < length; ++k) v[k] /= std::sqrt(square);
  }
  const double gain = call.attrs[kAttrs["gain"]];
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t k = 0; k < length; ++k) y[i * step + k * within] = gain * vectors[i * length + k];
  }
}

const KernelRegistrar registration("orthonormal", Target::ref, prepare, run, kAttrs);

}  // namespace
}  // namespace tenon::ref
