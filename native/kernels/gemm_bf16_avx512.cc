// bf16 products by the dot product instruction of AVX512-BF16: the register tiles of gemm_bf16_tile.h over
// one instruction.
#define TENON_KERNEL_FILE "kernels/gemm_bf16_avx512.cc"
#include "kernels/gemm_bf16_paths.h"

#include "kernels/for_avx512bf16.h"

#ifdef TENON_TARGET
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

constexpr Bf16Chains kPeak = {kChains * 16 * 2 * 2, &run_chains};

#else

namespace tenon {

Bf16Multiply multiply_avx512bf16() { return TENON_AVX512BF16_OR(&avx512bf16::multiply, nullptr); }
Bf16Chains chains_avx512bf16() { return TENON_AVX512BF16_OR(avx512bf16::kPeak, Bf16Chains{}); }

}  // namespace tenon

#endif
