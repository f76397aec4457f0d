// The transforms of Winograd convolution; see winograd.h for the contract.
//
// Interpolation points 0, a, -a, b, -b and infinity. m(x) = x (x^2 - a^2) (x^2 - b^2); row p of B^T holds the
// coefficients of m(x) / (x - p), row p of A the powers of p, and row p of G those powers over m'(p). The
// points +-p share their even and odd parts.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/winograd.cc"
#include "kernels/winograd.h"

#include "kernels/for_each_target.h"

#ifdef TENON_TARGET
  #include "kernels/lanes.h"
  #include "kernels/math.h"

  #include "kernels/clip.h"

  #include "kernels/activate.h"

// a and b. Among the pairs tried (1 and 2, 1/2 and 2, 5/8 and 3/2, 3/4 and 3/2, ...) these lose the fewest
// digits: the error is a quarter of that with the customary 1 and 2. Their squares are exact, and a b = 1.
constexpr float kA = 0.707106781186547524f, kB = 1.41421356237309505f;
constexpr float kA2 = 0.5f, kB2 = 2, kA3 = kA2 * kA, kB3 = kB2 * kB;
// 1 / m'(p); 1 for p = 0.
constexpr float kWeightA = 1 / (2 * kA2 * (kA2 - kB2)), kWeightB = 1 / (2 * kB2 * (kB2 - kA2));

// Each of these is one axis of a transform, kIn values to kOut. Pairs of them share arithmetic.
struct InputAxis {  // B^T
  static constexpr int kIn = 6, kOut = 6;
  static constexpr int kPairs[][2] = {{0, 5}, {1, 2}, {3, 4}};
  [[gnu::always_inline]] static void apply(const V (&d)[kIn], V (&v)[kOut]) {
    const V even_a = fma(splat(-kB2), d[2], d[4]), odd_a = fma(splat(-kB2), d[1], d[3]);
    const V even_b = fma(splat(-kA2), d[2], d[4]), odd_b = fma(splat(-kA2), d[1], d[3]);
    v[0] = fma(splat(-kA2 - kB2), d[2], d[0] + d[4]);
    v[1] = fma(splat(kA), odd_a, even_a);
    v[2] = fma(splat(-kA), odd_a, even_a);
    v[3] = fma(splat(kB), odd_b, even_b);
    v[4] = fma(splat(-kB), odd_b, even_b);
    v[5] = fma(splat(-kA2 - kB2), d[3], d[1] + d[5]);
  }
};

struct OutputAxis {  // A^T
  static constexpr int kIn = 6, kOut = 4;
  static constexpr int kPairs[][2] = {{0, 2}, {1, 3}};
  [[gnu::always_inline]] static void apply(const V (&m)[kIn], V (&y)[kOut]) {
    const V even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + even_a + even_b;
    y[1] = fma(splat(kA), odd_a, splat(kB) * odd_b);
    y[2] = fma(splat(kA2), even_a, splat(kB2) * even_b);
    y[3] = fma(splat(kA3), odd_a, fma(splat(kB3), odd_b, m[5]));
  }
};

struct FilterAxis {  // G
  static constexpr int kIn = 3, kOut = 6;
  static constexpr int kPairs[][2] = {{0, 5}, {1, 2}, {3, 4}};
  [[gnu::always_inline]] static void apply(const V (&g)[kIn], V (&u)[kOut]) {
    const V even_a = splat(kWeightA) * fma(splat(kA2), g[2], g[0]), odd_a = splat(kWeightA * kA) * g[1];
    const V even_b = splat(kWeightB) * fma(splat(kB2), g[2], g[0]), odd_b = splat(kWeightB * kB) * g[1];
    u[0] = g[0];
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = g[2];
  }
};

struct OutputGradientAxis {  // A
  static constexpr int kIn = 4, kOut = 6;
  static constexpr int kPairs[][2] = {{0, 5}, {1, 2}, {3, 4}};
  [[gnu::always_inline]] static void apply(const V (&y)[kIn], V (&m)[kOut]) {
    const V even_a = fma(splat(kA2), y[2], y[0]), odd_a = fma(splat(kA2), y[3], y[1]);
    const V even_b = fma(splat(kB2), y[2], y[0]), odd_b = fma(splat(kB2), y[3], y[1]);
    m[0] = y[0];
    m[1] = fma(splat(kA), odd_a, even_a);
    m[2] = fma(splat(-kA), odd_a, even_a);
    m[3] = fma(splat(kB), odd_b, even_b);
    m[4] = fma(splat(-kB), odd_b, even_b);
    m[5] = y[3];
  }
};

struct FilterGradientAxis {  // G^T
  static constexpr int kIn = 6, kOut = 3;
  static constexpr int kPairs[][2] = {{0, 2}, {1, 1}};
  [[gnu::always_inline]] static void apply(const V (&u)[kIn], V (&g)[kOut]) {
    const V even_a = splat(kWeightA) * (u[1] + u[2]), odd_a = splat(kWeightA * kA) * (u[1] - u[2]);
    const V even_b = splat(kWeightB) * (u[3] + u[4]), odd_b = splat(kWeightB * kB) * (u[3] - u[4]);
    g[0] = u[0] + even_a + even_b;
    g[1] = odd_a + odd_b;
    g[2] = fma(splat(kA2), even_a, fma(splat(kB2), even_b, u[5]));
  }
};

// Both axes, for rows A and B of what the first one makes: columns, then those two rows. Twelve vectors
// between the axes stay in registers, where all 36 would go through memory. What other rows would need is
// dead code: inputs are loaded again for each pair of rows, but pairs share no arithmetic. get(i, j) returns
// an input, put(i, j, v) takes an output.
template <class Axis, int A, int B, class Has, class Get, class Put>
[[gnu::always_inline]] inline void transform_rows(Has has, Get get, Put put) {
  V a[Axis::kIn] = {}, b[Axis::kIn] = {}, out[Axis::kOut];
  #pragma GCC unroll 6
  for (int j = 0; j < Axis::kIn; ++j) {
    if (!has(j)) continue;
    V in[Axis::kIn];
    for (int i = 0; i < Axis::kIn; ++i) in[i] = get(i, j);
    Axis::apply(in, out);
    a[j] = out[A], b[j] = out[B];
  }
  Axis::apply(a, out);
  for (int j = 0; j < Axis::kOut; ++j) put(A, j, out[j]);
  if (A == B) return;
  Axis::apply(b, out);
  for (int j = 0; j < Axis::kOut; ++j) put(B, j, out[j]);
}

// The functions hold what they need by value, and are inlined with the loops: through references every
// address would be loaded anew.
template <class Axis, size_t... Pair, class Has, class Get, class Put>
[[gnu::always_inline]] inline void transform_pairs(std::index_sequence<Pair...>, Has has, Get get, Put put) {
  (transform_rows<Axis, Axis::kPairs[Pair][0], Axis::kPairs[Pair][1]>(has, get, put), ...);
}
template <class Axis, class Has, class Get, class Put>
[[gnu::always_inline]] inline void transform(Has has, Get get, Put put) {
  transform_pairs<Axis>(std::make_index_sequence<std::size(Axis::kPairs)>(), has, get, put);
}
template <class Axis, class Get, class Put>
[[gnu::always_inline]] inline void transform(Get get, Put put) {
  transform<Axis>([](int) { return true; }, get, put);
}

template <class Axis, class T>
void to_planes(const WinogradPixels<const std::byte>& pixels, int64_t channels, float* planes,
               int64_t plane) {
  const std::byte* const* rows = pixels.rows;
  const int64_t pixel = pixels.pixel;
  const int first = pixels.first, last = pixels.last;
  for_vectors(channels, [=](int64_t c, auto lanes) {
    const int64_t start = c * static_cast<int64_t>(sizeof(T)) - first * pixel;
    const auto at = [=](int i, int j) { return reinterpret_cast<const T*>(rows[i] + (start + j * pixel)); };
    transform<Axis>([=](int j) { return j >= first && j < last; },
                    [=](int i, int j) { return lanes.load(at(i, j)); },
                    [=](int i, int j, V v) { store(planes + (i * Axis::kOut + j) * plane + c, v); });
  });
}

template <class T, class Activate>
void output_with(const WinogradOutput& tile, Activate activate) {
  for_vectors(tile.channels, [=, &tile](int64_t c, auto lanes) {
    const V bias = tile.bias ? lanes.load(tile.bias + c) : V{};
    const bool biased = tile.bias != nullptr, adds = tile.accumulate;
    const float* products = tile.products + c;
    const int64_t plane = tile.plane, pixel = tile.pixels.pixel;
    const int last = tile.pixels.last;
    std::byte* const* rows = tile.pixels.rows;
    transform<OutputAxis>([=](int i, int j) { return load(products + (i * kWinogradIn + j) * plane); },
                          [=](int i, int j, V v) {
                            if (rows[i] == nullptr || j >= last) return;
                            T* y = reinterpret_cast<T*>(rows[i] + j * pixel) + c;
                            if (biased) v = v + bias;
                            lanes.store(y, activate(adds ? v + lanes.load(y) : v));
                          });
  });
}

// An unfused activation reads the stored value, so the sum is rounded before a fused one too.
template <class T>
void output(const WinogradOutput& tile) {
  if (tile.activation == Activation::none) return output_with<T>(tile, [](V v) { return v; });
  if (tile.activation == Activation::relu) return output_with<T>(tile, [](V v) { return vmax(v, V{}); });
  output_with<T>(tile, [which = tile.activation](V v) { return activate(as_stored<T>(v), which); });
}

void filter(const WinogradFilters& f, int64_t panel, float* planes, int64_t plane) {
  const int64_t tap_stride = f.tap_stride;
  for (int64_t row = 0; row < f.rows; ++row) {
    const float* taps = f.taps + row * f.row_stride;
    float* out = planes + row * panel;
    for_vectors(f.lanes, [=](int64_t at, auto lanes) {
      transform<FilterAxis>([=](int i, int j) { return lanes.load(taps + (3 * i + j) * tap_stride + at); },
                            [=](int i, int j, V v) { store(out + (6 * i + j) * plane + at, v); });
    });
    for (int64_t at = (f.lanes + W - 1) / W * W; at < panel; at += W)
      for (int point = 0; point < kWinogradPoints; ++point) store(out + point * plane + at, V{});
  }
}

void filter_gradient(const float* planes, int64_t plane, int64_t count, float* taps, int64_t tap_stride) {
  for_vectors(count, [=](int64_t at, auto lanes) {
    transform<FilterGradientAxis>(
        [=](int i, int j) { return load(planes + (6 * i + j) * plane + at); },
        [=](int i, int j, V v) { lanes.store(taps + (3 * i + j) * tap_stride + at, v); });
  });
}

  #ifdef TENON_IS_AVX512
// The filters of a point stay in registers, beside the sums of twelve tiles. With few channels the
// loops of the general register tile (gemm.h) would cost as much as what they multiply, so there is
// none over channels.
void narrow(const WinogradNarrow& call) {
  constexpr int kDepth = kWinogradNarrow, kRows = kWinogradNarrowRows;
  static_assert(W == kDepth);
  const float *inputs = call.inputs, *filters = call.filters;
  float* products = call.products;
  for (int point = 0; point < kWinogradPoints; ++point) {
    V b[kDepth];
    #pragma GCC unroll 16
    for (int k = 0; k < kDepth; ++k) b[k] = load(filters + k * W);
    for (int64_t row = 0; row < call.rows; row += kRows) {
      const float* a = inputs + row * W;
      V acc[kRows];
    #pragma GCC unroll 12
      for (int m = 0; m < kRows; ++m) acc[m] = splat(a[m * W]) * b[0];
    #pragma GCC unroll 16
      for (int k = 1; k < kDepth; ++k)
    #pragma GCC unroll 12
        for (int m = 0; m < kRows; ++m) acc[m] = fma(splat(a[m * W + k]), b[k], acc[m]);
    #pragma GCC unroll 12
      for (int m = 0; m < kRows; ++m) store(products + (row + m) * W, acc[m]);
    }
    inputs += call.plane, products += call.plane, filters += call.filter_plane;
  }
}
constexpr auto* kNarrow = &narrow;
  #else
constexpr void (*kNarrow)(const WinogradNarrow& call) = nullptr;
  #endif

template <class T>
constexpr WinogradStorage kStorage = {&to_planes<InputAxis, T>, &output<T>,
                                      &to_planes<OutputGradientAxis, T>};

constexpr WinogradKernels kTable = {kStorage<float>, kStorage<bf16>, &filter, kNarrow, &filter_gradient};

#else

namespace tenon {

const WinogradKernels& winograd_kernels(Target target) { return TENON_TABLE(target); }

}  // namespace tenon

#endif
