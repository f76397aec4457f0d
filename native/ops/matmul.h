// C[M][N] = act(op(A) op(B) + bias), batched: the driver over the GEMM kernels that `matmul` and the
// explicit-im2col convolutions use.
#pragma once

#include <cstdint>

#include "kernels/gemm.h"
#include "ops/heavy.h"

namespace tenon {

struct Gemm {
  int64_t batch = 1;
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  int64_t a_batch = 0, ars = 0, aks = 1;  // A[m][k] is at a + batch*a_batch + m*ars + k*aks
  const float* b = nullptr;
  int64_t b_batch = 0, ldb = 0;  // B[k][n] is at k*ldb + n, or transposed: n*ldb + k
  bool b_transposed = false;
  float* c = nullptr;
  int64_t c_batch = 0, ldc = 0;
  const float* bias = nullptr;
  Activation activation = Activation::none;
  bool accumulate = false;
};

// The length of the blocks of K, but for a shorter last one: a function of K alone, as it decides bits.
int64_t gemm_depth(int64_t k);

// Floats of workspace (64-byte aligned) that gemm() needs for a problem; data pointers are not looked at.
int64_t gemm_workspace(const Gemm& problem, const GemmKernels& kernels);
void gemm(const Gemm& problem, const GemmKernels& kernels, float* workspace);

// The same product, bit for bit, from a B whose panels are kept between calls: gemm_pack() fills
// gemm_packed_floats() floats (64-byte aligned; 0 where B is read as it is), gemm_packed() reads them and not
// B's packed columns. The layout depends on everything in the problem but data, ldc and the epilogue.
int64_t gemm_packed_floats(const Gemm& problem, const GemmKernels& kernels);
// Tells apart the layouts of one B for different numbers of rows.
int64_t gemm_packed_layout(const Gemm& problem, const GemmKernels& kernels);
void gemm_pack(const Gemm& problem, const GemmKernels& kernels, float* packed);
int64_t gemm_packed_workspace(const Gemm& problem, const GemmKernels& kernels);
void gemm_packed(const Gemm& problem, const GemmKernels& kernels, const float* packed, float* workspace);

}  // namespace tenon
