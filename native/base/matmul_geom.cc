#include "base/matmul_geom.h"

#include <stdexcept>

#include "base/conv_geom.h"

namespace tenon {
namespace {

void check(bool ok, const char* message) {
  if (!ok) throw std::invalid_argument(message);
}

bool flag(double value, const char* message) {
  check(value == 0 || value == 1, message);
  return value == 1;
}

}  // namespace

MatmulGeom MatmulGeom::make(const TensorView* t, int count, const double* attrs, DType real) {
  MatmulGeom g = {};
  g.trans_a = flag(attrs[kMatmulAttrs["transposeA"]], "matmul: transposeA must be 0 or 1");
  g.trans_b = flag(attrs[kMatmulAttrs["transposeB"]], "matmul: transposeB must be 0 or 1");
  g.has_bias = flag(attrs[kMatmulAttrs["hasBias"]], "matmul: hasBias must be 0 or 1");
  const double activation = attrs[kMatmulAttrs["activation"]];
  check(activation == 0 || activation == 1 || activation == 2 || activation == 3 || activation == 4,
        "matmul: unknown activation");
  g.activation = static_cast<int>(activation);
  check(count == (g.has_bias ? 4 : 3), "matmul: wrong number of operands");
  for (int i = 0; i < count; ++i) check(t[i].dtype == real, "matmul: wrong dtype");
  const TensorView &a = t[0], &b = t[1], &y = t[count - 1];
  const int rank = y.rank, r = rank - 2;  // r: the first matrix axis
  check((rank == 2 || rank == 3) && a.rank == rank && b.rank == rank,
        "matmul: all matrices have rank 2, or all rank 3");
  for (const TensorView* v : {&a, &b, &y})
    for (int i = 0; i < rank; ++i) check(v->dims[i] >= 0, "matmul: a dimension is negative");
  g.batch = rank == 3 ? y.dims[0] : 1;
  check(rank == 2 || (a.dims[0] == g.batch && b.dims[0] == g.batch), "matmul: batch sizes differ");
  g.m = y.dims[r], g.n = y.dims[r + 1];
  g.k = a.dims[g.trans_a ? r : r + 1];
  check(a.dims[g.trans_a ? r + 1 : r] == g.m, "matmul: rows of a and y differ");
  check(b.dims[g.trans_b ? r + 1 : r] == g.k, "matmul: inner sizes of a and b differ");
  check(b.dims[g.trans_b ? r : r + 1] == g.n, "matmul: columns of b and y differ");
  if (g.has_bias) check(t[2].rank == 1 && t[2].dims[0] == g.n, "matmul: bias must be [N]");
  checked_product(g.batch, g.m, g.k);
  checked_product(g.batch, g.k, g.n);
  checked_product(g.batch, g.m, g.n);
  return g;
}

}  // namespace tenon
