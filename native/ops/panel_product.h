// C[m][n] = act(A B + bias) by one thread, B in panels of kPanelColumns: [panel][K][kPanelColumns], as
// pack_panels writes them. K is cut as in gemm_driver.cc, so that the bits are the same.
#pragma once

#include <cstdint>

#include "kernels/gemm.h"

namespace tenon {

struct PanelProduct {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;  // rows are ars floats apart
  int64_t ars = 0;
  const float* panels = nullptr;
  const float* bias = nullptr;
  float* c = nullptr;  // rows are ldc floats apart
  int64_t ldc = 0;
  Activation activation = Activation::none;
  const float* addend = nullptr;  // laid out as C: added to the sum, or null
};

void multiply_panels(const PanelProduct& p, const GemmKernels& kernels);

}  // namespace tenon
