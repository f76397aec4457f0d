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

// Each of these is one axis of a transform, kIn values to kOut.
struct InputAxis {  // B^T
  static constexpr int kIn = 6, kOut = 6;
  static void apply(const V (&d)[kIn], V (&v)[kOut]) {
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
  static void apply(const V (&m)[kIn], V (&y)[kOut]) {
    const V even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + even_a + even_b;
    y[1] = fma(splat(kA), odd_a, splat(kB) * odd_b);
    y[2] = fma(splat(kA2), even_a, splat(kB2) * even_b);
    y[3] = fma(splat(kA3), odd_a, fma(splat(kB3), odd_b, m[5]));
  }
};

struct FilterAxis {  // G
  static constexpr int kIn = 3, kOut = 6;
  static void apply(const V (&g)[kIn], V (&u)[kOut]) {
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
  static void apply(const V (&y)[kIn], V (&m)[kOut]) {
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
  static void apply(const V (&u)[kIn], V (&g)[kOut]) {
    const V even_a = splat(kWeightA) * (u[1] + u[2]), odd_a = splat(kWeightA * kA) * (u[1] - u[2]);
    const V even_b = splat(kWeightB) * (u[3] + u[4]), odd_b = splat(kWeightB * kB) * (u[3] - u[4]);
    g[0] = u[0] + even_a + even_b;
    g[1] = odd_a + odd_b;
    g[2] = fma(splat(kA2), even_a, fma(splat(kB2), even_b, u[5]));
  }
};

// Both axes: columns first, through a buffer in the first-level cache, because two matrices of vectors do not
// fit the registers. get(i, j) returns an input, put(i, j, v) takes an output. They hold what they need by
// value, and are inlined with the loops: through references every address would be loaded anew.
template <class Axis, class Get, class Put>
[[gnu::always_inline]] inline void transform(Get get, Put put) {
  V half[Axis::kOut][Axis::kIn];
  for (int j = 0; j < Axis::kIn; ++j) {
    V in[Axis::kIn], out[Axis::kOut];
    for (int i = 0; i < Axis::kIn; ++i) in[i] = get(i, j);
    Axis::apply(in, out);
    for (int i = 0; i < Axis::kOut; ++i) half[i][j] = out[i];
  }
  for (int i = 0; i < Axis::kOut; ++i) {
    V out[Axis::kOut];
    Axis::apply(half[i], out);
    for (int j = 0; j < Axis::kOut; ++j) put(i, j, out[j]);
  }
}

template <class Axis, class T>
void to_planes(const std::byte* const* pixels, int64_t channels, float* planes, int64_t plane) {
  for_vectors(channels, [=](int64_t c, auto lanes) {
    const auto at = [=](int pixel) { return reinterpret_cast<const T*>(pixels[pixel]) + c; };
    transform<Axis>([=](int i, int j) { return lanes.load(at(i * Axis::kIn + j)); },
                    [=](int i, int j, V v) { store(planes + (i * Axis::kOut + j) * plane + c, v); });
  });
}

template <class T, class Activate>
void output_with(const WinogradOutput& tile, Activate activate) {
  for_vectors(tile.channels, [=](int64_t c, auto lanes) {
    const V bias = tile.bias ? lanes.load(tile.bias + c) : V{};
    const bool biased = tile.bias != nullptr;
    const float* products = tile.products + c;
    const int64_t plane = tile.plane;
    std::byte* const* pixels = tile.pixels;
    const bool adds = tile.accumulate;
    const auto at = [=](int pixel) { return reinterpret_cast<T*>(pixels[pixel]) + c; };
    transform<OutputAxis>([=](int i, int j) { return load(products + (i * kWinogradIn + j) * plane); },
                          [=](int i, int j, V v) {
                            T* y = at(i * kWinogradOut + j);
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

template <class T>
constexpr WinogradStorage kStorage = {&to_planes<InputAxis, T>, &output<T>,
                                      &to_planes<OutputGradientAxis, T>};

constexpr WinogradKernels kTable = {kStorage<float>, kStorage<bf16>, &filter, &filter_gradient};

#else

namespace tenon {

const WinogradKernels& winograd_kernels(Target target) { return TENON_TABLE(target); }

}  // namespace tenon

#endif
