// Which pixels of an image make a pixel of the resized one, and with which weights: the triangle filter,
// which is bilinear interpolation where an image is enlarged, and averages over what a pixel covers where it
// is shrunk. Rules and rounding are those of Pillow's Image.resize(..., BILINEAR), to the bit.
#pragma once

#include <cstdint>

namespace tenon {

// The longest side of an image that is resampled.
inline constexpr int64_t kLongestSide = 65535;

// Weights are whole numbers that add up to 2^kWeightBits, apart from rounding.
inline constexpr int kWeightBits = 22;

// One axis: `extent` pixels are resized to `resized`, and what is wanted begins at pixel `offset` of these.
struct ResampleAxis {
  int64_t extent, resized, offset;
};

// Pixels [first, first + count) of the extent.
struct Taps {
  int64_t first, count;
};

// The most taps where at most `extent` pixels become at least `count`.
int64_t most_taps(int64_t extent, int64_t count);

// The pixels that make pixel `i` of what is wanted, and their weights.
Taps taps_of(const ResampleAxis& axis, int64_t i, int32_t* weights);

}  // namespace tenon
