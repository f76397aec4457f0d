// The W x W transpose: log2(W) rounds, each exchanging the off-diagonal blocks of half the size. Included
// once per target after vec.h (no include guard on purpose).
template <int Half, bool Upper, int... I>
inline V exchange(V a, V b, std::integer_sequence<int, I...>) {
#if defined(__clang__)
  if constexpr (Upper)
    return __builtin_shufflevector(a, b, ((I & Half) ? I + W : I + Half)...);
  else
    return __builtin_shufflevector(a, b, ((I & Half) ? I - Half + W : I)...);
#else
  if constexpr (Upper)
    return __builtin_shuffle(a, b, M{((I & Half) ? I + W : I + Half)...});
  else
    return __builtin_shuffle(a, b, M{((I & Half) ? I - Half + W : I)...});
#endif
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
