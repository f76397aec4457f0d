// Neighbouring pixels of three channels, side by side as products want them. Included once per target after
// vec.h (no include guard on purpose).
#if defined(TENON_IS_AVX512) || defined(TENON_IS_AVX2)
inline __m128i load_16(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }

// Pixels x and x + 1 of three channels from each of two places: words (r, r'), (g, g'), (b, b'), none. Reads
// 16 bytes from each place on.
inline __m256i pixel_pairs(const uint8_t* low, const uint8_t* high) {
  const __m256i order =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
  const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(load_16(low)), load_16(high), 1);
  return _mm256_shuffle_epi8(both, order);
}

// The first and the third of four numbers, or the second and the fourth, in four lanes each.
struct FourWeights {
  __m256i even, odd;
};
inline FourWeights four_weights(const void* from) {
  const __m256i all = _mm256_broadcastsi128_si256(load_16(from));
  return {_mm256_permutevar8x32_epi32(all, _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2)),
          _mm256_permutevar8x32_epi32(all, _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3))};
}

// Where four pixels begin.
struct FourPlaces {
  FourPlaces(const uint8_t* row, const int32_t* first)
      : p{row + int64_t{first[0]} * 3, row + int64_t{first[1]} * 3, row + int64_t{first[2]} * 3,
          row + int64_t{first[3]} * 3} {}
  const uint8_t* p[4];
};
#elif defined(__x86_64__) && !defined(TENON_IS_REF)
inline __m128i four_bytes(const uint8_t* from) {
  int32_t bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return _mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), _mm_setzero_si128());
}

// As pixel_pairs, from one place.
inline __m128i pixel_pair(const uint8_t* from) {
  return _mm_unpacklo_epi16(four_bytes(from), four_bytes(from + 3));
}

// Two weights in all lanes.
inline __m128i one_weight(const int16_t* from) {
  int32_t both;
  std::memcpy(&both, from, sizeof both);
  return _mm_set1_epi32(both);
}
#endif

// Columns [begin, end) whose taps may be read with 16 bytes from their place on: at the end of an image, the
// last ones may not, or the first ones where columns go backwards. `taps` from first[x] on, an even number.
struct SafeColumns {
  SafeColumns(const int32_t* first, int64_t columns, int64_t taps, const uint8_t* row, const uint8_t* stop)
      : begin(0), end(columns) {
    const int64_t last = stop - row >= 16 ? (stop - row - 16) / 3 - (taps - 2) : -1;
    while (begin < end && first[begin] > last) ++begin;
    while (begin < end && first[end - 1] > last) --end;
  }
  int64_t begin, end;
};
