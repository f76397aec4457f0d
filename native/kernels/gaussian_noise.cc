// Gaussian noise: x, std, step, example -> y = x + std z, or where `scaled` x (1 + std z), with z drawn by
// Philox (kernels/draws.h), one for each element, so that backward draws the same again. y may be x.
//
// A draw becomes normal by the inverse of the distribution function, z = sqrt(2) erfinv(v), v the middle of
// one of 2^24 equal parts of (-1, 1): at most 5.4 deviations away. erfinv is Giles' polynomial
// ("Approximating the erfinv function", GPU Computing Gems 2, 2011; single precision), a few units in the
// last place.
#define TENON_KERNEL_FILE "kernels/gaussian_noise.cc"
#include "kernels/checks.h"
#include "kernels/draws.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"
  #include "kernels/philox_vec.h"

  #include "kernels/uniforms.h"

constexpr AttrNames kAttrs{"key[2]", "ordinal", "perExample", "scaled"};
constexpr int64_t kChunk = 8192;
constexpr int64_t kPiece = 512;
constexpr int kCost = 40;  // roughly the arithmetic per element

V normal_of(V v) {
  constexpr real near[] = {2.81022636e-08f,  3.43273939e-07f, -3.5233877e-06f,
                           -4.39150654e-06f, 0.00021858087f,  -0.00125372503f,
                           -0.00417768164f,  0.246640727f,    1.50140941f};
  constexpr real far[] = {-0.000200214257f, 0.000100950558f, 0.00134934322f, -0.00367342844f, 0.00573950773f,
                          -0.0076224613f,   0.00943887047f,  1.00167406f,    2.83297682f};
  const V one = splat(1);
  const V w = -vlog((one - v) * (one + v));
  const V root = vsqrt(vmax(w, splat(5)));
  const V p = select(w < splat(5), polynomial(w - splat(static_cast<real>(2.5)), near),
                     polynomial(root - splat(3), far));
  return p * v * splat(static_cast<real>(1.41421356237309505));
}

Cost prepare_noise(const Call& c) {
  require_operands(c, 5);
  require(is_storage(c.t[0].dtype), "gaussian_noise: x must be real or bf16");
  require_dtype(c.t[4], c.t[0].dtype, "gaussian_noise: y must be of x's dtype");
  require_same_dims(c.t[0], c.t[4], "gaussian_noise: shapes differ");
  require_scalar(c.t[1], "gaussian_noise: std must be a runtime scalar");
  require_draws(c, c.t[2], c.t[3]);
  flag_attr(c, kAttrs["scaled"], "gaussian_noise: scaled must be 0 or 1");
  return {0, static_cast<double>(c.t[0].numel()) * kCost, 2.0 * static_cast<double>(c.t[0].bytes())};
}

// The middles of the parts that the words name, exactly.
void middles(const uint32_t* words, int64_t n, real* v) {
  constexpr real kPart = static_cast<real>(1.0 / 16777216.0);
  for (int64_t i = 0; i < n; ++i)
    v[i] = static_cast<real>(2 * static_cast<int32_t>(words[i] >> 8) + 1 - 16777216) * kPart;
}

template <class T>
void run_typed(const Call& c, const Draws& draws) {
  const int64_t n = c.t[0].numel();
  const T* x = c.t[0].as<T>();
  T* y = c.t[4].as<T>();
  const V std = splat(static_cast<real>(scalar(c.t[1])));
  const bool scaled = c.attr(kAttrs["scaled"]) == 1;
  parallel_chunks(n, kChunk, static_cast<double>(n) * kCost, [&](int64_t begin, int64_t end) {
    uint32_t buffer[kPiece + 4];
    real v[kPiece];
    for (int64_t i = begin; i < end; i += kPiece) {
      const int64_t count = std::min(kPiece, end - i);
      middles(draw_words(draws, i, count, buffer), count, v);
      if (scaled) {
        map(
            count, y + i, [&](V a, V u) { return a * fma(std, normal_of(u), splat(1)); }, x + i, v);
      } else {
        map(
            count, y + i, [&](V a, V u) { return fma(std, normal_of(u), a); }, x + i, v);
      }
    }
  });
}

void run_noise(const Call& c) {
  const Draws draws(c, c.t[2], c.t[3]);
  with_storage(c.t[0].dtype, [&](auto stored) { run_typed<decltype(stored)>(c, draws); });
}

TENON_KERNEL(gaussian_noise, prepare_noise, run_noise, kAttrs)
#endif
