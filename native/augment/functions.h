// Functions that the C library computes differently on different processors, and that decide about bytes
// here: made of exactly rounded steps, so that an image is the same everywhere. Errors are below 1e-15.
#pragma once

#include <cmath>

namespace tenon::augment {

struct SinCos {
  double sin, cos;
};

// Exact at multiples of 90 degrees. |degrees| is at most 1e6.
inline SinCos sin_cos(double degrees) {
  constexpr double kRadians = 0.017453292519943295;
  const double quarter = std::floor(degrees / 90 + 0.5);
  const double x = (degrees - 90 * quarter) * kRadians, square = x * x;
  double sin = 0, cos = 0;
  for (int n = 16; n >= 2; n -= 2) {
    cos = -square * (1 + cos) / (n * (n - 1));
    sin = -square * (1 + sin) / (n * (n + 1));
  }
  const double s = x * (1 + sin), c = 1 + cos;
  switch (static_cast<int64_t>(quarter) & 3) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

// |x| is at most 700.
inline double exp_of(double x) {
  constexpr double kLn2 = 0.6931471805599453;
  const double power = std::floor(x / kLn2 + 0.5), rest = x - power * kLn2;
  double sum = 1;
  for (int n = 15; n >= 1; --n) sum = 1 + sum * rest / n;
  return std::ldexp(sum, static_cast<int>(power));
}

// log x for finite x > 0. x = 2^k m with m in [sqrt(1/2), sqrt(2)); log m = 2 artanh((m - 1) / (m + 1)).
inline double log_of(double x) {
  constexpr double kLn2High = 0x1.62e42fee00000p-1, kLn2Low = 0x1.a39ef35793c76p-33;
  int power = 0;
  double m = std::frexp(x, &power);
  if (m < 0.70710678118654752) {
    m *= 2;
    --power;
  }
  const double s = (m - 1) / (m + 1), square = s * s;
  double sum = 0;
  for (int n = 23; n >= 1; n -= 2) sum = sum * square + 1.0 / n;
  return power * kLn2High + (power * kLn2Low + 2 * s * sum);
}

// x^y for 0 <= x <= 1 and y >= 0; 0^0 = 1.
inline double pow_of(double x, double y) {
  if (y == 0) return 1;
  const double exponent = x == 0 ? -1000 : y * log_of(x);
  return exponent < -700 ? 0 : exp_of(exponent);
}

}  // namespace tenon::augment
