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

// Lane-wise mask ? a : b; a mask is the result of a comparison of two V.
inline V select(M mask, V a, V b) { return mask ? a : b; }

// NaN propagates from either side, as in PyTorch.
inline V vmax(V a, V b) { return select((a > b) | (a != a), a, b); }
inline V vmin(V a, V b) { return select((a < b) | (a != a), a, b); }

#if !defined(TENON_IS_REF)
typedef uint32_t Words __attribute__((vector_size(W * 4)));

// Each lane rounded to bf16 (base/bf16.h), whose bits are the upper half; the lower half is undefined.
inline Words round_bf16(V v) {
  const Words bits = (Words)v;
  return v != v ? bits | 0x400000u : bits + 0x7fffu + ((bits >> 16) & 1u);
}
#endif

inline V load(const bf16* p) {
#if defined(TENON_IS_AVX512)
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return (V)((Words)_mm512_maskz_cvtepu16_epi32((__mmask16)-1, halves) << 16);
#elif defined(TENON_IS_AVX2)
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return (V)_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16);
#elif defined(TENON_IS_NEON)
  return (V)((Words)vmovl_u16(vld1_u16(reinterpret_cast<const uint16_t*>(p))) << 16);
#elif defined(__x86_64__) && !defined(TENON_IS_REF)
  const __m128i halves = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return (V)_mm_unpacklo_epi16(_mm_setzero_si128(), halves);
#else
  V v;
  for (int i = 0; i < W; ++i) v[i] = to_float(p[i]);
  return v;
#endif
}

#if defined(TENON_IS_AVX512BF16)
// The lanes of v, and of two vectors, rounded by the processor, which takes denormals for zeros. Clang 16
// crashes on the intrinsics' bf16 vectors.
inline __m256i round_one(V v) {
  #if defined(__clang__)
  __m256i halves;
  asm("vcvtneps2bf16 %1, %0" : "=v"(halves) : "v"(v));
  return halves;
  #else
  return (__m256i)_mm512_cvtneps_pbh((__m512)v);
  #endif
}
inline __m512i round_two(V low, V high) {
  #if defined(__clang__)
  __m512i halves;
  asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(halves) : "v"(high), "v"(low));
  return halves;
  #else
  return (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
  #endif
}
#elif defined(TENON_IS_AVX512)
inline __m256i round_one(V v) {
  return _mm512_maskz_cvtepi32_epi16((__mmask16)-1, (__m512i)(round_bf16(v) >> 16));
}
#endif

inline void store(bf16* p, V v) {
#if defined(TENON_IS_AVX512)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), round_one(v));
#elif defined(TENON_IS_AVX2)
  const __m256i words = (__m256i)(round_bf16(v) >> 16);
  const __m128i low = _mm256_castsi256_si128(words), high = _mm256_extracti128_si256(words, 1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_packus_epi32(low, high));
#elif defined(TENON_IS_NEON)
  vst1_u16(reinterpret_cast<uint16_t*>(p), vmovn_u32((uint32x4_t)(round_bf16(v) >> 16)));
#elif defined(__x86_64__) && !defined(TENON_IS_REF)
  const __m128i words = _mm_srai_epi32((__m128i)round_bf16(v), 16);  // signed: there is only a signed pack
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi32(words, words));
#else
  for (int i = 0; i < W; ++i) p[i] = to_bf16(static_cast<float>(v[i]));
#endif
}

// n < W.
inline V load_n(const bf16* p, int64_t n) {
#if defined(TENON_IS_AVX512)
  const __m256i halves = _mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << n) - 1), p);
  return (V)((Words)_mm512_maskz_cvtepu16_epi32((__mmask16)-1, halves) << 16);
#else
  bf16 lanes[W] = {};
  std::memcpy(lanes, p, static_cast<size_t>(n) * sizeof(bf16));
  return load(lanes);
#endif
}

inline void store_n(bf16* p, V v, int64_t n) {
#if defined(TENON_IS_AVX512)
  _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1u << n) - 1), round_one(v));
#else
  bf16 lanes[W];
  store(lanes, v);
  std::memcpy(p, lanes, static_cast<size_t>(n) * sizeof(bf16));
#endif
}

inline real value_of(real x) { return x; }
inline real value_of(bf16 x) { return static_cast<real>(to_float(x)); }

// *p in every lane.
template <class T>
inline V splat_of(const T* p) {
  return splat(value_of(*p));
}

// v as it comes back after being stored as T: what a fused kernel applies where an unfused one would store.
template <class T>
inline V as_stored(V v) {
  if constexpr (std::is_same_v<T, bf16>) {
#if defined(TENON_IS_REF)
    return V{to_float(to_bf16(static_cast<float>(v[0])))};
#else
    return (V)(round_bf16(v) & 0xffff0000u);
#endif
  } else {
    return v;
  }
}

// Tensors of activations are stored as real or as bf16; arithmetic is in real. Calls fn with a value of the
// type that holds them.
template <class Fn>
inline void with_storage(DType dtype, Fn&& fn) {
  if (dtype == DType::bf16) {
    fn(bf16{});
  } else {
    fn(real{});
  }
}

inline constexpr bool is_storage(DType dtype) { return dtype == kReal || dtype == DType::bf16; }

// Sum of the lanes, in a fixed order (halves folded onto each other).
inline real hsum(V v) {
  real lanes[W];
  store(lanes, v);
  for (int half = W / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

// y[i] = f(x_0[i], ..., x_k[i]) over n elements: whole vectors, then one masked tail.
template <class Out, class F, class... In>
inline void map(int64_t n, Out* y, F&& f, const In*... x) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(y + i, f(load(x + i)...));
  if (i < n) store_n(y + i, f(load_n(x + i, n - i)...), n - i);
}
