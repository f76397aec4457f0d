// Products whose B is large and used by few rows of A: reading B sets their time, and it is read once, where
// it is. Same bits as the general driver's (see kernels/gemm.h).
#pragma once

#include "ops/matmul.h"

namespace tenon {

bool gemm_has_few_rows(const Gemm& problem);
int64_t gemm_few_rows_workspace(const Gemm& problem, const GemmKernels& kernels);  // floats
void gemm_few_rows(const Gemm& problem, const GemmKernels& kernels, float* workspace);

}  // namespace tenon
