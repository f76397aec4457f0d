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

constexpr int64_t kDepth = 512;  // of B that stays in the first cache level

// One block of C, `Rows` x `Columns` tiles, K in [k0, k0 + depth).
template <int Rows, int Columns, class Tiles>
inline void multiply_block(Tiles& tiles, const Bf16Product& g, const bf16* a, const bf16* b, float* c,
                           int64_t depth, bool accumulate) {
  constexpr bool kTall = Rows == 2, kWide = Columns == 2;
  const int64_t a_row = g.lda * static_cast<int64_t>(sizeof(bf16)),
                c_row = g.ldc * static_cast<int64_t>(sizeof(float));
  constexpr int64_t kPairs = kBf16Panel * 2 * static_cast<int64_t>(sizeof(bf16));
  float* low = c + kTileRows * g.ldc;
  if (accumulate) {
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
  for (int64_t k = 0; k < depth; k += kTileDepth) {
    const bf16* pairs = b + k * kBf16Panel;
    tiles.template load<4>(a + k, a_row);
    tiles.template load<6>(pairs, kPairs);
    tiles.template multiply<0>();
    if constexpr (kWide) tiles.template load<7>(pairs + 2 * kTileRows, kPairs);
    if constexpr (kWide) tiles.template multiply<1>();
    if constexpr (kTall) tiles.template load<5>(a + kTileRows * g.lda + k, a_row);
    if constexpr (kTall) tiles.template multiply<2>();
    if constexpr (kTall && kWide) tiles.template multiply<3>();
  }
  tiles.template store<0>(c, c_row);
  if constexpr (kWide) tiles.template store<1>(c + kTileRows, c_row);
  if constexpr (kTall) tiles.template store<2>(low, c_row);
  if constexpr (kTall && kWide) tiles.template store<3>(low + kTileRows, c_row);
}

// One panel's columns, all rows, K in [k0, k0 + depth).
template <int Columns, class Tiles>
inline void multiply_panel(Tiles& tiles, const Bf16Product& g, int64_t panel, int64_t k0, int64_t depth) {
  const bf16* b = g.b + panel * g.b_panel + k0 * kBf16Panel;
  float* c = g.c + panel * kBf16Panel;
  const bool accumulate = g.accumulate || k0 > 0;
  int64_t m = 0;
  for (; m + kTileRows < g.m; m += 2 * kTileRows)
    multiply_block<2, Columns>(tiles, g, g.a + m * g.lda + k0, b, c + m * g.ldc, depth, accumulate);
  if (m < g.m)
    multiply_block<1, Columns>(tiles, g, g.a + m * g.lda + k0, b, c + m * g.ldc, depth, accumulate);
}

template <class Tiles>
void multiply(const Bf16Product& g) {
  Tiles tiles;
  for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += kDepth) {
    const int64_t depth = g.k - k0 < kDepth ? g.k - k0 : kDepth;
    for (int64_t n = 0; n < g.n; n += kBf16Panel) {
      if (n + kTileRows < g.n) {
        multiply_panel<2>(tiles, g, n / kBf16Panel, k0, depth);
      } else {
        multiply_panel<1>(tiles, g, n / kBf16Panel, k0, depth);
      }
    }
  }
}

}  // namespace

Bf16Multiply multiply_amx_software() { return &multiply<SoftwareTiles>; }

#if defined(__x86_64__)
Bf16Multiply multiply_amx() { return &multiply<HardwareTiles>; }
#else
Bf16Multiply multiply_amx() { return nullptr; }
#endif

}  // namespace tenon

#if defined(__x86_64__)
TENON_POP_TARGET
#endif
