// bf16 products by the dot product instruction of AVX512-BF16: the register tiles of gemm_bf16_tile.h over
// one instruction. A file of its own, because its target is not an instruction set of for_each_target.h.
#include "kernels/gemm_bf16_paths.h"

#if defined(__x86_64__)

  #include <immintrin.h>

  #include <algorithm>
  #include <bit>
  #include <cmath>
  #include <cstring>
  #include <limits>
  #include <type_traits>
  #include <utility>

  #include "kernels/pragmas.h"

TENON_PUSH_TARGET("avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,bmi,bmi2")
namespace tenon {
namespace avx512bf16 {
namespace {
  #define TENON_TARGET avx512bf16
  #define TENON_IS_AVX512 1
  #define TENON_IS_AVX512BF16 1
  #include "kernels/vec.h"

  #include "kernels/math.h"

  #include "kernels/clip.h"

  #include "kernels/activate.h"

  #include "kernels/bf16_finish.h"
  #include "kernels/register_tile.h"

  #include "kernels/gemm_bf16_tile.h"

  #include "kernels/bf16_dot.h"

struct InstructionDot {
  template <int Rows, int Columns>
  static inline void add(const bf16* a, int64_t lda, const bf16* b, V (&sum)[Rows][Columns]) {
    Words column[Columns];
    for (int v = 0; v < Columns; ++v) column[v] = load_words(b + 2 * v * W);
    for (int m = 0; m < Rows; ++m) {
      const Words row = pair_at(a + m * lda);
      for (int v = 0; v < Columns; ++v) sum[m][v] = dot(sum[m][v], row, column[v]);
    }
  }
};

void multiply(const Bf16Product& product) { multiply_dots<InstructionDot>(product); }

constexpr int kChains = 16;  // more than the latency of two units, and few enough for 32 registers

void run_chains(int64_t iterations, float* y) {
  constexpr uint32_t kOnes = 0x3f803f80;
  const Words ones = kOnes - Words{};
  V sums[kChains] = {};
  // The compiler would run chains that it knows to be equal only once.
  for (V& sum : sums) asm("" : "+v"(sum));
  for (int64_t n = 0; n < iterations; ++n) {
  #pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sums[i] = dot(sums[i], ones, ones);
  }
  V total = {};
  for (int i = 0; i < kChains; ++i) total += sums[i];
  store(y, total);
}

}  // namespace
}  // namespace avx512bf16
}  // namespace tenon
TENON_POP_TARGET

namespace tenon {
Bf16Multiply multiply_avx512bf16() { return &avx512bf16::multiply; }
Bf16FinishRows finish_avx512bf16() { return &avx512bf16::finish; }
Bf16Chains chains_avx512bf16() { return {avx512bf16::kChains * 16 * 2 * 2, &avx512bf16::run_chains}; }
}  // namespace tenon

#else

namespace tenon {
Bf16Multiply multiply_avx512bf16() { return nullptr; }
Bf16FinishRows finish_avx512bf16() { return nullptr; }
Bf16Chains chains_avx512bf16() { return {0, nullptr}; }
}  // namespace tenon

#endif
