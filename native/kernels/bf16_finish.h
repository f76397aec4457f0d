// The epilogue of bf16 products (Bf16Kernels::finish). Included once per target after vec.h and activate.h
// (no include guard on purpose).

// Two vectors that follow each other, a line of bf16 where vectors are the longest.
inline void store_pair(real* p, V low, V high, bool) {
  store(p, low);
  store(p + W, high);
}

inline void store_pair(bf16* p, V low, V high, bool stream) {
#if defined(TENON_IS_AVX512)
  #if defined(TENON_IS_AVX512BF16)
  const __m512i words = round_two(low, high);
  #else
  alignas(64) static constexpr uint16_t kUpper[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                                      23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                                      45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  const __m512i words = _mm512_permutex2var_epi16((__m512i)round_bf16(low), _mm512_load_si512(kUpper),
                                                  (__m512i)round_bf16(high));
  #endif
  if (stream) return _mm512_stream_si512(reinterpret_cast<__m512i*>(p), words);
  _mm512_storeu_si512(p, words);
#else
  static_cast<void>(stream);
  store(p, low);
  store(p + W, high);
#endif
}

// As map, two vectors at a time.
template <class Out, class F, class... In>
inline void map_pairs(int64_t n, Out* y, bool stream, F&& f, const In*... x) {
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) store_pair(y + i, f(load(x + i)...), f(load(x + i + W)...), stream);
  map(n - i, y + i, f, (x + i)...);
}

// y = end(C + bias + what y holds), row by row.
template <class T, class End>
void finish_rows(const Bf16Finish& f, End end) {
  T* y = static_cast<T*>(f.y);
  const float* c = f.c;
  for (int64_t row = 0; row < f.rows; ++row, c += f.ldc, y += f.ldy) {
    if (f.bias && f.accumulate) {
      map_pairs(
          f.n, y, f.stream, [&](V v, V bias, V held) { return end(v + bias + held); }, c, f.bias, y);
    } else if (f.bias) {
      map_pairs(
          f.n, y, f.stream, [&](V v, V bias) { return end(v + bias); }, c, f.bias);
    } else if (f.accumulate) {
      map_pairs(
          f.n, y, f.stream, [&](V v, V held) { return end(v + held); }, c, y);
    } else {
      map_pairs(f.n, y, f.stream, end, c);
    }
  }
}

// An unfused activation reads the stored value, so the sum is rounded before a fused one too. Clipping at
// what bf16 has exactly comes to the same before the rounding of the store.
template <class T>
void finish_as(const Bf16Finish& f) {
  switch (f.activation) {
    case Activation::none:
      return finish_rows<T>(f, [](V v) { return v; });
    case Activation::relu:
      return finish_rows<T>(f, [](V v) { return activate(v, Activation::relu); });
    case Activation::relu6:
      return finish_rows<T>(f, [](V v) { return activate(v, Activation::relu6); });
    default:
      return finish_rows<T>(f, [&f](V v) { return activate(as_stored<T>(v), f.activation); });
  }
}

void finish(const Bf16Finish& f) { f.narrow ? finish_as<bf16>(f) : finish_as<float>(f); }
