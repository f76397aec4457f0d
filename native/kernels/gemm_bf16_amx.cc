// bf16 products on AMX tiles: blocks of 32 x 32 of C in four tiles, two of A and two of B for each step of K.
// A is read where it lies, by its row stride; B is packed so that 16 rows of a panel are a tile.
//
// C goes on through all of K: the instruction sums the 32 products of a step apart before it adds them, so
// that the chain of additions is K / 32 long, 31,250 for a million products.
#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/gemm_bf16_paths.h"
#include "kernels/pragmas.h"

#if defined(__x86_64__)
  #include <immintrin.h>
TENON_PUSH_TARGET("amx-tile,amx-bf16")
#endif

namespace tenon {
namespace {

#include "kernels/amx.h"

// A block of C, `Rows` x `Columns` tiles, over all of K: the tiles of C are stored once.
template <int Rows, int Columns, class Tiles>
inline void multiply_block(Tiles& tiles, const Bf16TapProduct& g, const bf16* a, const bf16* b, float* c) {
  constexpr bool kTall = Rows == 2, kWide = Columns == 2;
  const int64_t a_row = g.a_row * static_cast<int64_t>(sizeof(bf16)),
                c_row = g.ldc * static_cast<int64_t>(sizeof(float));
  constexpr int64_t kPairs = kBf16Panel * 2 * static_cast<int64_t>(sizeof(bf16));
  float* low = c + kTileRows * g.ldc;
  if (g.accumulate) {
    tiles.template load<0>(c, c_row);
    if constexpr (kWide) tiles.template load<1>(c + kTileRows, c_row);
    if constexpr (kTall) tiles.template load<2>(low, c_row);
    if constexpr (kTall && kWide) tiles.template load<3>(low + kTileRows, c_row);
  } else {
    tiles.template zero<0>();
    if constexpr (kWide) tiles.template zero<1>();
    if constexpr (kTall) tiles.template zero<2>();
    if constexpr (kTall && kWide) tiles.template zero<3>();
  }
  for (int64_t run = 0; run < g.run_count; ++run) {
    const bf16* row = a + g.runs[run];
    for (int64_t step = 0; step < g.steps; ++step, row += kTileDepth, b += kTileDepth * kBf16Panel) {
      tiles.template load<4>(row, a_row);
      tiles.template load<6>(b, kPairs);
      tiles.template multiply<0>();
      if constexpr (kWide) tiles.template load<7>(b + 2 * kTileRows, kPairs);
      if constexpr (kWide) tiles.template multiply<1>();
      if constexpr (kTall) tiles.template load<5>(row + kTileRows * g.a_row, a_row);
      if constexpr (kTall) tiles.template multiply<2>();
      if constexpr (kTall && kWide) tiles.template multiply<3>();
    }
  }
  tiles.template store<0>(c, c_row);
  if constexpr (kWide) tiles.template store<1>(c + kTileRows, c_row);
  if constexpr (kTall) tiles.template store<2>(low, c_row);
  if constexpr (kTall && kWide) tiles.template store<3>(low + kTileRows, c_row);
}

// One panel's columns, all rows of all images.
template <int Columns, class Tiles>
inline void multiply_panel(Tiles& tiles, const Bf16TapProduct& g, int64_t panel) {
  const bf16* b = g.b + panel * g.b_panel;
  for (int64_t image = 0; image < g.images; ++image) {
    const bf16* a = g.a + image * g.a_image;
    float* c = g.c + image * g.c_image + panel * kBf16Panel;
    int64_t m = 0;
    for (; m + kTileRows < g.m; m += 2 * kTileRows)
      multiply_block<2, Columns>(tiles, g, a + m * g.a_row, b, c + m * g.ldc);
    if (m < g.m) multiply_block<1, Columns>(tiles, g, a + m * g.a_row, b, c + m * g.ldc);
  }
}

template <class Tiles>
void multiply_taps(const Bf16TapProduct& g) {
  Tiles tiles;
  for (int64_t n = 0; n < g.n; n += kBf16Panel) {
    if (n + kTileRows < g.n) {
      multiply_panel<2>(tiles, g, n / kBf16Panel);
    } else {
      multiply_panel<1>(tiles, g, n / kBf16Panel);
    }
  }
}

template <class Tiles>
void multiply(const Bf16Product& g) {
  constexpr int64_t kRun = 0;
  multiply_taps<Tiles>(
      {g.a, g.lda, 0, &kRun, 1, g.k / kTileDepth, g.b, g.b_panel, 1, g.m, g.n, g.c, 0, g.ldc, g.accumulate});
}

#if defined(__x86_64__)
// One product for each of the four tiles of C, which hide the latency of the instruction.
void run_chains(int64_t iterations, float* y) {
  alignas(64) uint32_t ones[kTileRows][kTileRows];
  alignas(64) float sums[kTileRows][kTileRows];
  for (auto& row : ones)
    for (uint32_t& pair : row) pair = 0x3f803f80;
  constexpr int64_t kRow = sizeof ones[0];
  HardwareTiles tiles;
  tiles.load<4>(ones, kRow);
  tiles.load<5>(ones, kRow);
  tiles.load<6>(ones, kRow);
  tiles.load<7>(ones, kRow);
  tiles.zero<0>();
  tiles.zero<1>();
  tiles.zero<2>();
  tiles.zero<3>();
  for (int64_t n = 0; n < iterations; ++n) {
    tiles.multiply<0>();
    tiles.multiply<1>();
    tiles.multiply<2>();
    tiles.multiply<3>();
  }
  for (int i = 0; i < kTileRows; ++i) y[i] = 0;
  const auto add = [&] {
    for (const auto& row : sums)
      for (int i = 0; i < kTileRows; ++i) y[i] += row[i];
  };
  tiles.store<0>(sums, kRow);
  add();
  tiles.store<1>(sums, kRow);
  add();
  tiles.store<2>(sums, kRow);
  add();
  tiles.store<3>(sums, kRow);
  add();
}
#endif

}  // namespace

Bf16TileProducts products_by_software_tiles() {
  return {&multiply<SoftwareTiles>, &multiply_taps<SoftwareTiles>};
}

#if defined(__x86_64__)
Bf16TileProducts products_by_tiles() { return {&multiply<HardwareTiles>, &multiply_taps<HardwareTiles>}; }
Bf16Chains chains_amx() { return {4LL * kTileRows * kTileRows * kTileDepth * 2, &run_chains}; }
#else
Bf16TileProducts products_by_tiles() { return {}; }
Bf16Chains chains_amx() { return {0, nullptr}; }
#endif

}  // namespace tenon

#if defined(__x86_64__)
TENON_POP_TARGET
#endif
