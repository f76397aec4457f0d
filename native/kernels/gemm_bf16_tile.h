// The register tiles of bf16 matrix products on vectors, over one operation: Dot, a dot product of pairs.
// Included once per target after vec.h (no include guard on purpose).
//
// A block of C[m][n] is one chain in the order of K, the second element of a pair before the first: that is
// the order of AVX512-BF16's instruction. Blocks of kDotDepth are summed from zero and added in order
// (gemm.h). Products of two bf16 are exact in float, so a target without fused multiply-add rounds as the
// others do.
constexpr int kDotColumns = 2;  // vectors of a tile; its last one may be narrower
#if defined(TENON_IS_AVX512) || defined(TENON_IS_NEON)
constexpr int kDotRows = 12;
#else
constexpr int kDotRows = 6;
#endif
constexpr int64_t kDotDepth = kLongestChain;  // of B that stays in the first cache level

inline Words load_words(const void* p) {
  Words words;
  std::memcpy(&words, p, sizeof words);
  return words;
}

// The pair at p in every lane.
inline Words pair_at(const bf16* p) {
  uint32_t word;
  std::memcpy(&word, p, sizeof word);
  return word - Words{};
}

template <class Dot, int Rows, int Columns>
void dot_tile(const bf16* a, int64_t lda, const bf16* b, int64_t pairs, float* c, int64_t ldc,
              bool accumulate) {
  V sum[Rows][Columns];
  clear(sum);
  for (int64_t p = 0; p < pairs; ++p, a += 2, b += 2 * kBf16Panel) Dot::add(a, lda, b, sum);
  if (accumulate) each(sum, [&](V& y, int m, int v) { y = load(c + m * ldc + v * W) + y; });
  each(sum, [&](V& y, int m, int v) { store(c + m * ldc + v * W, y); });
}

// In float: the second elements of all pairs first, then the first ones, which keeps few vectors alive.
struct WidenedDot {
  template <int Rows, int Columns>
  static inline void add(const bf16* a, int64_t lda, const bf16* b, V (&sum)[Rows][Columns]) {
    const Words second = 0xffff0000u - Words{};
    V column[Columns];
    for (int v = 0; v < Columns; ++v) column[v] = (V)(load_words(b + 2 * v * W) & second);
    for (int m = 0; m < Rows; ++m) {
      const V row = (V)(pair_at(a + m * lda) & second);
      for (int v = 0; v < Columns; ++v) sum[m][v] = fma(row, column[v], sum[m][v]);
    }
    for (int v = 0; v < Columns; ++v) column[v] = (V)(load_words(b + 2 * v * W) << 16);
    for (int m = 0; m < Rows; ++m) {
      const V row = (V)(pair_at(a + m * lda) << 16);
      for (int v = 0; v < Columns; ++v) sum[m][v] = fma(row, column[v], sum[m][v]);
    }
  }
};

using DotTile = void (*)(const bf16*, int64_t, const bf16*, int64_t, float*, int64_t, bool);

template <class Dot, int Columns, int... Rows>
constexpr void fill_tiles(DotTile (&table)[kDotRows + 1], std::integer_sequence<int, Rows...>) {
  ((table[Rows + 1] = &dot_tile<Dot, Rows + 1, Columns>), ...);
}

template <class Dot, int Columns>
struct DotTiles {
  DotTile of[kDotRows + 1] = {};
  constexpr DotTiles() { fill_tiles<Dot, Columns>(of, std::make_integer_sequence<int, kDotRows>()); }
};

// All rows of one panel's columns [column, column + Columns W), K in [k0, k0 + depth).
template <class Dot, int Columns>
void multiply_columns(const Bf16Product& g, int64_t panel, int64_t column, int64_t k0, int64_t depth) {
  static constexpr DotTiles<Dot, Columns> tiles;
  const bf16* b = g.b + panel * g.b_panel + k0 * kBf16Panel + 2 * column;
  float* c = g.c + panel * kBf16Panel + column;
  const bool accumulate = g.accumulate || k0 > 0;
  for (int64_t m = 0; m < g.m; m += kDotRows) {
    const int64_t rows = std::min<int64_t>(kDotRows, g.m - m);
    tiles.of[rows](g.a + m * g.lda + k0, g.lda, b, depth / 2, c + m * g.ldc, g.ldc, accumulate);
  }
}

template <class Dot>
void multiply_dots(const Bf16Product& g) {
  constexpr int64_t kStep = kDotColumns * W;
  for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += kDotDepth) {
    const int64_t depth = std::min(kDotDepth, g.k - k0);
    for (int64_t n = 0; n < g.n; n += kStep) {
      const auto columns = g.n - n > W ? &multiply_columns<Dot, kDotColumns> : &multiply_columns<Dot, 1>;
      columns(g, n / kBf16Panel, n % kBf16Panel, k0, depth);
    }
  }
}
