// The kernels of Winograd's weight gradients; see winograd_weights.h for the contract.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/winograd_weights.cc"
#include "kernels/winograd_weights.h"

#include "kernels/for_each_target.h"

#ifdef TENON_TARGET
  #include "kernels/lanes.h"
  #include "kernels/math.h"

  #include "kernels/register_tile.h"
  #include "kernels/winograd_axes.h"

// Vectors of x that are multiplied at a time, and the accumulators of a register tile.
  #if defined(TENON_IS_AVX512)
constexpr int kWide = 2, kAccumulators = 16;
  #elif defined(TENON_IS_NEON)
constexpr int kWide = 4, kAccumulators = 16;
  #else
constexpr int kWide = 2, kAccumulators = 8;
  #endif

// Rows of a register tile: they divide a vector's lanes, so that whole vectors of dy are whole tiles.
template <int NV>
constexpr int kTileRows = std::min(W, kAccumulators / NV);

template <class Axis, int Pair, class T>
void transform_pair(const WinogradGradientTiles& g) {
  constexpr int kFirst = kWinogradPairRows[Pair][0], kSecond = kWinogradPairRows[Pair][1];
  static_assert(Axis::kTogether[Pair][0] == kFirst && Axis::kTogether[Pair][1] == kSecond);
  const int64_t plane = g.plane;
  for (int64_t t = 0; t < g.count; ++t) {
    const int64_t pixel = g.tiles[t].pixel;
    const int first = g.tiles[t].first, last = g.tiles[t].last;
    const std::byte* rows[Axis::kIn];
    for (int i = 0; i < Axis::kIn; ++i) rows[i] = g.tiles[t].rows[i] - first * pixel;
    float* to = g.planes + t * g.row;
    const auto part = [&](auto lanes) __attribute__((always_inline)) {
      transform_rows<Axis, kFirst, kSecond>(
          [=](int j) { return j >= first && j < last; },
          [&](int i, int j) { return lanes.load(reinterpret_cast<const T*>(rows[i] + j * pixel)); },
          [=](int i, int j, V v) { store(to + ((i == kFirst ? 0 : Axis::kOut) + j) * plane, v); });
      for (const std::byte*& row : rows) row += W * sizeof(T);
      to += W;
    };
    int64_t c = 0;
    for (; c + W <= g.channels; c += W) part(WholeLanes{});
    if (c < g.channels) part(FirstLanes{g.channels - c});
  }
}

// One register tile of sums, of one point.
template <int NV>
inline void add_tile(const WinogradGradientSums& s, const float* dy, const float* x, float* sums) {
  V acc[kTileRows<NV>][NV];
  clear(acc);
  const int64_t dy_row = s.dy_row, x_row = s.x_row;
  for (int64_t t = s.tiles; t > 0; --t, dy += dy_row, x += x_row) {
    V b[NV];
    for (int v = 0; v < NV; ++v) b[v] = load(x + v * W);
    each(acc, [&](V& sum, int m, int v) { sum = fma(splat(dy[m]), b[v], sum); });
  }
  const int64_t sum_row = s.sum_row;
  if (s.accumulate) each(acc, [&](V& sum, int m, int v) { sum = load(sums + m * sum_row + v * W) + sum; });
  each(acc, [&](V& sum, int m, int v) { store(sums + m * sum_row + v * W, sum); });
}

// What is fetched meanwhile, cut evenly among register tiles.
struct Ahead {
  static constexpr int64_t kLine = 64;
  const std::byte *at, *end;
  int64_t step;

  Ahead(const WinogradGradientSums& s) : at(s.ahead), end(s.ahead + s.ahead_bytes) {
    const int64_t tiles = kWinogradIn * (s.o * s.c / (W * kAccumulators));
    step = (s.ahead_bytes / kLine / std::max<int64_t>(1, tiles) + 1) * kLine;
  }
  void fetch() {
    const std::byte* stop = std::min(end, at + step);
    for (; at < stop; at += kLine) __builtin_prefetch(at, 0, 2);
  }
};

template <int NV>
inline void add_panel(const WinogradGradientSums& s, int point, int64_t c, Ahead& ahead) {
  const float *dy = s.dy + point * s.dy_plane, *x = s.x + point * s.x_plane + c;
  float* sums = s.sums + point * s.sum_plane + c;
  for (int64_t o = 0; o < s.o; o += kTileRows<NV>) {
    ahead.fetch();
    add_tile<NV>(s, dy + o, x, sums + o * s.sum_row);
  }
}

void add_products(const WinogradGradientSums& s) {
  Ahead ahead(s);
  for (int point = 0; point < kWinogradIn; ++point) {
    int64_t c = 0;
    for (; c + (kWide - 1) * W < s.c; c += kWide * W) add_panel<kWide>(s, point, c, ahead);
    for (; c < s.c; c += W) add_panel<1>(s, point, c, ahead);
  }
}

void filter_gradient(const float* planes, int64_t plane, int64_t count, float* taps, int64_t tap_stride,
                     bool accumulate) {
  for_vectors(count, [=](int64_t at, auto lanes) {
    transform<FilterGradientAxis>([=](int i, int j) { return load(planes + (6 * i + j) * plane + at); },
                                  [=](int i, int j, V v) {
                                    float* tap = taps + (3 * i + j) * tap_stride + at;
                                    lanes.store(tap, accumulate ? lanes.load(tap) + v : v);
                                  });
  });
}

template <class T>
constexpr WinogradGradientStorage kStorage = {
    {&transform_pair<InputAxis, 0, T>, &transform_pair<InputAxis, 1, T>, &transform_pair<InputAxis, 2, T>},
    {&transform_pair<OutputGradientAxis, 0, T>, &transform_pair<OutputGradientAxis, 1, T>,
     &transform_pair<OutputGradientAxis, 2, T>}};

constexpr WinogradGradientKernels kTable = {W, kStorage<float>, kStorage<bf16>, &add_products,
                                            &filter_gradient};

#else

namespace tenon {

const WinogradGradientKernels& winograd_gradient_kernels(Target target) { return TENON_TABLE(target); }

}  // namespace tenon

#endif
