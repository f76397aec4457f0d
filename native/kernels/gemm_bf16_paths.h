// The products of processors that have bf16 instructions, behind function pointers: null where this build has
// none for its architecture.
#pragma once

#include "kernels/gemm_bf16.h"

namespace tenon {

using Bf16Multiply = void (*)(const Bf16Product&);

Bf16Multiply multiply_avx512bf16();  // gemm_bf16_avx512.cc

struct Bf16TileProducts {
  Bf16Multiply multiply = nullptr;
  void (*multiply_taps)(const Bf16TapProduct&) = nullptr;
};

Bf16TileProducts products_by_tiles();           // gemm_bf16_amx.cc
Bf16TileProducts products_by_software_tiles();  // the same driver over software tiles, on any machine

}  // namespace tenon
