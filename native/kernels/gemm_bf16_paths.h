// The products of processors that have bf16 instructions, behind function pointers: null where this build has
// none for its architecture.
#pragma once

#include "kernels/gemm_bf16.h"

namespace tenon {

using Bf16Multiply = void (*)(const Bf16Product&);

using Bf16MultiplyTaps = void (*)(const Bf16TapProduct&);
using Bf16MultiplyAndFinish = void (*)(const Bf16Product&, const Bf16Finish&);

Bf16Multiply multiply_avx512bf16();  // gemm_bf16_avx512.cc
Bf16MultiplyTaps multiply_taps_avx512bf16();
Bf16MultiplyAndFinish multiply_and_finish_avx512bf16();

struct Bf16TileProducts {
  Bf16Multiply multiply = nullptr;
  Bf16MultiplyTaps multiply_taps = nullptr;
};

Bf16TileProducts products_by_tiles();           // gemm_bf16_amx.cc
Bf16TileProducts products_by_software_tiles();  // the same driver over software tiles, on any machine

// Independent chains of products of ones that stay in registers: the most that a path can do (peak.cc).
struct Bf16Chains {
  int64_t flops;  // of one iteration, all chains
  // y[16] are sums whose total counts the multiply-adds. Null where bf16 is computed in float.
  void (*run)(int64_t iterations, float* y);
};

Bf16Chains chains_avx512bf16();  // gemm_bf16_avx512.cc
Bf16Chains chains_amx();         // gemm_bf16_amx.cc
Bf16Chains bf16_chains(Target);  // of this process

}  // namespace tenon
