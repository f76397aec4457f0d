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

}  // namespace tenon::augment
