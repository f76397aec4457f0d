// Rows of a tile that are a fixed distance apart, from strides kept in registers: left alone, compilers keep
// a pointer per row and spill them. Included once per target after vec.h (no include guard on purpose).

// In bytes.
struct Strides {
  int64_t one, three, five;
};

inline Strides strides_of(int64_t floats) {
  const int64_t stride = floats * static_cast<int64_t>(sizeof(real));
  Strides s = {stride, 3 * stride, 5 * stride};
  asm("" : "+r"(s.one), "+r"(s.three), "+r"(s.five));  // three independent registers, not three expressions
  return s;
}

// Where row m < 7 of a half tile is.
template <int M>
inline const char* row_of_half(const real* p, const Strides& s) {
  const char* q = reinterpret_cast<const char*>(p);
  if constexpr (M == 1) q += s.one;
  if constexpr (M == 2) q += 2 * s.one;
  if constexpr (M == 3) q += s.three;
  if constexpr (M == 4) q += 4 * s.one;
  if constexpr (M == 5) q += s.five;
  if constexpr (M == 6) q += 2 * s.three;
  static_assert(M < 7);
  return q;
}

// Row m of a tile whose upper half begins with row `Half`.
template <int M, int Half>
inline const char* row_of_tile(const real* lower, const real* upper, const Strides& s) {
  return M < Half ? row_of_half<M % Half>(lower, s) : row_of_half<M % Half>(upper, s);
}

// The number at a place that no compiler keeps a pointer to.
inline real real_at(const char* place) {
  real value;
  std::memcpy(&value, place, sizeof(real));
  return value;
}
