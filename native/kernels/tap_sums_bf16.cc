// Packing for tap_sums_bf16.h, per instruction set, and the choice of its kernels.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/tap_sums_bf16.cc"
#include "kernels/tap_sums_bf16.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"

  #include "kernels/transpose.h"

inline void pair_up(const bf16* even, const bf16* odd, uint32_t* to) {
  for (int v = 0; v < kTapTile; v += W) {
    const Words words = ((Words)load(even + v) >> 16) | (Words)load(odd + v);
    std::memcpy(to + v, &words, sizeof words);
  }
}

// As pair_up of n < 16 channels; the others become zero.
inline void pair_up_some(const bf16* even, const bf16* odd, int64_t n, uint32_t* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = even[i].bits | static_cast<uint32_t>(odd[i].bits) << 16;
  std::fill(to + n, to + kTapTile, 0u);
}

void pack_pairs(const PixelPairs& p) {
  const int64_t whole = p.channels / kTapTile * kTapTile;
  for (int64_t i = 0; i < p.pixels; ++i) {
    const bf16 *even = p.even + i * p.pixel_step, *odd = p.odd + i * p.pixel_step;
    uint32_t* to = p.to + i * p.to_pixel;
    for (int64_t c = 0; c < whole; c += kTapTile, to += p.to_panel) pair_up(even + c, odd + c, to);
    if (whole < p.channels) pair_up_some(even + whole, odd + whole, p.channels - whole, to);
  }
}

inline void transpose_tile(const uint32_t* from, bf16* tile) {
  auto* to = reinterpret_cast<uint32_t*>(tile);
  for (int i = 0; i < kTapTile; i += W) {
    for (int j = 0; j < kTapTile; j += W) {
      V r[W];
      for (int k = 0; k < W; ++k) std::memcpy(&r[k], from + (i + k) * kTapTile + j, sizeof(V));
      transpose_round<W / 2>(r);
      for (int k = 0; k < W; ++k) std::memcpy(to + (j + k) * kTapTile + i, &r[k], sizeof(V));
    }
  }
}

void pack_tiles(const PixelTiles& p) {
  static constexpr bf16 kZeros[kTapTile] = {};
  const int64_t pairs = p.group / 2, steps = (p.pixels * p.group + kTapDepth - 1) / kTapDepth;
  for (int64_t step = 0; step < steps; ++step) {
    const bf16 *even[kTapTile], *odd[kTapTile];
    for (int64_t i = 0; i < kTapTile; ++i) {
      const int64_t pair = step * kTapTile + i, pixel = pair / pairs, image = pair % pairs * 2;
      const bf16* at = p.from + image * p.image_step + pixel * p.pixel_step;
      even[i] = pixel < p.pixels && image < p.images ? at : nullptr;
      odd[i] = pixel < p.pixels && image + 1 < p.images ? at + p.image_step : nullptr;
    }
    bf16* to = p.to + step * kTileBf16;
    for (int64_t c = 0; c < p.channels; c += kTapTile, to += p.to_tile) {
      alignas(64) uint32_t words[kTapTile * kTapTile];
      const int64_t n = std::min(kTapTile, p.channels - c);
      for (int64_t i = 0; i < kTapTile; ++i) {
        const bf16 *first = even[i] ? even[i] + c : kZeros, *second = odd[i] ? odd[i] + c : kZeros;
        if (n == kTapTile) {
          pair_up(first, second, words + i * kTapTile);
        } else {
          pair_up_some(first, second, n, words + i * kTapTile);
        }
      }
      transpose_tile(words, to);
    }
  }
}

constexpr TapSumKernels kTable = {nullptr, &pack_pairs, &pack_tiles};

#else

  #include "kernels/gemm_bf16.h"

namespace tenon {
namespace {

TapSumKernels with_sum(Target target, SumTaps sum) {
  TapSumKernels kernels = TENON_TABLE(target);
  kernels.sum = sum;
  return kernels;
}

SumTaps sum_of(Bf16Path path) {
  if (path == Bf16Path::amx) return sum_taps_amx();
  return path == Bf16Path::amx_software ? sum_taps_amx_software() : nullptr;
}

}  // namespace

const TapSumKernels* tap_sum_kernels(Target target) {
  static const auto* of_target = [] {
    auto* all = new TapSumKernels[kTargets];
    for (int t = 0; t < kTargets; ++t)
      all[t] = with_sum(static_cast<Target>(t), sum_of(bf16_path(static_cast<Target>(t)).path));
    return all;
  }();
  const TapSumKernels& kernels = of_target[static_cast<int>(target)];
  return kernels.sum ? &kernels : nullptr;
}

}  // namespace tenon

#endif
