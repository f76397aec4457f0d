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

// How many pixels, from the first one on, have 16 readable channels from channel `from` on.
inline int64_t pixels_before_end(const PixelPairs& p, int64_t from) {
  const int64_t room = p.end - std::max(p.even, p.odd) - from - kTapTile;
  if (room < 0) return 0;
  return p.pixel_step == 0 ? p.pixels : std::min(p.pixels, room / p.pixel_step + 1);
}

void pack_pairs(const PixelPairs& p) {
  const int64_t whole = p.channels / kTapTile * kTapTile, rest = p.channels - whole;
  const int64_t readable = rest > 0 ? pixels_before_end(p, whole) : 0;
  for (int64_t i = 0; i < p.pixels; ++i) {
    const bf16 *even = p.even + i * p.pixel_step, *odd = p.odd + i * p.pixel_step;
    uint32_t* to = p.to + i * p.to_pixel;
    for (int64_t c = 0; c < whole; c += kTapTile, to += p.to_panel) pair_up(even + c, odd + c, to);
    if (rest == 0) continue;
    if (i < readable) {
      pair_up(even + whole, odd + whole, to);
    } else {
      pair_up_some(even + whole, odd + whole, rest, to);
    }
  }
}

// Word i of row j becomes word j of row(i).
template <class Row>
inline void transpose_words(const uint32_t* from, Row&& row) {
  for (int i = 0; i < kTapTile; i += W) {
    for (int j = 0; j < kTapTile; j += W) {
      V r[W];
      for (int k = 0; k < W; ++k) std::memcpy(&r[k], from + (i + k) * kTapTile + j, sizeof(V));
      transpose_round<W / 2>(r);
      for (int k = 0; k < W; ++k) std::memcpy(row(j + k) + i, &r[k], sizeof(V));
    }
  }
}

// The 16 pairs of images of one step; null where K is beyond the images or pixels.
struct StepRows {
  const bf16 *even[kTapTile], *odd[kTapTile];

  StepRows(const PixelTiles& p, int64_t step) {
    const int64_t pairs = p.group / 2;
    int64_t pixel = step * kTapTile / pairs, image = step * kTapTile % pairs * 2;
    for (int64_t i = 0; i < kTapTile; ++i) {
      const bf16* at = p.from + image * p.image_step + pixel * p.pixel_step;
      even[i] = pixel < p.pixels && image < p.images ? at : nullptr;
      odd[i] = pixel < p.pixels && image + 1 < p.images ? at + p.image_step : nullptr;
      image += 2;
      if (image == p.group) image = 0, ++pixel;
    }
  }
};

// 32 channels to two tiles: words of the even channels and of the odd ones need no shuffle.
inline void pack_two_tiles(const StepRows& rows, int64_t c, bf16* to, int64_t to_tile) {
  alignas(64) static constexpr bf16 kZeros[2 * kTapTile] = {};
  alignas(64) uint32_t low[kTapTile * kTapTile], high[kTapTile * kTapTile];
  for (int64_t i = 0; i < kTapTile; ++i) {
    const bf16 *first = rows.even[i] ? rows.even[i] + c : kZeros,
               *second = rows.odd[i] ? rows.odd[i] + c : kZeros;
    for (int v = 0; v < kTapTile; v += W) {
      Words a, b;
      std::memcpy(&a, first + 2 * v, sizeof a);
      std::memcpy(&b, second + 2 * v, sizeof b);
      const Words even_channels = (a & 0xffffu) | b << 16, odd_channels = a >> 16 | (b & 0xffff0000u);
      std::memcpy(low + i * kTapTile + v, &even_channels, sizeof a);
      std::memcpy(high + i * kTapTile + v, &odd_channels, sizeof a);
    }
  }
  const auto row_of = [&](int64_t channel) {
    return reinterpret_cast<uint32_t*>(to + channel / kTapTile * to_tile) + channel % kTapTile * kTapTile;
  };
  transpose_words(low, [&](int64_t i) { return row_of(2 * i); });
  transpose_words(high, [&](int64_t i) { return row_of(2 * i + 1); });
}

// n <= 16 channels to one tile, zero beyond them.
inline void pack_tile(const StepRows& rows, int64_t c, int64_t n, bf16* to) {
  static constexpr bf16 kZeros[kTapTile] = {};
  alignas(64) uint32_t words[kTapTile * kTapTile];
  for (int64_t i = 0; i < kTapTile; ++i) {
    const bf16 *first = rows.even[i] ? rows.even[i] + c : kZeros,
               *second = rows.odd[i] ? rows.odd[i] + c : kZeros;
    if (n == kTapTile) {
      pair_up(first, second, words + i * kTapTile);
    } else {
      pair_up_some(first, second, n, words + i * kTapTile);
    }
  }
  transpose_words(words, [&](int64_t i) { return reinterpret_cast<uint32_t*>(to) + i * kTapTile; });
}

void pack_tiles(const PixelTiles& p) {
  const int64_t steps = (p.pixels * p.group + kTapDepth - 1) / kTapDepth;
  for (int64_t step = 0; step < steps; ++step) {
    const StepRows rows(p, step);
    bf16* to = p.to + step * kTileBf16;
    int64_t c = 0;
    for (; c + 2 * kTapTile <= p.channels; c += 2 * kTapTile, to += 2 * p.to_tile)
      pack_two_tiles(rows, c, to, p.to_tile);
    for (; c < p.channels; c += kTapTile, to += p.to_tile)
      pack_tile(rows, c, std::min(kTapTile, p.channels - c), to);
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
