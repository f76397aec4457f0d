#define TENON_KERNEL_FILE "kernels/resample_rows.cc"
#include "kernels/resample_rows.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/pixel_pairs.h"

constexpr int kDropped = kTapBits + 8 - 15;  // a sum of bytes, to 15 bits
constexpr int kRounded = kTapBits + kKeptBits;
static_assert(8 + kTapBits - kDropped == 8 + kKeptBits);

// Columns [begin, end), as the definition has them.
template <int C>
void across_plainly(const RowTaps& t, int64_t begin, int64_t end, const uint8_t* row, int16_t* out) {
  const int64_t c = C > 0 ? C : t.channels;
  for (int64_t x = begin; x < end; ++x) {
    for (int64_t j = 0; j < c; ++j) {
      const uint8_t* from = row + t.first[x] * c + j;
      int32_t sum = 0;
      for (int64_t k = 0; k < t.taps; ++k) {
        const int32_t weight = t.weights[(k / 2 * t.pixels + x) * 2 + k % 2];
        if (weight != 0) sum += weight * from[k * c];
      }
      out[x * c + j] = static_cast<int16_t>(sum >> kDropped);
    }
  }
}

  #if defined(__x86_64__) && !defined(TENON_IS_REF)
    #define TENON_RGB_ACROSS 1

    #if defined(TENON_IS_AVX512) || defined(TENON_IS_AVX2)
// Four pixels of three channels. Writes two elements more.
template <int64_t Taps>
inline void four_across(const RowTaps& t, int64_t x, const uint8_t* row, int16_t* out) {
  const int64_t taps = Taps > 0 ? Taps : t.taps;
  const FourPlaces at(row, t.first + x);
  const int16_t* weights = t.weights + 2 * x;
  __m256i even = _mm256_setzero_si256(), odd = even;
  for (int64_t k = 0; k < taps; k += 2, weights += 2 * t.pixels) {
    const FourWeights w = four_weights(weights);
    even = _mm256_add_epi32(even, _mm256_madd_epi16(pixel_pairs(at.p[0] + 3 * k, at.p[2] + 3 * k), w.even));
    odd = _mm256_add_epi32(odd, _mm256_madd_epi16(pixel_pairs(at.p[1] + 3 * k, at.p[3] + 3 * k), w.odd));
  }
  const __m256i words =
      _mm256_packs_epi32(_mm256_srli_epi32(even, kDropped), _mm256_srli_epi32(odd, kDropped));
  const __m256i three =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1));
  const __m256i rgb = _mm256_shuffle_epi8(words, three);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(rgb));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 6), _mm256_extracti128_si256(rgb, 1));
}

constexpr int64_t kAtOnce = 4;
    #else
// One pixel of three channels. Writes one element more.
template <int64_t Taps>
inline void one_across(const RowTaps& t, int64_t x, const uint8_t* row, int16_t* out) {
  const int64_t taps = Taps > 0 ? Taps : t.taps;
  const uint8_t* p = row + int64_t{t.first[x]} * 3;
  const int16_t* weights = t.weights + 2 * x;
  __m128i sum = _mm_setzero_si128();
  for (int64_t k = 0; k < taps; k += 2, weights += 2 * t.pixels)
    sum = _mm_add_epi32(sum, _mm_madd_epi16(pixel_pair(p + 3 * k), one_weight(weights)));
  sum = _mm_srli_epi32(sum, kDropped);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packs_epi32(sum, sum));
}

constexpr int64_t kAtOnce = 1;
    #endif

template <int64_t Taps>
inline int64_t rgb_across(const RowTaps& t, int64_t x, int64_t end, const uint8_t* row, int16_t* out) {
  for (; x + kAtOnce <= end; x += kAtOnce) {
    #if defined(TENON_IS_AVX512) || defined(TENON_IS_AVX2)
    four_across<Taps>(t, x, row, out + 3 * x);
    #else
    one_across<Taps>(t, x, row, out + 3 * x);
    #endif
  }
  return x;
}

void across_rgb(const RowTaps& t, const uint8_t* row, const uint8_t* end, int16_t* out) {
  const SafeColumns safe(t.first, t.pixels, t.taps, row, end);
  across_plainly<3>(t, 0, safe.begin, row, out);
  const int64_t done = t.taps == 2 ? rgb_across<2>(t, safe.begin, safe.end, row, out)
                                   : rgb_across<0>(t, safe.begin, safe.end, row, out);
  across_plainly<3>(t, done, t.pixels, row, out);
}
  #endif

void across(const RowTaps& t, const uint8_t* row, const uint8_t* end, int16_t* out) {
  #if defined(TENON_RGB_ACROSS)
  if (t.channels == 3) return across_rgb(t, row, end, out);
    #undef TENON_RGB_ACROSS
  #else
  static_cast<void>(end);
  if (t.channels == 3) return across_plainly<3>(t, 0, t.pixels, row, out);
  #endif
  if (t.channels == 1) return across_plainly<1>(t, 0, t.pixels, row, out);
  across_plainly<0>(t, 0, t.pixels, row, out);
}

  #if defined(__x86_64__) && !defined(TENON_IS_REF)
    #if defined(TENON_IS_AVX512)
using Shorts = __m512i;
inline Shorts load_shorts(const int16_t* p) { return _mm512_loadu_si512(p); }
inline Shorts all(int32_t value) { return _mm512_set1_epi32(value); }
// The sums of products of (a, b) with weights, added to the first or second half of each lane's.
inline void accumulate(Shorts a, Shorts b, Shorts weights, Shorts& low, Shorts& high) {
  low = _mm512_add_epi32(low, _mm512_madd_epi16(_mm512_unpacklo_epi16(a, b), weights));
  high = _mm512_add_epi32(high, _mm512_madd_epi16(_mm512_unpackhi_epi16(a, b), weights));
}
inline void store_sums(Shorts low, Shorts high, uint8_t* y) {
  const Shorts words =
      _mm512_packs_epi32(_mm512_srli_epi32(low, kRounded), _mm512_srli_epi32(high, kRounded));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm512_maskz_cvtepi16_epi8((__mmask32)-1, words));
}
    #elif defined(TENON_IS_AVX2)
using Shorts = __m256i;
inline Shorts load_shorts(const int16_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline Shorts all(int32_t value) { return _mm256_set1_epi32(value); }
inline void accumulate(Shorts a, Shorts b, Shorts weights, Shorts& low, Shorts& high) {
  low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), weights));
  high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), weights));
}
inline void store_sums(Shorts low, Shorts high, uint8_t* y) {
  const Shorts words =
      _mm256_packs_epi32(_mm256_srli_epi32(low, kRounded), _mm256_srli_epi32(high, kRounded));
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(y), bytes);
}
    #else
using Shorts = __m128i;
inline Shorts load_shorts(const int16_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline Shorts all(int32_t value) { return _mm_set1_epi32(value); }
inline void accumulate(Shorts a, Shorts b, Shorts weights, Shorts& low, Shorts& high) {
  low = _mm_add_epi32(low, _mm_madd_epi16(_mm_unpacklo_epi16(a, b), weights));
  high = _mm_add_epi32(high, _mm_madd_epi16(_mm_unpackhi_epi16(a, b), weights));
}
inline void store_sums(Shorts low, Shorts high, uint8_t* y) {
  const Shorts words = _mm_packs_epi32(_mm_srli_epi32(low, kRounded), _mm_srli_epi32(high, kRounded));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(y), _mm_packus_epi16(words, words));
}
    #endif

constexpr int64_t kShorts = sizeof(Shorts) / sizeof(int16_t);
static_assert(kShorts <= ResampleRows::kSlack);

template <int64_t Taps>
void down_taps(const int16_t* const* rows, const int16_t* weights, int64_t count, int64_t n, uint8_t* y) {
  const int64_t taps = Taps > 0 ? Taps : count;
  for (int64_t i = 0; i < n; i += kShorts) {
    Shorts low = all(1 << (kRounded - 1)), high = low;
    for (int64_t k = 0; k < taps; k += 2) {
      int32_t both;
      std::memcpy(&both, weights + k, sizeof both);
      accumulate(load_shorts(rows[k] + i), load_shorts(rows[k + 1] + i), all(both), low, high);
    }
    if (i + kShorts <= n) {
      store_sums(low, high, y + i);
    } else {
      uint8_t bytes[kShorts];
      store_sums(low, high, bytes);
      std::memcpy(y + i, bytes, static_cast<size_t>(n - i));
    }
  }
}

void down(const int16_t* const* rows, const int16_t* weights, int64_t taps, int64_t n, uint8_t* y) {
  if (taps == 2) return down_taps<2>(rows, weights, taps, n, y);
  down_taps<0>(rows, weights, taps, n, y);
}
  #else
void down(const int16_t* const* rows, const int16_t* weights, int64_t taps, int64_t n, uint8_t* y) {
  for (int64_t i = 0; i < n; ++i) {
    int32_t sum = 1 << (kRounded - 1);
    for (int64_t k = 0; k < taps; ++k) sum += weights[k] * rows[k][i];
    y[i] = static_cast<uint8_t>(sum >> kRounded);
  }
}
  #endif

constexpr ResampleRows kTable = {&across, &down};

#else

namespace tenon {

const ResampleRows& resample_rows(Target target) {
  return target == Target::ref ? ref::kTable : TENON_TABLE(target);
}

}  // namespace tenon

#endif
