// C += alpha A B in double precision, blocked, packed and threaded: for covariances, eigenvectors and
// orthonormal weights.
#pragma once

#include <cstdint>

#include "kernels/linalg_f64.h"
#include "ops/heavy.h"

namespace tenon {

// A[m][k] is at a + m * ars + k * aks, B[k][n] at b + k * brs + n * bcs, C[m][n] at c + m * ldc + n.
struct GemmF64 {
  int64_t m, n, k;
  double alpha;
  const double* a;
  int64_t ars, aks;
  const double* b;
  int64_t brs, bcs;
  double* c;
  int64_t ldc;
  bool lower = false;  // only the blocks of C that hold some C[m][n] with n <= m
};

// Scratch memory for products of any shape, in doubles.
int64_t gemm_f64_workspace(const LinalgF64& linalg);
// Each C[m][n] is one chain of multiply-adds over k, whatever the blocks or the threads.
void gemm_f64(const GemmF64& g, const LinalgF64& linalg, double* workspace);

// Op has: static constexpr const char* kName; kAttrs where it has attributes; static Cost prepare(const
// Call&, const LinalgF64&);
// static void run(same).
template <class Op, Target... T>
struct RegisterLinalgFor {
  KernelRegistrar registrars[sizeof...(T)] = {
      {Op::kName, T, [](const Call& call) { return Op::prepare(call, linalg_f64(T)); },
       [](const Call& call) { Op::run(call, linalg_f64(T)); }, attrs_of<Op>()}...};
};

template <class Op>
using RegisterLinalg = OnEveryTarget<RegisterLinalgFor, Op>;

}  // namespace tenon
