// The steps of `eigh` (eigh.cc): a symmetric matrix to tridiagonal form, and that to its eigenvectors.
#pragma once

#include <cstdint>

#include "kernels/linalg_f64.h"

namespace tenon {

// What the steps hand on, and their scratch memory; all of it lies in the call's workspace.
struct EighSpace {
  static constexpr int64_t kPanel = 48;            // reflectors that are applied together
  static constexpr int64_t kSweeps = 4096;         // QL sweeps that are applied together, at most,
  static constexpr int64_t kRotationsPerRow = 64;  // and their rotations, over n

  // Laid out from `base`, which may be null to learn the size.
  EighSpace(int64_t n, const LinalgF64& linalg, double* base);

  double* a;         // [n][n]
  double* diagonal;  // [n]
  double* beside;    // [n] elements below the diagonal; the last is 0
  double* tau;       // [n] of the reflectors
  double* panel;     // [kPanel][n]
  double* x;         // [n][kPanel]
  double* y;         // [n][kPanel]
  double* t;         // [kPanel][kPanel]
  double* strips;    // [slots][n][kStrip]
  double* gemm;
  Rotation* rotations;  // [n * kRotationsPerRow]
  Sweep* sweeps;        // [kSweeps]
  int64_t* order;       // [n]
  int64_t doubles;      // all of it
};

// space.a = Q T Q^T with T tridiagonal: T goes to space.diagonal and .beside; the reflectors that make up Q
// take the place of a's rows, right of the diagonal.
void tridiagonalize(int64_t n, const LinalgF64& linalg, const EighSpace& space);

// Q^T of those reflectors.
void expand_reflectors(int64_t n, const LinalgF64& linalg, const EighSpace& space, double* qt);

// Eigenvalues of T into space.diagonal, in no order; the rows of qt become the eigenvectors. False when QL
// does not converge, which takes numbers that are not finite.
[[nodiscard]] bool tridiagonal_ql(int64_t n, const LinalgF64& linalg, const EighSpace& space, double* qt);

}  // namespace tenon
