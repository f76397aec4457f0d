// Tiles of vectors that stay in registers. Included once per target after vec.h (no include
// guard on purpose).

// f(vector, row, column) for each vector of a tile, unrolled. Where a loop is left as one, even one that only
// sets zeros, compilers keep the tile in memory, and GCC clears it by a slow string instruction.
template <int Rows, int Columns, class F, int... I>
inline void each(V (&tile)[Rows][Columns], std::integer_sequence<int, I...>, F&& f) {
  (f(tile[I / Columns][I % Columns], I / Columns, I % Columns), ...);
}
template <int Rows, int Columns, class F>
inline void each(V (&tile)[Rows][Columns], F&& f) {
  each(tile, std::make_integer_sequence<int, Rows * Columns>(), f);
}

// f(vectors of a row, row), unrolled.
template <int Rows, int Columns, class F, int... I>
inline void each_row(V (&tile)[Rows][Columns], std::integer_sequence<int, I...>, F&& f) {
  (f(tile[I], I), ...);
}
template <int Rows, int Columns, class F>
inline void each_row(V (&tile)[Rows][Columns], F&& f) {
  each_row(tile, std::make_integer_sequence<int, Rows>(), f);
}

template <int Rows, int Columns>
inline void clear(V (&tile)[Rows][Columns]) {
  each(tile, [](V& v, int, int) { v = V{}; });
}
