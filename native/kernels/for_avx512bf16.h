// As for_each_target.h, for AVX512-BF16, which is a path of bf16 and not an instruction set that everything
// is compiled for: a file that includes this is compiled once, in namespace tenon::avx512bf16.
#ifndef TENON_TARGET

#ifndef TENON_KERNEL_FILE
  #error "define TENON_KERNEL_FILE before including for_avx512bf16.h"
#endif

// Every header before the target opens, as there.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/bf16.h"
#include "base/tensor.h"

#if defined(__x86_64__)
  #include <immintrin.h>

  #include "kernels/pragmas.h"

  #define TENON_TARGET avx512bf16
  #define TENON_IS_AVX512 1
  #define TENON_IS_AVX512BF16 1
TENON_PUSH_TARGET("avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,bmi,bmi2")
namespace tenon {
namespace avx512bf16 {
namespace {
  #include "kernels/vec.h"
  #include TENON_KERNEL_FILE
}  // namespace
}  // namespace avx512bf16
}  // namespace tenon
TENON_POP_TARGET
  #undef TENON_IS_AVX512BF16
  #undef TENON_IS_AVX512
  #undef TENON_TARGET

  // What the file defines for the target, or what stands for it on other architectures.
  #define TENON_AVX512BF16_OR(value, otherwise) (value)
#else
  #define TENON_AVX512BF16_OR(value, otherwise) (otherwise)
#endif

#endif  // TENON_TARGET
