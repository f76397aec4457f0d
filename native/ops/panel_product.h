// C[m][n] = act(A B + bias + addend) by one thread, B in panels of kPanelColumns: [panel][K][kPanelColumns],
// as pack_panels writes them, or in bf16 with K in pairs, as pack_panels_bf16 does. The bits are those of the
// drivers that cut such a product for many threads: gemm_driver.cc and gemm_bf16.h.
#pragma once

#include <cstdint>

#include "base/bf16.h"
#include "kernels/gemm.h"
#include "kernels/gemm_bf16.h"

namespace tenon {

template <class T>
struct PanelProduct {
  int64_t m = 0, n = 0, k = 0;
  const T* a = nullptr;  // rows are ars elements apart
  int64_t ars = 0;
  int64_t readable = 0;  // rows that a has, m or more
  const T* panels = nullptr;
  const float* bias = nullptr;
  T* c = nullptr;  // rows are ldc elements apart
  int64_t ldc = 0;
  Activation activation = Activation::none;
  const T* addend = nullptr;  // laid out as C, or null
};

// What products of one type need: the kernels, and how operands are laid out.
struct FloatProducts {
  using T = float;
  const GemmKernels& kernels;

  // K as panels have it, and rows of A that are read for m of C.
  static int64_t depth(int64_t k) { return k; }
  static int64_t rows(int64_t m) { return m; }
  static int64_t scratch_floats(int64_t) { return 0; }
  void multiply(const PanelProduct<float>& p, float* scratch) const;
};

struct Bf16Products {
  using T = bf16;
  const Bf16Kernels& kernels;

  static int64_t depth(int64_t k);
  static int64_t rows(int64_t m);
  static int64_t scratch_floats(int64_t k);
  void multiply(const PanelProduct<bf16>& p, float* scratch) const;
};

}  // namespace tenon
