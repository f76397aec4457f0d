// Vectors from bytes and back. Included once per target after vec.h and lanes.h (no include guard
// on purpose). By intrinsics, as GCC takes __builtin_convertvector between such different widths
// apart into scalars.

// W unsigned bytes, the first in the lowest lane.
inline M widen(const uint8_t* p) {
#if defined(TENON_IS_AVX512)
  __m128i bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  return (M)_mm512_maskz_cvtepu8_epi32((__mmask16)-1, bytes);
#elif defined(TENON_IS_AVX2)
  return (M)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#elif defined(TENON_IS_NEON)
  uint32_t bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  const uint8x8_t lanes = vcreate_u8(bytes);
  return (M)vmovl_u16(vget_low_u16(vmovl_u8(lanes)));
#elif defined(__x86_64__) && !defined(TENON_IS_REF)
  int32_t bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  const __m128i zero = _mm_setzero_si128();
  return (M)_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), zero), zero);
#else
  M v;
  for (int i = 0; i < W; ++i) v[i] = p[i];
  return v;
#endif
}

// Lanes between 0 and 255, as bytes.
inline void narrow(uint8_t* p, M v) {
#if defined(TENON_IS_AVX512)
  const __m128i bytes = _mm512_maskz_cvtepi32_epi8((__mmask16)-1, (__m512i)v);
  std::memcpy(p, &bytes, sizeof bytes);
#elif defined(TENON_IS_AVX2)
  const __m128i low = _mm256_castsi256_si128((__m256i)v), high = _mm256_extracti128_si256((__m256i)v, 1);
  const __m128i words = _mm_packus_epi32(low, high);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
#elif defined(TENON_IS_NEON)
  const uint16x4_t words = vmovn_u32((uint32x4_t)v);
  const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
  std::memcpy(p, &bytes, W);
#elif defined(__x86_64__) && !defined(TENON_IS_REF)
  const __m128i words = _mm_packs_epi32((__m128i)v, (__m128i)v);
  const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
  std::memcpy(p, &bytes, sizeof bytes);
#else
  for (int i = 0; i < W; ++i) p[i] = static_cast<uint8_t>(v[i]);
#endif
}

inline M load_bytes(const uint8_t* p, WholeLanes) { return widen(p); }

inline M load_bytes(const uint8_t* p, FirstLanes lanes) {
#if defined(TENON_IS_AVX512)
  const __m128i bytes = _mm_maskz_loadu_epi8((__mmask16)((1u << lanes.n) - 1), p);
  return (M)_mm512_maskz_cvtepu8_epi32((__mmask16)-1, bytes);
#else
  uint8_t bytes[W] = {};
  for (int64_t i = 0; i < lanes.n; ++i) bytes[i] = p[i];
  return widen(bytes);
#endif
}

inline void store_bytes(uint8_t* p, M v, WholeLanes) { narrow(p, v); }

inline void store_bytes(uint8_t* p, M v, FirstLanes lanes) {
#if defined(TENON_IS_AVX512)
  _mm512_mask_cvtepi32_storeu_epi8(p, (__mmask16)((1u << lanes.n) - 1), (__m512i)v);
#else
  uint8_t bytes[W];
  narrow(bytes, v);
  for (int64_t i = 0; i < lanes.n; ++i) p[i] = bytes[i];
#endif
}
