// For loops over more memory than caches hold: prefetching in the order of addresses, and stores that do not
// read the line first, for outputs that are too large to be still in cache when they are read. Included once
// per target after lanes.h (no include guard on purpose), in files that include streamed_bytes.h.

// Asks for n elements, which may lie past the end of what may be read. Always inline, as is whatever does
// nothing but prefetch: GCC 12 takes a call of such a function for one without effects, and drops it.
template <class T>
__attribute__((always_inline)) inline void prefetch_row(const T* p, int64_t n) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t i = 0; i < n; i += kLine) __builtin_prefetch(p + i);
}

// The same for elements that will be written.
template <class T>
__attribute__((always_inline)) inline void prefetch_row_to_write(T* p, int64_t n) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t i = 0; i < n; i += kLine) __builtin_prefetch(p + i, 1);
}

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

// Whether rows of `width` elements of T at `to` are to be streamed: they can be, and are part of so many
// bytes. bf16 is not: arithmetic bounds such loops (measured: no difference).
template <class T>
inline bool streams(const T* to, int64_t width, size_t bytes) {
  if constexpr (!std::is_same_v<T, real>) return false;
  return bytes >= static_cast<size_t>(streamed_bytes) && width % W == 0 &&
         reinterpret_cast<uintptr_t>(to) % sizeof(V) == 0;
}

// A store of a loop over rows that are streamed or not: the branch goes the same way all along.
template <class T, class Lanes>
inline void put(T* p, V v, Lanes lanes, bool stream) {
  if constexpr (std::is_same_v<T, real> && std::is_same_v<Lanes, WholeLanes>) {
    if (stream) return store_streaming(p, v);
  }
  lanes.store(p, v);
}
