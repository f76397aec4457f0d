#pragma once

#include <cstdint>

namespace tenon {

// base^exponent for a whole exponent of [0, 2^53), else NaN: by squaring, in exactly rounded steps, because
// std::pow differs between C libraries. Squaring doubles a relative error, so that of the result is about
// exponent times 1.1e-16.
inline double whole_power(double base, double exponent) {
  if (!(exponent >= 0 && exponent < 9007199254740992.0)) return __builtin_nan("");
  auto left = static_cast<uint64_t>(exponent);
  if (static_cast<double>(left) != exponent) return __builtin_nan("");
  double power = 1;
  for (; left != 0; left >>= 1, base *= base)
    if ((left & 1) != 0) power *= base;
  return power;
}

}  // namespace tenon
