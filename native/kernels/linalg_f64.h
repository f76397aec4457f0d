// Double precision for linear algebra done once (covariances, eigenvectors), not in a training step: a
// register tile of a matrix product, and the vector loops around it. Sums have a fixed order, given by the
// instruction set and the length.
#pragma once

#include <cstdint>

#include "kernels/kernel.h"

namespace tenon {

// One Givens rotation of columns i and i + 1: (x, y) -> (c x - s y, s x + c y).
struct Rotation {
  double c, s;
};

// Rotations of one QL sweep, in the order they apply: columns (first, first + 1), then (first -
// 1, first), ...
struct Sweep {
  int64_t first, count;
};

// What one instruction set offers.
struct LinalgF64 {
  static constexpr int64_t kStrip = 16;  // doubles a row in `rotate`

  int64_t mr, nr;  // register tile

  // C[m][n] += sum over k of a[k * mr + m] * b[k * nr + n] for a full tile; rows of C are ldc apart.
  void (*tile)(int64_t k, const double* a, const double* b, double* c, int64_t ldc);
  double (*dot)(int64_t n, const double* x, const double* y);
  // y += a x
  void (*axpy)(int64_t n, double a, const double* x, double* y);
  // Applies sweeps to a strip [columns][kStrip]; `rotations` holds those of all sweeps, one after the other.
  void (*rotate)(double* strip, const Sweep* sweeps, int64_t count, const Rotation* rotations);
};

const LinalgF64& linalg_f64(Target target);

}  // namespace tenon
