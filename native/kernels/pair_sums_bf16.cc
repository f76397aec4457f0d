// Sums over pairs of rows by AVX512-BF16; see pair_sums_bf16.h for the contract.
#define TENON_KERNEL_FILE "kernels/pair_sums_bf16.cc"
#include "kernels/pair_sums_bf16.h"

#include "kernels/for_avx512bf16.h"

#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/register_tile.h"

  #include "kernels/bf16_dot.h"

static_assert(W == kPairPanel);

void pack(const RowPairs& g) {
  const int64_t channels = g.channels, panel = g.panel;
  const auto pair = [=](const bf16* even, const bf16* odd, uint32_t* to) {
    for_vectors(channels, [=](int64_t c, auto lanes) mutable {
      const Words words = (Words)lanes.load(even + c) >> 16 | (odd ? (Words)lanes.load(odd + c) : Words{});
      std::memcpy(to, &words, sizeof words);
      to += panel;
    });
  };
  for (int64_t row = 0; row < g.rows; row += 2) {
    const bf16* even = g.from + row * g.ld;
    pair(even, row + 1 < g.rows ? even + g.ld : nullptr, g.to + row / 2 * kPairPanel);
  }
}

constexpr int kAccumulators = 16;
constexpr int64_t kNearPairs = 128;  // of two panels of b, which the first cache level holds

// The products of a block of pairs at one point.
struct Step {
  const PairSums& s;
  int64_t point, first;

  int64_t pairs() const { return std::min(kNearPairs, s.pairs - first); }
  Step next() const {
    return first + kNearPairs < s.pairs ? Step{s, point, first + kNearPairs} : Step{s, point + 1, 0};
  }
  int64_t o_panels() const { return (s.o + kPairPanel - 1) / kPairPanel; }
  // All panels that are read: those of a, then those of b.
  const uint32_t* panel(int64_t index) const {
    const uint32_t* from = index < o_panels() ? s.a + point * s.a_point + index * s.panel
                                              : s.b + point * s.b_point + (index - o_panels()) * s.panel;
    return from + first * kPairPanel;
  }
  // What tile number `index` fetches meanwhile, a line for each pair: a panel of the next step, or what is
  // said to come after the last one; else something that is near already.
  const uint32_t* later(int64_t index) const {
    const Step step = next();
    if (step.point < s.points) return index < o_panels() + s.c_panels ? step.panel(index) : panel(0);
    for (const PairsAhead& ahead : s.ahead) {
      if (index * pairs() < ahead.lines)
        return reinterpret_cast<const uint32_t*>(ahead.from) + index * pairs() * kPairPanel;
      index -= (ahead.lines + pairs() - 1) / pairs();
    }
    return panel(0);
  }

  // One register tile: NV panels of b from panel c on, and outputs [o, o + kAccumulators / NV). Meanwhile
  // fetches a panel into the second cache level.
  template <int NV>
  void sum_tile(int64_t o, int64_t c, const uint32_t* ahead) const {
    const uint32_t* a = panel(o / kPairPanel) + o % kPairPanel;
    const uint32_t* b = panel(o_panels() + c);
    const int64_t b_panel = s.panel, row = s.sum_row;
    float* sums = s.sums + point * s.sum_point + o * row + c * W;
    const bool accumulate = s.accumulate || first > 0;
    V acc[kAccumulators / NV][NV];
    clear(acc);
    for (int64_t p = pairs(); p > 0; --p, a += kPairPanel, b += kPairPanel, ahead += kPairPanel) {
      Words columns[NV];
      for (int v = 0; v < NV; ++v) std::memcpy(&columns[v], b + v * b_panel, sizeof columns[v]);
      __builtin_prefetch(ahead, 0, 2);
      each(acc, [&](V& sum, int m, int v) { sum = dot(sum, a[m] - Words{}, columns[v]); });
    }
    if (accumulate) each(acc, [&](V& sum, int m, int v) { sum = load(sums + m * row + v * W) + sum; });
    each(acc, [&](V& sum, int m, int v) { store(sums + m * row + v * W, sum); });
  }

  void run() const {
    int64_t c = 0, tile = 0;
    for (; c + 1 < s.c_panels; c += 2)
      for (int64_t o = 0; o < s.o; o += kAccumulators / 2) sum_tile<2>(o, c, later(tile++));
    if (c == s.c_panels) return;
    for (int64_t o = 0; o < s.o; o += kAccumulators) sum_tile<1>(o, c, later(tile++));
  }
};

void sum_pairs(const PairSums& s) {
  for (int64_t point = 0; point < s.points; ++point)
    for (int64_t first = 0; first < s.pairs; first += kNearPairs) Step{s, point, first}.run();
}

constexpr PairKernels kKernels = {&pack, &sum_pairs};

#else

namespace tenon {

const PairKernels* pairs_avx512bf16() { return TENON_AVX512BF16_OR(&avx512bf16::kKernels, nullptr); }

}  // namespace tenon

#endif
