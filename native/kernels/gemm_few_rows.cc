// See gemm_few_rows.h.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/gemm_few_rows.cc"
#include "kernels/gemm_few_rows.h"

#include "kernels/for_each_target.h"

#ifdef TENON_TARGET
  #include "kernels/lanes.h"
  #include "kernels/register_tile.h"

  #if defined(TENON_IS_AVX512) || defined(TENON_IS_NEON)
constexpr int kTallest = 16;
  #else
constexpr int kTallest = 12;
  #endif

template <int Rows, class Lanes>
inline void begin_sums(const FewRowsTile& t, V (&acc)[Rows][1], Lanes lanes) {
  const real* start = t.start;
  const int64_t step = t.start_step;
  if (start == nullptr) return clear(acc);
  each(acc, [&](V& y, int m, int) { y = lanes.load(start + m * step); });
}

template <int Rows, class Lanes>
inline void end_sums(const FewRowsTile& t, V (&acc)[Rows][1], Lanes lanes) {
  real* c = t.c;
  const int64_t step = t.c_step;
  if (t.accumulate) each(acc, [&](V& y, int m, int) { y = lanes.load(c + m * step) + y; });
  each(acc, [&](V& y, int m, int) { lanes.store(c + m * step, y); });
}

template <int Rows, class Lanes>
inline void walk_down(const FewRowsTile& t, Lanes lanes) {
  V acc[Rows][1];
  begin_sums(t, acc, lanes);
  const real *a = t.a, *b = t.b, *ahead = t.ahead;
  const int64_t a_step = t.a_step, ldb = t.ldb;
  for (int64_t k = 0; k < t.k; ++k, a += a_step, b += ldb, ahead += ldb) {
    const V row = lanes.load(b);
    __builtin_prefetch(ahead, 0, 2);  // into the second-level cache
    each(acc, [&](V& y, int m, int) { y = fma(splat(a[m]), row, y); });
  }
  end_sums(t, acc, lanes);
}

template <int Rows>
void tile(const FewRowsTile& t) {
  t.n == W ? walk_down<Rows>(t, WholeLanes{}) : walk_down<Rows>(t, FirstLanes{t.n});
}

template <int... M>
constexpr void fill(FewRowsKernels& table, std::integer_sequence<int, M...>) {
  ((table.fn[M + 1] = &tile<M + 1>), ...);
}

constexpr FewRowsKernels make_table() {
  FewRowsKernels table = {};
  table.tallest = kTallest;
  fill(table, std::make_integer_sequence<int, kTallest>());
  return table;
}

constexpr FewRowsKernels kTable = make_table();

#else

namespace tenon {

const FewRowsKernels& few_rows_kernels(Target target) { return TENON_TABLE(target); }

}  // namespace tenon

#endif
