// The transforms of Winograd's weight gradients with products in bf16; see winograd_weights_bf16.h
// for the contract.
#define TENON_KERNEL_FILE "kernels/winograd_weights_bf16.cc"
#include "kernels/winograd_weights_bf16.h"

#include "kernels/for_avx512bf16.h"

#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/winograd_axes.h"

static_assert(W == kPairPanel);

// Words of the lanes of both, rounded.
inline void store_pair(uint32_t* to, V even, V odd) {
  alignas(64) static constexpr uint16_t kTurns[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                      21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                      11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  _mm512_storeu_si512(to, _mm512_permutexvar_epi16(_mm512_load_si512(kTurns), round_two(even, odd)));
}

// A tile as transforms read it.
template <class Axis>
struct Pixels {
  explicit Pixels(const WinogradPixels<const std::byte>& tile)
      : pixel(tile.pixel), first(tile.first), last(tile.last) {
    for (int i = 0; i < Axis::kIn; ++i) rows[i] = tile.rows[i] - first * pixel;
  }
  const std::byte* rows[Axis::kIn];
  int64_t pixel;
  int first, last;
};

// Rows First and Second of the points of a tile, for a vector of channels: put(row, column, v).
template <class Axis, int First, int Second, class Lanes, class Put>
[[gnu::always_inline]] inline void transform_tile(const Pixels<Axis>& tile, int64_t c, Lanes lanes, Put put) {
  const int64_t pixel = tile.pixel;
  const int first = tile.first, last = tile.last;
  transform_rows<Axis, First, Second>(
      [=](int j) { return j >= first && j < last; },
      [&](int i, int j) { return lanes.load(reinterpret_cast<const bf16*>(tile.rows[i] + j * pixel) + c); },
      put);
}

// The same of two tiles, to their words.
template <class Axis, int First, int Second, class Lanes>
[[gnu::always_inline]] inline void transform_both(const Pixels<Axis>& even, const Pixels<Axis>& odd,
                                                  int64_t c, Lanes lanes, uint32_t* to, int64_t plane) {
  V held[2][Axis::kOut];
  transform_tile<Axis, First, Second>(even, c, lanes, [&](int i, int j, V v) { held[i == Second][j] = v; });
  transform_tile<Axis, First, Second>(odd, c, lanes, [&](int i, int j, V v) {
    store_pair(to + (Axis::kOut * i + j) * plane, held[i == Second][j], v);
  });
}

template <class Axis, class Lanes, size_t... Pair>
inline void transform_points(std::index_sequence<Pair...>, const Pixels<Axis>& even, const Pixels<Axis>& odd,
                             int64_t c, Lanes lanes, uint32_t* to, int64_t plane) {
  (transform_both<Axis, Axis::kTogether[Pair][0], Axis::kTogether[Pair][1]>(even, odd, c, lanes, to, plane),
   ...);
}

template <class Axis>
void transform_pairs(const WinogradPairTiles& g) {
  for_vectors(g.channels, [&](int64_t c, auto lanes) {
    uint32_t* to = g.to + c / W * g.panel;
    for (int64_t p = 0; p < g.pairs; ++p, to += kPairPanel)
      transform_points<Axis>(std::make_index_sequence<std::size(Axis::kTogether)>(),
                             Pixels<Axis>(g.tiles[2 * p]), Pixels<Axis>(g.tiles[2 * p + 1]), c, lanes, to,
                             g.point);
  });
}

constexpr WinogradPairKernels kKernels = {&transform_pairs<InputAxis>, &transform_pairs<OutputGradientAxis>};

#else

namespace tenon {

const WinogradPairKernels* winograd_pairs_avx512bf16() {
  return TENON_AVX512BF16_OR(&avx512bf16::kKernels, nullptr);
}

}  // namespace tenon

#endif
