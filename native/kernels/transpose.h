// The W x W transpose: log2(W) rounds, each exchanging the off-diagonal blocks of half the size. Included
// once per target after vec.h (no include guard on purpose).
#include "kernels/shuffle.h"

template <int Half, bool Upper, int... I>
inline V exchange(V a, V b, std::integer_sequence<int, I...>) {
  constexpr int kFromA = Upper ? Half : 0, kFromB = Upper ? 0 : -Half;
  return lanes_of(a, b, std::integer_sequence<int, ((I & Half) ? I + kFromB + W : I + kFromA)...>());
}

template <int Half>
inline void transpose_round(V (&r)[W]) {
  for (int i = 0; i < W; ++i) {
    if (i & Half) continue;
    const V a = r[i], b = r[i + Half];
    r[i] = exchange<Half, false>(a, b, std::make_integer_sequence<int, W>());
    r[i + Half] = exchange<Half, true>(a, b, std::make_integer_sequence<int, W>());
  }
  if constexpr (Half > 1) transpose_round<Half / 2>(r);
}

template <class T>
inline V whole_row(const T* from) {
  static_assert(sizeof(T) == sizeof(real));
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

// Unrolled, as a loop with a condition would keep the rows in memory.
template <class T, int... I>
inline void load_rows(const T* from, int64_t ld, int64_t rows, V (&r)[W], std::integer_sequence<int, I...>) {
  ((r[I] = I < rows ? whole_row(from + I * ld) : V{}), ...);
}

// to[k][i] = from[i][k] for W columns of elements as large as a vector's, and rows up to W: those that `from`
// does not have are zero.
template <class T>
inline void transpose_square(const T* from, int64_t ld, int64_t rows, T* to, int64_t to_ld) {
  V r[W];
  load_rows(from, ld, rows, r, std::make_integer_sequence<int, W>());
  transpose_round<W / 2>(r);
  for (int k = 0; k < W; ++k) std::memcpy(to + k * to_ld, &r[k], sizeof(V));
}

// The same for fewer columns, to rows of `to` of `width` elements.
template <class T>
inline void transpose_part(const T* from, int64_t ld, int64_t rows, int64_t columns, T* to, int64_t to_ld,
                           int64_t width) {
  V r[W] = {};
  for (int64_t i = 0; i < rows; ++i)
    std::memcpy(&r[i], from + i * ld, static_cast<size_t>(columns) * sizeof(T));
  transpose_round<W / 2>(r);
  for (int64_t k = 0; k < columns; ++k)
    std::memcpy(to + k * to_ld, &r[k], static_cast<size_t>(width) * sizeof(T));
}
