// Philox for runs of elements: base/philox.h's function, several blocks at once. Included once per target
// after vec.h (no include guard on purpose), from inside the TENON_TARGET part of a kernel file.

#if defined(TENON_IS_REF)

// words[i] = word (begin + i) % 4 of the block with counter ((begin + i) / 4 low, high, c2, c3), for i < n.
// begin is a multiple of 4.
inline void philox_words(uint32_t key0, uint32_t key1, uint32_t c2, uint32_t c3, int64_t begin, int64_t n,
                         uint32_t* words) {
  for (int64_t i = 0; i < n; i += 4) {
    const uint64_t counter = static_cast<uint64_t>(begin + i) / 4;
    const PhiloxBlock block =
        philox(key0, key1, static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), c2, c3);
    std::memcpy(words + i, block.v, static_cast<size_t>(std::min<int64_t>(4, n - i)) * sizeof(uint32_t));
  }
}

#else

inline constexpr int kPhiloxLanes = W / 2;
typedef uint64_t U __attribute__((vector_size(W * 4)));

// Product of the low halves of each lane.
inline U multiply_low(U a, uint32_t b) {
  const U wide = U{} + b;
  #if defined(TENON_IS_AVX512)
  return (U)_mm512_maskz_mul_epu32((__mmask8)-1, (__m512i)a, (__m512i)wide);
  #elif defined(TENON_IS_AVX2)
  return (U)_mm256_mul_epu32((__m256i)a, (__m256i)wide);
  #elif defined(TENON_IS_NEON)
  return (U)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)wide));
  #elif defined(__SSE2__)
  return (U)_mm_mul_epu32((__m128i)a, (__m128i)wide);
  #else
  return (a & 0xFFFFFFFF) * wide;
  #endif
}

// kPhiloxLanes consecutive blocks. A lane holds a 32-bit counter word; what is above it is garbage that
// multiply_low does not see.
inline void philox_group(uint32_t key0, uint32_t key1, uint64_t counter, uint32_t word2, uint32_t word3,
                         uint32_t* words) {
  U c0 = U{} + counter, c2 = U{} + word2, c3 = U{} + word3;
  for (int i = 0; i < kPhiloxLanes; ++i) c0[i] += static_cast<uint64_t>(i);
  U c1 = c0 >> 32;
  for (int round = 0; round < 10; ++round) {
    const U p0 = multiply_low(c0, 0xD2511F53), p1 = multiply_low(c2, 0xCD9E8D57);
    c0 = (p1 >> 32) ^ c1 ^ (U{} + key0);
    c2 = (p0 >> 32) ^ c3 ^ (U{} + key1);
    c1 = p1;
    c3 = p0;
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  const U first = (c0 & 0xFFFFFFFF) | (c1 << 32), second = (c2 & 0xFFFFFFFF) | (c3 << 32);
  for (int i = 0; i < kPhiloxLanes; ++i) {
    const uint64_t pair[2] = {first[i], second[i]};
    std::memcpy(words + 4 * i, pair, sizeof pair);
  }
}

// words[i] = word (begin + i) % 4 of the block with counter ((begin + i) / 4 low, high, c2, c3), for i < n.
// begin is a multiple of 4.
inline void philox_words(uint32_t key0, uint32_t key1, uint32_t c2, uint32_t c3, int64_t begin, int64_t n,
                         uint32_t* words) {
  constexpr int64_t kGroup = 4 * kPhiloxLanes;
  const uint64_t counter = static_cast<uint64_t>(begin) / 4;
  int64_t i = 0;
  for (; i + kGroup <= n; i += kGroup)
    philox_group(key0, key1, counter + static_cast<uint64_t>(i) / 4, c2, c3, words + i);
  if (i == n) return;
  uint32_t last[kGroup];
  philox_group(key0, key1, counter + static_cast<uint64_t>(i) / 4, c2, c3, last);
  std::memcpy(words + i, last, static_cast<size_t>(n - i) * sizeof(uint32_t));
}

#endif
