// The transforms of Winograd convolution with products in bf16; see winograd_bf16.h for the contract.
#define TENON_KERNEL_FILE "kernels/winograd_bf16.cc"
#include "kernels/winograd_bf16.h"
#include "kernels/gemm_bf16.h"

#include "kernels/for_avx512bf16.h"

#ifdef TENON_TARGET
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

#else

namespace tenon {

const WinogradBf16Kernels* winograd_avx512bf16() {
  return TENON_AVX512BF16_OR(&avx512bf16::kKernels, nullptr);
}

}  // namespace tenon

#endif
