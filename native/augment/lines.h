// Positions in an image that pixels of a result come from: fixed-point numbers, 32 bits behind the point. A
// pixel (x, y) covers [x, x + 1) x [y, y + 1).
#pragma once

#include <algorithm>
#include <cstdint>

namespace tenon::augment {

inline constexpr int kFraction = 32;
inline constexpr int64_t kOne = int64_t{1} << kFraction, kHalf = kOne / 2;

// A position along a row of the result: at + x * step in column x.
struct Line {
  int64_t at, step;
  int64_t operator[](int64_t x) const { return at + x * step; }
};

// Columns [begin, end).
struct Span {
  int64_t begin, end;
};

// Pixels that a result is made of: a window of an image.
struct Source {
  const uint8_t* pixels;
  int64_t h, w, c;
  int64_t pitch;       // bytes from a row to the next one
  const uint8_t* end;  // of the image
};

// Two neighbours of a position and the weight of the second, of 2048. At an edge both are the same.
struct Pair {
  int64_t first, second, weight;
};

inline Pair pair_at(int64_t position, int64_t side) {
  const int64_t shifted = position - kHalf, low = shifted >> kFraction;
  return {std::max<int64_t>(low, 0), std::min(low + 1, side - 1), (shifted & (kOne - 1)) >> (kFraction - 11)};
}

}  // namespace tenon::augment
