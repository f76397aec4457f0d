// Products whose B is large and used by few rows of A: reading B sets their time. They are computed as
// C^T = op(B)^T A^T, which reads B once, where it is. Same bits as the general driver's (see kernels/gemm.h).
#pragma once

#include "ops/matmul.h"

namespace tenon {

bool gemm_is_swapped(const Gemm& problem);
int64_t gemm_swapped_workspace(const Gemm& problem, const GemmKernels& kernels);  // floats
void gemm_swapped(const Gemm& problem, const GemmKernels& kernels, float* workspace);

}  // namespace tenon
