// The activations that a matrix product may end with, by the numbers of native/kernels/README.md.
#pragma once

#include <cmath>

namespace tenon::ref {

template <class T>
T activate(T x, int activation) {
  switch (activation) {
    case 1:
      return x > 0 || x != x ? x : T(0);
    case 2:
      return x != x ? x : x > 6 ? T(6) : x > 0 ? x : T(0);
    case 3:
      return std::tanh(x);
    case 4:
      return 1 / (1 + std::exp(-x));
    default:
      return x;
  }
}

}  // namespace tenon::ref
