// Loops over rows whose length need not be a multiple of W. Included once per target after vec.h (no include
// guard on purpose). The body is written once and instantiated twice: with whole vectors, and with the masked
// last one.
struct WholeLanes {
  static constexpr int64_t count() { return W; }
  template <class T>
  V load(const T* p) const {
    return tenon::TENON_TARGET::load(p);
  }
  template <class T>
  void store(T* p, V v) const {
    tenon::TENON_TARGET::store(p, v);
  }
  V keep(V v, real) const { return v; }
};

struct FirstLanes {
  int64_t n;  // 0 < n < W
  int64_t count() const { return n; }
  template <class T>
  V load(const T* p) const {
    return load_n(p, n);
  }
  template <class T>
  void store(T* p, V v) const {
    store_n(p, v, n);
  }
  // v, with `other` in the lanes past the end: what leaves a reduction over lanes as it is.
  V keep(V v, real other) const {
    M lane = {};
    for (int i = 0; i < W; ++i) lane[i] = i;
    return select(lane < M{} + static_cast<int>(n), v, splat(other));
  }
};

// body(offset, lanes) for every vector of [0, n).
template <class Body>
inline void for_vectors(int64_t n, Body&& body) {
  int64_t i = 0;
  for (; i + W <= n; i += W) body(i, WholeLanes{});
  if (i < n) body(i, FirstLanes{n - i});
}
