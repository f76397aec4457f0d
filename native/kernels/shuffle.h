// Lanes of a, then those of b, by their numbers. Included once per target after vec.h (no include
// guard on purpose).
template <int... I>
inline V lanes_of(V a, V b, std::integer_sequence<int, I...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, I...);
#else
  return __builtin_shuffle(a, b, M{I...});
#endif
}
