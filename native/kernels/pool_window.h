// The largest element of a window, and which one it was (its tap). Included once per target after vec.h,
// lanes.h and bytes.h (no include guard on purpose). Taps are u8, or i32 where a window has more than 256.

template <class Lanes>
inline void store_taps(uint8_t* p, M taps, Lanes lanes) {
  store_bytes(p, taps, lanes);
}

template <class Lanes>
inline void store_taps(int32_t* p, M taps, Lanes lanes) {
#if defined(TENON_IS_REF)
  (void)lanes;
  *p = static_cast<int32_t>(taps[0]);
#else
  std::memcpy(p, &taps, static_cast<size_t>(lanes.count()) * sizeof(int32_t));
#endif
}

template <class Lanes>
inline M load_taps(const uint8_t* p, Lanes lanes) {
  return load_bytes(p, lanes);
}

template <class Lanes>
inline M load_taps(const int32_t* p, Lanes lanes) {
  M taps = {};
#if defined(TENON_IS_REF)
  (void)lanes;
  taps[0] = *p;
#else
  std::memcpy(&taps, p, static_cast<size_t>(lanes.count()) * sizeof(int32_t));
#endif
  return taps;
}

// The part of a window that lies inside the image: x is its first element, and `tap` the index of that.
template <class T>
struct Window {
  const T* x;
  int64_t row_step;
  int64_t col_step;
  int32_t tap;
  int32_t taps_per_row;
};

// Rows and Cols are integral constants for the common windows. The first of equal elements wins; NaN, which
// no comparison holds for, wins over all else.
template <class Rows, class Cols, class T, class Tap>
inline void max_window(Rows rows, Cols cols, const Window<T>& at, int64_t channels, T* y, Tap* tap) {
  for_vectors(channels, [&](int64_t c, auto lanes) {
    V best = lanes.load(at.x + c);
    M winner = M{} + at.tap;
    for (int32_t i = 0; i < rows; ++i) {
      for (int32_t j = i == 0 ? 1 : 0; j < cols; ++j) {
        const V v = lanes.load(at.x + i * at.row_step + j * at.col_step + c);
        const M take = ~(v <= best) & (best == best);
        best = select(take, v, best);
        winner = take ? M{} + (at.tap + i * at.taps_per_row + j) : winner;
      }
    }
    lanes.store(y + c, best);
    store_taps(tap + c, winner, lanes);
  });
}
