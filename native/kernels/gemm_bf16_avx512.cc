// bf16 products by the dot product instruction of AVX512-BF16: the register tiles of gemm_bf16_tile.h over
// one instruction, and tiles that finish their sums before they leave the registers.
#define TENON_KERNEL_FILE "kernels/gemm_bf16_avx512.cc"
#include "kernels/gemm_bf16_paths.h"

#include "kernels/for_avx512bf16.h"

#ifdef TENON_TARGET
  #include "kernels/clip.h"

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

// As dot_tile, for `pairs` pairs of K from number `first` on, through as many runs as they take.
template <int Rows, int Columns>
void taps_tile(const Bf16TapProduct& g, int64_t first, int64_t pairs, const bf16* a, const bf16* b, float* c,
               bool accumulate) {
  V sum[Rows][Columns];
  clear(sum);
  const int64_t a_row = g.a_row;
  for (int64_t run = first / g.steps, p = first % g.steps; pairs > 0; ++run, p = 0) {
    const bf16* at = a + g.runs[run] + 2 * p;
    const int64_t count = std::min(g.steps - p, pairs);
    for (int64_t i = 0; i < count; ++i, at += 2, b += 2 * kBf16Panel) InstructionDot::add(at, a_row, b, sum);
    pairs -= count;
  }
  if (accumulate) each(sum, [&](V& y, int m, int v) { y = load(c + m * g.ldc + v * W) + y; });
  each(sum, [&](V& y, int m, int v) { store(c + m * g.ldc + v * W, y); });
}

using TapsTile = void (*)(const Bf16TapProduct&, int64_t, int64_t, const bf16*, const bf16*, float*, bool);

template <int Columns, int... Rows>
constexpr auto taps_tiles(std::integer_sequence<int, Rows...>) {
  return std::array<TapsTile, kDotRows>{&taps_tile<Rows + 1, Columns>...};
}

template <int Columns>
void multiply_taps_columns(const Bf16TapProduct& g, int64_t first, int64_t image, int64_t n) {
  static constexpr auto kTiles = taps_tiles<Columns>(std::make_integer_sequence<int, kDotRows>());
  const int64_t pairs = std::min(kDotDepth / 2, g.run_count * g.steps - first);
  const bf16* a = g.a + image * g.a_image;
  const bf16* b = g.b + n / kBf16Panel * g.b_panel + 2 * (first * kBf16Panel + n % kBf16Panel);
  float* c = g.c + image * g.c_image + n;
  for (int64_t m = 0; m < g.m; m += kDotRows)
    kTiles[std::min<int64_t>(kDotRows, g.m - m) - 1](g, first, pairs, a + m * g.a_row, b, c + m * g.ldc,
                                                     g.accumulate || first > 0);
}

// In the blocks of K that multiply_dots has.
void multiply_taps(const Bf16TapProduct& g) {
  const int64_t pairs = g.run_count * g.steps;
  for (int64_t image = 0; image < g.images; ++image)
    for (int64_t first = 0; first == 0 || first < pairs; first += kDotDepth / 2)
      for (int64_t n = 0; n < g.n; n += kDotColumns * W)
        (g.n - n > W ? &multiply_taps_columns<kDotColumns> : &multiply_taps_columns<1>)(g, first, image, n);
}

// How a tile ends: clip(sum + bias + what y holds), rounded.
struct TileEnd {
  const float* bias;  // or null
  bf16* y;
  int64_t ldy;
  ClipBounds bounds;
  bool accumulate, stream;
};

template <int Columns>
struct TileLine;

// `columns` bf16 of a row, as many as there are lanes or fewer.
template <>
struct TileLine<1> {
  __mmask16 mask;
  explicit TileLine(int64_t columns) : mask(static_cast<__mmask16>((1u << columns) - 1)) {}
  void bias(const float* p, V (&to)[1]) const { to[0] = (V)_mm512_maskz_loadu_ps(mask, p); }
  void add(const bf16* y, V* sums) const {
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, y));
    sums[0] += (V)((Words)words << 16);
  }
  void put(bf16* y, const V* sums, bool) const { _mm256_mask_storeu_epi16(y, mask, round_one(sums[0])); }
};

template <>
struct TileLine<2> {
  __mmask32 mask;
  explicit TileLine(int64_t columns) : mask(static_cast<__mmask32>((uint64_t{1} << columns) - 1)) {}
  void bias(const float* p, V (&to)[2]) const {
    to[0] = (V)_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p);
    to[1] = (V)_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> W), p + W);
  }
  void add(const bf16* y, V* sums) const {
    const __m512i words = _mm512_maskz_loadu_epi16(mask, y);
    sums[0] += (V)((Words)_mm512_cvtepu16_epi32(_mm512_castsi512_si256(words)) << 16);
    sums[1] += (V)((Words)_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(words, 1)) << 16);
  }
  void put(bf16* y, const V* sums, bool stream) const {
    const __m512i words = round_two(sums[0], sums[1]);
    if (stream) return _mm512_stream_si512(reinterpret_cast<__m512i*>(y), words);
    _mm512_mask_storeu_epi16(y, mask, words);
  }
};

// As dot_tile, for `columns` columns of y; `c` holds sums of the blocks of K before, or is null.
template <int Rows, int Columns>
void end_tile(const bf16* a, int64_t lda, const bf16* b, int64_t pairs, const float* c, int64_t ldc,
              int64_t columns, const TileEnd& end) {
  V sum[Rows][Columns];
  clear(sum);
  for (int64_t p = 0; p < pairs; ++p, a += 2, b += 2 * kBf16Panel) InstructionDot::add(a, lda, b, sum);
  if (c != nullptr) each(sum, [&](V& y, int m, int v) { y = load(c + m * ldc + v * W) + y; });
  const TileLine<Columns> line(columns);
  // Added to a sum, -0 leaves it as it is.
  V bias[Columns];
  for (V& b : bias) b = splat(-0.0f);
  if (end.bias != nullptr) line.bias(end.bias, bias);
  each(sum, [&](V& y, int, int v) { y += bias[v]; });
  if (end.accumulate) each_row(sum, [&](V* row, int m) { line.add(end.y + m * end.ldy, row); });
  const Clip clip(end.bounds);
  each(sum, [&](V& y, int, int) { y = clip(y); });
  each_row(sum, [&](V* row, int m) { line.put(end.y + m * end.ldy, row, end.stream); });
}

using EndTile = void (*)(const bf16*, int64_t, const bf16*, int64_t, const float*, int64_t, int64_t,
                         const TileEnd&);

template <int Columns, int... Rows>
constexpr auto end_tiles(std::integer_sequence<int, Rows...>) {
  return std::array<EndTile, kDotRows>{&end_tile<Rows + 1, Columns>...};
}

template <int Columns>
void end_columns(const Bf16Product& g, int64_t n, int64_t k0, TileEnd end) {
  static constexpr auto kTiles = end_tiles<Columns>(std::make_integer_sequence<int, kDotRows>());
  const bf16* b = g.b + n / kBf16Panel * g.b_panel + k0 * kBf16Panel + 2 * (n % kBf16Panel);
  const int64_t columns = std::min<int64_t>(g.n - n, Columns * W);
  end.y += n;
  if (end.bias != nullptr) end.bias += n;
  for (int64_t m = 0; m < g.m; m += kDotRows, end.y += kDotRows * end.ldy) {
    const int64_t rows = std::min<int64_t>(kDotRows, g.m - m);
    const float* before = g.accumulate || k0 > 0 ? g.c + m * g.ldc + n : nullptr;
    kTiles[rows - 1](g.a + m * g.lda + k0, g.lda, b, (g.k - k0) / 2, before, g.ldc, columns, end);
  }
}

void multiply_and_finish(const Bf16Product& g, const Bf16Finish& f) {
  const TileEnd end = {f.bias,  static_cast<bf16*>(f.y), f.ldy, clip_bounds(f.activation), f.accumulate,
                       f.stream};
  const int64_t last = g.k == 0 ? 0 : (g.k - 1) / kDotDepth * kDotDepth;
  if (last > 0) {
    Bf16Product before = g;
    before.k = last;
    multiply(before);
  }
  for (int64_t n = 0; n < g.n; n += kDotColumns * W)
    (g.n - n > W ? &end_columns<kDotColumns> : &end_columns<1>)(g, n, last, end);
}

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
Bf16MultiplyTaps multiply_taps_avx512bf16() {
  return TENON_AVX512BF16_OR(&avx512bf16::multiply_taps, nullptr);
}
Bf16MultiplyAndFinish multiply_and_finish_avx512bf16() {
  return TENON_AVX512BF16_OR(&avx512bf16::multiply_and_finish, nullptr);
}
Bf16Chains chains_avx512bf16() { return TENON_AVX512BF16_OR(avx512bf16::kPeak, Bf16Chains{}); }

}  // namespace tenon

#endif
