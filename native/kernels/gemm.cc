// Register-tile GEMM kernels; see gemm.h for the contract. The tile sizes fill the register file: mr*nv
// accumulators, nv vectors of B and one broadcast of A (AVX-512 and NEON have 32 registers, AVX2 and SSE 16).
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/gemm.cc"
#include "kernels/gemm.h"
#include "kernels/streamed_bytes.h"

#include "kernels/for_each_target.h"

#ifdef TENON_TARGET
  #include "kernels/clip.h"
  #include "kernels/lanes.h"
  #include "kernels/math.h"
  #include "kernels/register_tile.h"
  #include "kernels/row_strides.h"
  #include "kernels/transpose.h"

  #include "kernels/streaming.h"

  // kRowsAhead: of B, fetched while earlier ones are multiplied (0: left to the processor). With tiles this
  // small, B's next row is due before it comes from the third cache level.
  #if defined(TENON_IS_AVX512)
constexpr int kRowsAhead = 0;
constexpr int kTallest[] = {0, 14, 14, 9, 6};
  #elif defined(TENON_IS_NEON)
constexpr int kRowsAhead = 0;
constexpr int kTallest[] = {0, 14, 12, 8, 6};
  #else
constexpr int kRowsAhead = 40;
constexpr int kTallest[] = {0, 12, 6, 4, 2};
  #endif

template <int NV, int M, int Half, int MR>
inline void multiply_row(const real* lower, const real* upper, const Strides& s, const V (&b)[NV],
                         V (&acc)[MR][NV]) {
  const V a = splat(real_at(row_of_tile<M, Half>(lower, upper, s)));
  for (int v = 0; v < NV; ++v) acc[M][v] = fma(a, b[v], acc[M][v]);
}

// What is fetched while a row of B is multiplied: nothing, a later row of B, or what the next tiles need.
enum class Fetch { nothing, rows, ahead };

template <Fetch Fetches, int MR, int NV, int... M>
inline void multiply(const GemmTile& g, V (&acc)[MR][NV], std::integer_sequence<int, M...>) {
  constexpr int kHalf = (MR + 1) / 2;
  const Strides s = strides_of(g.ars);
  const int64_t aks = g.aks, bks = g.bks, depth = g.k, step = g.ahead_step;
  const real* ahead = g.ahead;
  for (int64_t i = 0; i < g.batch; ++i) {
    const real* lower = g.a + g.a_off[i];
    const real* upper = lower + g.a_jump;
    const real* p = g.b + g.b_off[i];
    for (int64_t k = 0; k < depth; ++k) {
      V b[NV];
      if constexpr (Fetches == Fetch::rows) __builtin_prefetch(p + kRowsAhead * NV * W);
      if constexpr (Fetches == Fetch::ahead) {
        __builtin_prefetch(ahead, 0, 2);
        ahead += step;
      }
      for (int v = 0; v < NV; ++v) b[v] = load(p + v * W);
      (multiply_row<NV, M, kHalf, MR>(lower, upper, s, b, acc), ...);
      lower += aks;
      upper += aks;
      p += bks;
    }
  }
}

// Where row m of C begins.
template <int MR, int NV>
inline int64_t c_row(const GemmTile& g, int m) {
  constexpr int kHalf = (MR + 1) / 2;
  // Not a choice between two pointers: GCC 12 -O2 turns that into row 0 for row 1 of 3 and 4
  // (gemm_test sees it).
  return m * g.crs + (m < kHalf ? 0 : g.c_jump - kHalf * g.crs);
}

// Activations are what the pointwise kernels compute, so that fusing changes no bit. The two that need a
// polynomial work on C where it was stored: with a call between them, the sums would not stay in registers.
template <class F>
inline void map_c(const GemmTile& g, int64_t rows, F&& f) {
  const int64_t half = (rows + 1) / 2;
  for (int64_t m = 0; m < rows; ++m) {
    real* c = g.c + (m < half ? m * g.crs : g.c_jump + (m - half) * g.crs);
    map(g.n, c, f, c);
  }
}

__attribute__((noinline)) void activate_stored(const GemmTile& g, int64_t rows) {
  if (g.activation == Activation::tanh)
    map_c(g, rows, vtanh);
  else
    map_c(g, rows, vsigmoid);
}

inline V clip_to(Activation activation, V v) {
  v = at_least(v, V{});
  return activation == Activation::relu6 ? at_most(v, splat(6)) : v;
}

template <int MR, int NV>
inline void add_bias(const GemmTile& g, V (&acc)[MR][NV], int64_t tail) {
  V bias[NV] = {};
  for (int v = 0; v < NV; ++v)
    bias[v] = v == NV - 1 && tail < W ? load_n(g.bias + v * W, tail) : load(g.bias + v * W);
  each(acc, [&](V& y, int, int v) { y = y + bias[v]; });
}

// Adds bias, activates and stores; the last vector may be partial.
template <int MR, int NV>
inline void finish(const GemmTile& g, V (&acc)[MR][NV]) {
  const int64_t tail = g.n - (NV - 1) * W;
  if (g.bias) add_bias(g, acc, tail);
  if (g.activation == Activation::relu || g.activation == Activation::relu6)
    each(acc, [&](V& y, int, int) { y = clip_to(g.activation, y); });
  if (g.stream)
    return each(acc, [&](V& y, int m, int v) { store_streaming(g.c + c_row<MR, NV>(g, m) + v * W, y); });
  if (tail == W) {
    each(acc, [&](V& y, int m, int v) { store(g.c + c_row<MR, NV>(g, m) + v * W, y); });
  } else {
    each(acc, [&](V& y, int m, int v) {
      real* c = g.c + c_row<MR, NV>(g, m) + v * W;
      v < NV - 1 ? store(c, y) : store_n(c, y, tail);
    });
  }
  if (g.activation == Activation::tanh || g.activation == Activation::sigmoid) activate_stored(g, MR);
}

// f(accumulator, what is at its place in `from`, which is laid out as C).
template <int MR, int NV, class F>
inline void with_c(const GemmTile& g, const real* from, V (&acc)[MR][NV], F&& f) {
  const int64_t tail = g.n - (NV - 1) * W;
  if (tail == W)
    return each(acc, [&](V& y, int m, int v) { f(y, load(from + c_row<MR, NV>(g, m) + v * W)); });
  each(acc, [&](V& y, int m, int v) {
    const real* c = from + c_row<MR, NV>(g, m) + v * W;
    f(y, v < NV - 1 ? load(c) : load_n(c, tail));
  });
}

template <int MR, int NV>
void tile(const GemmTile& g) {
  V acc[MR][NV];
  if (g.start)
    with_c(g, g.start, acc, [](V& y, V c) { y = c; });
  else
    clear(acc);
  constexpr auto kRows = std::make_integer_sequence<int, MR>();
  // Rows that are not packed lie so far apart that those ahead would evict those at hand.
  if (NV <= 3 && g.ahead != nullptr)
    multiply<NV <= 3 ? Fetch::ahead : Fetch::nothing>(g, acc, kRows);
  else if (kRowsAhead > 0 && NV > 1 && g.bks == NV * W && g.far)
    multiply<kRowsAhead != 0 ? Fetch::rows : Fetch::nothing>(g, acc, kRows);
  else
    multiply<Fetch::nothing>(g, acc, kRows);
  if (g.accumulate) with_c(g, g.addend ? g.addend : g.c, acc, [](V& y, V c) { y = c + y; });
  finish(g, acc);
}

void pack_transposed(const real* src, int64_t ld, int64_t n, int64_t depth, real* dst, int64_t panel) {
  for (int64_t j = 0; j < panel; j += W) {
    const int64_t rows = std::clamp<int64_t>(n - j, 0, W);
    for (int64_t k = 0; k < depth; k += W) {
      const real* from = src + j * ld + k;
      real* to = dst + k * panel + j;
      if (k + W <= depth)
        transpose_square(from, ld, rows, to, panel);
      else
        transpose_part(from, ld, rows, std::min<int64_t>(W, depth - k), to, panel, W);
    }
  }
}

template <int NV, int... MR>
constexpr void fill_row(GemmKernels& table, std::integer_sequence<int, MR...>) {
  table.mr[NV] = kTallest[NV];
  ((table.fn[NV][MR + 1] = &tile<MR + 1, NV>), ...);
}

constexpr GemmKernels make_table() {
  GemmKernels table = {};
  table.target = kTarget;
  table.width = W;
  fill_row<1>(table, std::make_integer_sequence<int, kTallest[1]>());
  fill_row<2>(table, std::make_integer_sequence<int, kTallest[2]>());
  fill_row<3>(table, std::make_integer_sequence<int, kTallest[3]>());
  fill_row<4>(table, std::make_integer_sequence<int, kTallest[4]>());
  table.pack_transposed = &pack_transposed;
  table.end_streaming = &end_streaming;
  return table;
}

constexpr GemmKernels kTable = make_table();

#else

namespace tenon {

const GemmKernels& gemm_kernels(Target target) { return TENON_TABLE(target); }

}  // namespace tenon

#endif
