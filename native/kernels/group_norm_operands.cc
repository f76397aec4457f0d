#include "kernels/group_norm_operands.h"

#include <cmath>

#include "kernels/checks.h"

namespace tenon {
namespace {

GroupGeom geometry(const Call& call, int x) {
  require(call.count > x, "wrong number of operands");
  return {call.t[x],
          integer_attr(call, kGroupNormAttrs["groups"], "group_norm: groups must be a whole number")};
}

double eps_of(const Call& call) {
  const double eps = call.attrs[kGroupNormAttrs["eps"]];
  require(eps > 0 && std::isfinite(eps), "group_norm: eps must be finite and above 0");
  return eps;
}

bool affine_of(const Call& call) {
  const double affine = call.attrs[kGroupNormAttrs["affine"]];
  require(affine == 0 || affine == 1, "group_norm: affine must be 0 or 1");
  return affine == 1;
}

void require_channels(const TensorView& v, const GroupGeom& geom, DType real) {
  require(v.dtype == real, "group_norm: operand of wrong dtype");
  require(v.rank == 1 && v.dims[0] == geom.channels(), "group_norm: expected one value per channel");
}

void require_statistic(const TensorView& v, const GroupGeom& geom, DType real) {
  require(v.dtype == real, "group_norm: operand of wrong dtype");
  require(v.rank == 2 && v.dims[0] == geom.samples() && v.dims[1] == geom.groups(),
          "group_norm: expected one value per sample and group");
}

void require_like(const TensorView& x, const TensorView& v) {
  require(v.dtype == x.dtype, "group_norm: operand of another dtype than x");
  require_same_dims(x, v, "group_norm: operand of another shape than x");
}

}  // namespace

GroupForward::GroupForward(const Call& call, DType real)
    : geom(geometry(call, 0)), eps(eps_of(call)), affine(affine_of(call)) {
  require_operands(call, affine ? 6 : 4);
  const TensorView* t = call.t;
  x = *t++;
  if (affine) gamma = *t++, beta = *t++;
  y = *t++;
  mean = *t++;
  var = *t++;
  require(is_activation(x.dtype, real), "group_norm: x has the wrong dtype");
  require_like(x, y);
  if (affine) require_channels(gamma, geom, real), require_channels(beta, geom, real);
  require_statistic(mean, geom, real);
  require_statistic(var, geom, real);
}

GroupBackward::GroupBackward(const Call& call, DType real)
    : geom(geometry(call, 1)), eps(eps_of(call)), affine(affine_of(call)) {
  require_operands(call, affine ? 8 : 5);
  const TensorView* t = call.t;
  dy = *t++;
  x = *t++;
  if (affine) gamma = *t++;
  mean = *t++;
  var = *t++;
  dx = *t++;
  if (affine) dgamma = *t++, dbeta = *t++;
  require(is_activation(x.dtype, real), "group_norm_backward: x has the wrong dtype");
  require_like(x, dy);
  require_like(x, dx);
  if (affine) {
    for (const TensorView* v : {&gamma, &dgamma, &dbeta}) require_channels(*v, geom, real);
  }
  require_statistic(mean, geom, real);
  require_statistic(var, geom, real);
}

}  // namespace tenon
