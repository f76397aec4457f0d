// The transforms of Winograd convolution with products in bf16; see winograd_bf16.h for the contract. A file
// of its own, because its target is not an instruction set of for_each_target.h.
#include "kernels/winograd_bf16.h"

#if defined(__x86_64__)

  #include <immintrin.h>

  #include <algorithm>
  #include <bit>
  #include <cmath>
  #include <cstring>
  #include <limits>
  #include <type_traits>
  #include <utility>

  #include "base/tensor.h"
  #include "kernels/gemm_bf16.h"

  #include "kernels/pragmas.h"

TENON_PUSH_TARGET("avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,bmi,bmi2")
namespace tenon {
namespace avx512bf16 {
namespace {
  #define TENON_TARGET avx512bf16
  #define TENON_IS_AVX512 1
  #define TENON_IS_AVX512BF16 1
  #include "kernels/vec.h"

  #include "kernels/lanes.h"
  #include "kernels/math.h"

  #include "kernels/clip.h"

  #include "kernels/activate.h"
  #include "kernels/winograd_axes.h"
  #include "kernels/winograd_tile.h"

inline Words rounded_words(V v) { return (Words)_mm512_maskz_cvtepu16_epi32((__mmask16)-1, round_one(v)); }

void input(const WinogradPixels<const std::byte>& pixels, int64_t channels, bf16* planes, int64_t plane) {
  input_tile<bf16>(
      pixels, channels, [=](int point, int64_t c, V v) __attribute__((always_inline)) {
        store(planes + point * plane + c, v);
      });
}

// The even rows fill the lower halves of words, the odd ones the upper halves.
void filter(const WinogradFilters& f, uint32_t* planes, int64_t plane) {
  const int64_t tap_stride = f.tap_stride;
  for (int64_t row = 0; row < f.rows; ++row) {
    const float* taps = f.taps + row * f.row_stride;
    uint32_t* out = planes + row / 2 * kBf16Panel;
    const bool odd = row % 2 != 0;
    for (int64_t at = 0; at < kBf16Panel; at += W) {
      const auto part = [=](auto lanes) {
        transform<FilterAxis>([=](int i, int j) { return lanes.load(taps + (3 * i + j) * tap_stride + at); },
                              [=](int i, int j, V v) {
                                uint32_t* to = out + (kWinogradIn * i + j) * plane + at;
                                Words words = rounded_words(v);
                                if (odd) {
                                  Words even;
                                  std::memcpy(&even, to, sizeof even);
                                  words = words << 16 | even;
                                }
                                std::memcpy(to, &words, sizeof words);
                              });
      };
      const int64_t left = f.lanes - at;
      if (left >= W)
        part(WholeLanes{});
      else if (left > 0)
        part(FirstLanes{left});
      else if (!odd)
        for (int point = 0; point < kWinogradPoints; ++point)
          std::memset(out + point * plane + at, 0, W * sizeof(uint32_t));
    }
  }
}

constexpr WinogradBf16Kernels kKernels = {12, &input, &filter, &output_tile<bf16>};

}  // namespace
}  // namespace avx512bf16
}  // namespace tenon
TENON_POP_TARGET

namespace tenon {
const WinogradBf16Kernels* winograd_avx512bf16() { return &avx512bf16::kKernels; }
}  // namespace tenon

#else

namespace tenon {
const WinogradBf16Kernels* winograd_avx512bf16() { return nullptr; }
}  // namespace tenon

#endif
