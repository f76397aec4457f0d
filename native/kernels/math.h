// exp, log, tanh, ... on vectors. Included once per target after vec.h (no include guard on purpose), from
// inside the TENON_TARGET part of a kernel file. On the reference target these are the functions of std:: in
// double; elsewhere float polynomials within a few units in the last place, branch-free, with infinities,
// NaN, overflow and underflow as std:: has them. Polynomials: exp, log, tanh from Moshier's Cephes library
// (single precision), erf from N. Juffa's published minimax fits.

inline V vabs(V x) {
  const M sign = (M)-V{};
  return (V)((M)x & ~sign);
}

inline V vcopysign(V magnitude, V from) {
  const M sign = (M)-V{};
  return (V)(((M)magnitude & ~sign) | ((M)from & sign));
}

inline V vsqrt(V x) {
#if defined(TENON_IS_AVX512)
  return (V)_mm512_maskz_sqrt_ps((__mmask16)-1, (__m512)x);  // GCC 12 warns inside _mm512_sqrt_ps
#elif defined(TENON_IS_AVX2)
  return (V)_mm256_sqrt_ps((__m256)x);
#elif defined(TENON_IS_NEON)
  return (V)vsqrtq_f32((float32x4_t)x);
#else
  for (int i = 0; i < W; ++i) x[i] = std::sqrt(x[i]);
  return x;
#endif
}

// c[0] x^(N-1) + ... + c[N-1]
template <int N>
inline V polynomial(V x, const real (&c)[N]) {
  V y = splat(c[0]);
  for (int i = 1; i < N; ++i) y = fma(y, x, splat(c[i]));
  return y;
}

#if defined(TENON_IS_REF)

inline V vexp(V x) { return V{std::exp(x[0])}; }
inline V vexpm1(V x) { return V{std::expm1(x[0])}; }
inline V vlog(V x) { return V{std::log(x[0])}; }
inline V vlog1p(V x) { return V{std::log1p(x[0])}; }
inline V vtanh(V x) { return V{std::tanh(x[0])}; }
inline V verf(V x) { return V{std::erf(x[0])}; }

#else

// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2
inline V exp_tail(V r) {
  constexpr real c[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                        4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  return polynomial(r, c);
}

// e^x = 2^n e^r, r = x - n ln 2. 2^n is applied in two halves, so that results near the ends of the range,
// also the subnormal ones, are rounded once and everything beyond becomes infinity or zero by itself.
inline V vexp(V x) {
  const V clamped = vmin(vmax(x, splat(-105.0f)), splat(89.0f));
  const V magic = splat(12582912.0f);  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const V shifted = fma(clamped, splat(1.44269504f), magic);
  const V n = shifted - magic;
  const V r = fma(n, splat(2.12194440e-4f), fma(n, splat(-0.693359375f), clamped));
  const V y = fma(exp_tail(r), r * r, r) + splat(1.0f);
  const M k = (M)shifted - (M)magic;
  const M half = k >> 1;
  return y * (V)((half + 127) << 23) * (V)((k - half + 127) << 23);
}

inline V vexpm1(V x) {
  const V near = fma(exp_tail(x), x * x, x);
  return select(vabs(x) < splat(0.34f), near, vexp(x) - splat(1.0f));
}

// log x = k ln 2 + log m, m in [sqrt(1/2), sqrt(2)).
inline V vlog(V x) {
  constexpr real c[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                        -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                        2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
  const V smallest = splat(std::numeric_limits<float>::min());
  const M subnormal = x < smallest;
  const V scaled = vabs(select(subnormal, x * splat(8388608.0f), x));  // the sign is dealt with at the end
  const M sqrt_half = (M)splat(0.70710678f);
  const M exponent = ((M)scaled - sqrt_half) >> 23;
  const V f = (V)((M)scaled - (exponent << 23)) - splat(1.0f);
  const V k = __builtin_convertvector(exponent, V) - select(subnormal, splat(23.0f), V{});
  const V f2 = f * f;
  V y = polynomial(f, c) * f * f2;
  y = fma(k, splat(-2.12194440e-4f), y);
  y = fma(f2, splat(-0.5f), y);
  y = fma(k, splat(0.693359375f), f + y);
  constexpr float infinity = std::numeric_limits<float>::infinity();
  y = select(x == splat(infinity), x, y);
  y = select(x == V{}, splat(-infinity), y);
  return select(x >= V{}, y, splat(std::numeric_limits<float>::quiet_NaN()));
}

// log(1 + x) without losing small x: the rounding error of w = 1 + x is divided out again (Kahan).
inline V vlog1p(V x) {
  const V w = splat(1) + x;
  return select(w == splat(1), x, vlog(w) * x / (w - splat(1)));
}

inline V vtanh(V x) {
  constexpr real c[] = {-5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f, 1.33314422036e-1f,
                        -3.33332819422e-1f};
  const V size = vabs(x);
  const V x2 = x * x;
  const V near = fma(polynomial(x2, c) * x2, x, x);
  const V far = splat(1.0f) - splat(2.0f) / (vexp(size + size) + splat(1.0f));
  return select(size < splat(0.625f), near, vcopysign(far, x));
}

inline V verf(V x) {
  constexpr real c_near[] = {-5.96761703e-4f, 4.99119423e-3f,  -2.67681349e-2f,
                             1.12819925e-1f,  -3.76125336e-1f, 1.28379166e-1f};
  constexpr real c_far[] = {-1.72853470e-5f, 3.83197126e-4f,  -3.88396438e-3f, 2.42546219e-2f,
                            -1.06777877e-1f, -6.34846687e-1f, -1.28717512e-1f};
  const V size = vmin(vabs(x), splat(4.0f));  // erf(4) rounds to 1
  const V near = fma(polynomial(x * x, c_near), x, x);
  const V far = splat(1.0f) - vexp(fma(polynomial(size, c_far), size, -size));
  return select(size < splat(0.92f), near, vcopysign(far, x));
}

#endif

// Exact to a few units in the last place on both sides: e^-x never cancels.
inline V vsigmoid(V x) { return splat(1) / (splat(1) + vexp(-x)); }
