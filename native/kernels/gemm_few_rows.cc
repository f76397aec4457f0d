// See gemm_few_rows.h.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/gemm_few_rows.cc"
#include "kernels/gemm_few_rows.h"

#include "kernels/for_each_target.h"

#ifdef TENON_TARGET
  #include "kernels/lanes.h"
  #include "kernels/register_tile.h"
  #include "kernels/row_strides.h"

  #if defined(TENON_IS_AVX512) || defined(TENON_IS_NEON)
constexpr int kTallest = 16;
constexpr int kMostColumns[] = {0, 12, 12};
  #else
constexpr int kTallest = 12;
constexpr int kMostColumns[] = {0, 12, 6};
  #endif
constexpr int kLine = 16;        // floats of a cache line
constexpr int64_t kAhead = 128;  // floats of a row of B that are fetched ahead

// Into the second-level cache.
__attribute__((always_inline)) inline void fetch(const void* place) { __builtin_prefetch(place, 0, 2); }

// What is fetched while the vector of columns at n is summed: within the strip's columns, and then from the
// beginning of the next strip's.
inline const real* ahead_of(const DownStrip& t, int64_t n) {
  const int64_t past_end = n + kAhead - t.columns;
  if (past_end < 0) return t.b + n + kAhead;
  return t.next != nullptr ? t.next + past_end : t.b + n;
}

template <int Rows, class Lanes>
inline void down_vector(const DownStrip& t, int64_t n, Lanes lanes) {
  V acc[Rows][1];
  real *sums = t.sums + n * Rows, *c = t.c + n;
  if (t.begins)
    clear(acc);
  else
    each(acc, [&](V& y, int m, int) { y = load(sums + m * W); });
  const real *a = t.a, *b = t.b + n, *ahead = ahead_of(t, n);
  const int64_t a_step = t.a_step, ldb = t.ldb, ldc = t.ldc;
  for (int64_t k = 0; k < t.k; ++k, a += a_step, b += ldb, ahead += ldb) {
    const V row = lanes.load(b);
    fetch(ahead);
    each(acc, [&](V& y, int m, int) { y = fma(splat(a[m]), row, y); });
  }
  if (!t.ends) return each(acc, [&](V& y, int m, int) { store(sums + m * W, y); });
  if (t.accumulate) each(acc, [&](V& y, int m, int) { y = lanes.load(c + m * ldc) + y; });
  each(acc, [&](V& y, int m, int) { lanes.store(c + m * ldc, y); });
}

template <int Rows>
void down(const DownStrip& t) {
  for_vectors(t.columns, [&](int64_t n, auto lanes) { down_vector<Rows>(t, n, lanes); });
}

// Where the rows of B that are a tile's columns are read.
struct RowsOfB {
  const real *lower, *upper;
  Strides strides;
};

template <int N, int Columns>
inline const char* row_of_b(const RowsOfB& b) {
  return row_of_tile<N, (Columns + 1) / 2>(b.lower, b.upper, b.strides);
}

// Inlined always: a tile whose address a call takes stays in memory.
template <int N, int Columns, int Vectors>
[[gnu::always_inline]] inline void along_column(real x, const V (&rows)[Vectors],
                                                V (&acc)[Columns][Vectors]) {
  const V b = splat(x);
  for (int v = 0; v < Vectors; ++v) acc[N][v] = fma(b, rows[v], acc[N][v]);
}

template <int K, int Columns, int Vectors, int... N>
[[gnu::always_inline]] inline void along_k(const real* a, const RowsOfB& b, V (&acc)[Columns][Vectors],
                                           std::integer_sequence<int, N...>) {
  V rows[Vectors];
  for (int v = 0; v < Vectors; ++v) rows[v] = load(a + v * W);
  (along_column<N>(real_at(row_of_b<N, Columns>(b) + K * sizeof(real)), rows, acc), ...);
}

// A line of each row of B; one of those ahead is fetched with each of its first numbers.
template <int Columns, int Vectors, int... K>
[[gnu::always_inline]] inline void along_line(const real* a, int64_t a_step, const RowsOfB& b,
                                              V (&acc)[Columns][Vectors], std::integer_sequence<int, K...>) {
  const auto step = [&]<int k>(std::integral_constant<int, k>) __attribute__((always_inline)) {
    if constexpr (k < Columns) fetch(row_of_b<k, Columns>(b) + kAhead * sizeof(real));
    along_k<k>(a, b, acc, std::make_integer_sequence<int, Columns>());
    a += a_step;
  };
  (step(std::integral_constant<int, K>()), ...);
}

template <int Columns, int Vectors>
void along(const AlongTile& t) {
  constexpr int kHalf = (Columns + 1) / 2;
  V acc[Columns][Vectors];
  clear(acc);
  const real* a = t.a;
  const int64_t a_step = t.a_step;
  RowsOfB b = {t.b, t.b + kHalf * t.ldb, strides_of(t.ldb)};
  int64_t k = 0;
  for (; k + kLine <= t.k; k += kLine, a += kLine * a_step, b.lower += kLine, b.upper += kLine)
    along_line(a, a_step, b, acc, std::make_integer_sequence<int, kLine>());
  for (; k < t.k; ++k, a += a_step, ++b.lower, ++b.upper)
    along_k<0>(a, b, acc, std::make_integer_sequence<int, Columns>());
  const auto place = [&](int n, int v) { return t.c + n * t.c_step + v * W; };
  if (t.accumulate) each(acc, [&](V& y, int n, int v) { y = load(place(n, v)) + y; });
  each(acc, [&](V& y, int n, int v) { store(place(n, v), y); });
}

template <int... M>
constexpr void fill_down(FewRowsKernels& table, std::integer_sequence<int, M...>) {
  ((table.down[M + 1] = &down<M + 1>), ...);
}

template <int Vectors, int... N>
constexpr void fill_along(FewRowsKernels& table, std::integer_sequence<int, N...>) {
  table.most_columns[Vectors] = kMostColumns[Vectors];
  ((table.along[Vectors][N + 1] = &along<N + 1, Vectors>), ...);
}

constexpr FewRowsKernels make_table() {
  FewRowsKernels table = {};
  table.tallest = kTallest;
  fill_down(table, std::make_integer_sequence<int, kTallest>());
  fill_along<1>(table, std::make_integer_sequence<int, kMostColumns[1]>());
  fill_along<2>(table, std::make_integer_sequence<int, kMostColumns[2]>());
  return table;
}

constexpr FewRowsKernels kTable = make_table();

#else

namespace tenon {

const FewRowsKernels& few_rows_kernels(Target target) { return TENON_TABLE(target); }

}  // namespace tenon

#endif
