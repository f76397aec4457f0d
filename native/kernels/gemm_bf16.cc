// What every path of bf16 products needs of an instruction set: packing, the epilogue, and the path that
// runs anywhere, float arithmetic on widened values. See gemm_bf16.h for the contract.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/gemm_bf16.cc"
#include "kernels/gemm_bf16.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"

  #include "kernels/clip.h"

  #include "kernels/activate.h"

  #include "kernels/register_tile.h"

  #include "kernels/gemm_bf16_tile.h"

  #include "kernels/transpose.h"

// Two vectors that follow each other, a line of bf16 where vectors are the longest.
inline void store_pair(real* p, V low, V high, bool) {
  store(p, low);
  store(p + W, high);
}

inline void store_pair(bf16* p, V low, V high, bool stream) {
  #if defined(TENON_IS_AVX512)
  alignas(64) static constexpr uint16_t kUpper[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                                      23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                                      45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  const __m512i words = _mm512_permutex2var_epi16((__m512i)round_bf16(low), _mm512_load_si512(kUpper),
                                                  (__m512i)round_bf16(high));
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

void interleave(const bf16* even, const bf16* odd, int64_t n, uint32_t* to) {
  int64_t i = 0;
  for (; i + W <= n; i += W) {
    const Words words = ((Words)load(even + i) >> 16) | (Words)load(odd + i);
    std::memcpy(to + i, &words, sizeof words);
  }
  for (; i < n; ++i) to[i] = even[i].bits | static_cast<uint32_t>(odd[i].bits) << 16;
}

void transpose(const uint32_t* from, int64_t ld, int64_t rows, int64_t columns, uint32_t* to, int64_t to_ld) {
  for (int64_t i = 0; i < rows; i += W) {
    const int64_t height = std::min<int64_t>(W, rows - i);
    for (int64_t j = 0; j < columns; j += W) {
      const int64_t width = std::min<int64_t>(W, columns - j);
      const uint32_t* source = from + i * ld + j;
      uint32_t* target = to + j * to_ld + i;
      if (height == W && width == W)
        transpose_square(source, ld, height, target, to_ld);
      else
        transpose_part(source, ld, height, width, target, to_ld, height);
    }
  }
}

void narrow(const float* x, int64_t n, bf16* y) {
  map(
      n, y, [](V v) { return v; }, x);
}

void widen(const bf16* x, int64_t n, float* y) {
  map(
      n, y, [](V v) { return v; }, x);
}

constexpr Bf16Kernels kTable = {Target::TENON_TARGET,
                                true,
                                1,
                                2,
                                192 * 1024,
                                &multiply_dots<WidenedDot>,
                                nullptr,
                                0,
                                nullptr,
                                &finish,
                                &interleave,
                                &transpose,
                                &narrow,
                                &widen,
                                nullptr,
                                nullptr,
                                nullptr,
                                nullptr};

#else

  #include <cstdlib>

  #include "kernels/depthwise.h"
  #include "kernels/gemm_bf16_paths.h"
  #include "kernels/pair_sums_bf16.h"
  #include "kernels/winograd_bf16.h"
  #include "kernels/winograd_weights_bf16.h"

namespace tenon {
namespace {

// Convolutions with fewer channels, in or out, go by taps: gathering pixels takes longer (measured on Zen 5).
constexpr int64_t kFewChannels = 32;

Bf16Kernels common(Target target) {
  Bf16Kernels kernels = TENON_TABLE(target);
  kernels.depthwise = &depthwise_kernels(target);
  return kernels;
}

Bf16Kernels with_tiles(Target target, const Bf16TileProducts& products) {
  Bf16Kernels kernels = common(target);
  kernels.convolves_in_float = false;
  kernels.row_step = 16;
  kernels.k_step = 32;
  kernels.block_bytes = 1024 * 1024;
  kernels.multiply = products.multiply;
  if (target == Target::avx512 && cpu_features().avx512_bf16) kernels.depthwise = &depthwise_avx512bf16();
  kernels.multiply_taps = products.multiply_taps;
  kernels.tapped_channels = std::numeric_limits<int64_t>::max();
  return kernels;
}

}  // namespace

Bf16Kernels bf16_kernels(Target target, Bf16Path path) {
  if (path == Bf16Path::amx) return with_tiles(target, products_by_tiles());
  if (path == Bf16Path::amx_software) return with_tiles(target, products_by_software_tiles());
  Bf16Kernels kernels = common(target);
  if (path != Bf16Path::avx512bf16) return kernels;
  kernels.multiply = multiply_avx512bf16();
  kernels.multiply_taps = multiply_taps_avx512bf16();
  kernels.tapped_channels = kFewChannels;
  kernels.multiply_and_finish = multiply_and_finish_avx512bf16();
  kernels.depthwise = &depthwise_avx512bf16();
  kernels.winograd = winograd_avx512bf16();
  kernels.winograd_weights = winograd_pairs_avx512bf16();
  kernels.pairs = pairs_avx512bf16();
  return kernels;
}

Bf16Chains bf16_chains(Target target) {
  const Bf16Path path = bf16_path(target).path;
  if (path == Bf16Path::amx) return chains_amx();
  if (path == Bf16Path::avx512bf16) return chains_avx512bf16();
  return {0, nullptr};
}

const Bf16Kernels& bf16_kernels(Target target) {
  static const auto* of_target = [] {
    auto* all = new Bf16Kernels[kTargets];
    for (int t = 0; t < kTargets; ++t) {
      const auto each = static_cast<Target>(t);
      all[t] = bf16_kernels(each, bf16_path(each).path);
    }
    return all;
  }();
  return of_target[static_cast<int>(target)];
}

}  // namespace tenon

#endif
