// Philox for runs of elements. Included once per target (no include guard on purpose), from inside the TENON_TARGET part of a kernel file.

// words[i] = word (begin + i) % 4 of the block with counter ((begin + i) / 4 low, high, c2, c3), for i < n. begin is a multiple of 4.
inline void philox_words(uint32_t key0, uint32_t key1, uint32_t c2, uint32_t c3, int64_t begin, int64_t n,
                         uint32_t* words) {
  for (int64_t i = 0; i < n; i += 4) {
    const uint64_t counter = static_cast<uint64_t>(begin + i) / 4;
    const PhiloxBlock block =
        philox(key0, key1, static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), c2, c3);
    std::memcpy(words + i, block.v, static_cast<size_t>(std::min<int64_t>(4, n - i)) * sizeof(uint32_t));
  }
}
