// One small vector type per target, written with the compiler's vector extensions. Included once per target
// inside its namespace (no include guard on purpose). `real` is the element type: float, or double on the
// reference target (W = 1 there, so that a kernel file compiles to plain naive loops in float64).
#if defined(TENON_IS_REF)
using real = double;
inline constexpr int W = 1;
inline constexpr DType kReal = DType::f64;
typedef double V __attribute__((vector_size(8)));
typedef int64_t M __attribute__((vector_size(8)));
#else
using real = float;
  #if defined(TENON_IS_AVX512)
inline constexpr int W = 16;
  #elif defined(TENON_IS_AVX2)
inline constexpr int W = 8;
  #else
inline constexpr int W = 4;
  #endif
inline constexpr DType kReal = DType::f32;
typedef float V __attribute__((vector_size(W * 4)));
typedef int32_t M __attribute__((vector_size(W * 4)));
#endif

// Subtracting zero leaves every value as it is, -0 included, so compilers make one broadcast of it.
inline V splat(real x) { return x - V{}; }

inline V load(const real* p) {
  V v;
  std::memcpy(&v, p, sizeof(V));
  return v;
}

inline void store(real* p, V v) { std::memcpy(p, &v, sizeof(V)); }

// a * b + c, rounded once where the target has the instruction. The baseline target has none: two roundings.
inline V fma(V a, V b, V c) {
#if defined(TENON_IS_AVX512)
  return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(TENON_IS_AVX2)
  return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(TENON_IS_NEON)
  return (V)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

// The first n (0 < n < W) elements; the others are zero. Never touches memory past p + n.
inline V load_n(const real* p, int64_t n) {
#if defined(TENON_IS_AVX512)
  return (V)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(TENON_IS_AVX2)
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return (V)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane));
#else
  V v = {};
  for (int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
#endif
}

inline void store_n(real* p, V v, int64_t n) {
#if defined(TENON_IS_AVX512)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
  for (int64_t i = 0; i < n; ++i) p[i] = v[i];
#endif
}

// Lane-wise mask ? a : b; a mask is what a comparison of two V gives.
inline V select(M mask, V a, V b) { return mask ? a : b; }

// NaN propagates from either side, as in PyTorch.
inline V vmax(V a, V b) { return select((a > b) | (a != a), a, b); }
inline V vmin(V a, V b) { return select((a < b) | (a != a), a, b); }

// Sum of the lanes, in a fixed order (halves folded onto each other).
inline real hsum(V v) {
  real lanes[W];
  store(lanes, v);
  for (int half = W / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

// y[i] = f(x_0[i], ..., x_k[i]) over n elements: whole vectors, then one masked tail.
template <class F, class... In>
inline void map(int64_t n, real* y, F&& f, const In*... x) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(y + i, f(load(x + i)...));
  if (i < n) store_n(y + i, f(load_n(x + i, n - i)...), n - i);
}
