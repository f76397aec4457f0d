// Stores that do not read the line first: for outputs too large to be found in cache by whoever reads them.
// Included once per target after lanes.h (no include guard on purpose).

// Stores without reading the line first. p must be aligned to V.
inline void store_streaming(real* p, V v) {
#if defined(TENON_IS_AVX512)
  _mm512_stream_ps(p, (__m512)v);
#elif defined(TENON_IS_AVX2)
  _mm256_stream_ps(p, (__m256)v);
#else
  store(p, v);
#endif
}

// After the last streaming store of a task: other threads may read what it wrote.
inline void end_streaming() {
#if defined(TENON_IS_AVX512) || defined(TENON_IS_AVX2)
  _mm_sfence();
#endif
}

// Whether rows of `width` elements of T at `to` are to be streamed: they can be, and there are so many bytes
// that they would push each other out of the last-level cache of most machines.
template <class T>
inline bool streams(const T* to, int64_t width, size_t bytes) {
  constexpr size_t kLeastBytes = size_t{16} << 20;
  if constexpr (!std::is_same_v<T, real>) return false;
  return bytes >= kLeastBytes && width % W == 0 && reinterpret_cast<uintptr_t>(to) % sizeof(V) == 0;
}

// A store of a loop over rows that are streamed or not.
template <bool kStream, class T, class Lanes>
inline void put(T* p, V v, Lanes lanes) {
  if constexpr (kStream && std::is_same_v<T, real> && std::is_same_v<Lanes, WholeLanes>) {
    store_streaming(p, v);
  } else {
    lanes.store(p, v);
  }
}
