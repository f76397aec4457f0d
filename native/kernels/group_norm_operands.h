// The operands of the group-norm kernels by name, checked: shared by every target and the reference.
#pragma once

#include "base/group_geom.h"
#include "kernels/kernel.h"

namespace tenon {

inline constexpr AttrNames kGroupNormAttrs{"groups", "eps", "affine"};

// group_norm: x, (gamma, beta) -> y, mean, var
struct GroupForward {
  GroupForward(const Call& call, DType real);

  GroupGeom geom;
  double eps;
  bool affine;
  TensorView x, gamma, beta, y, mean, var;
};

// group_norm_backward: dy, x, (gamma), mean, var -> dx, (dgamma, dbeta)
struct GroupBackward {
  GroupBackward(const Call& call, DType real);

  GroupGeom geom;
  double eps;
  bool affine;
  TensorView dy, x, gamma, mean, var, dx, dgamma, dbeta;
};

}  // namespace tenon
