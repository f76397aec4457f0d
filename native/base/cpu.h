// What this processor can do: the instruction sets tenon compiles for, and which of them may run here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tenon {

// `ref` is the float64 reference: every operand of floating type is f64 there.
enum class Target : uint8_t { baseline, avx2, avx512, neon, ref };
inline constexpr int kTargets = 5;

struct CpuFeatures {
  bool avx2 = false;    // AVX2, FMA, F16C, BMI1 and BMI2, with YMM state enabled by the system
  bool avx512 = false;  // the above and AVX-512 F, BW, VL, DQ, with ZMM state enabled
  bool avx512_bf16 = false;
  bool avx512_vnni = false;
  bool amx_tile = false;
  bool amx_bf16 = false;
  bool amx_int8 = false;
  bool neon = false;
};

// Asks the processor only once.
const CpuFeatures& cpu_features();

// The names of the features that are there, for `info()` and `tenon doctor`.
std::vector<std::string> cpu_feature_names();

// "AMD EPYC 9B14", or what is known.
std::string cpu_brand();

// True when code compiled for `target` exists in this build and may run on this machine.
bool target_supported(Target target);

}  // namespace tenon
