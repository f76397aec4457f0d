// Resampling of images of bytes in whole numbers: along a row, then across rows. A pixel of the result is a
// weighted sum of pixels side by side, an even number of them. Weights add up to 2^kTapBits, and what lies
// between the two passes has kKeptBits behind the point, so that every product is one of 16-bit numbers. All
// instruction sets compute the same bits.
#pragma once

#include <cstdint>

#include "base/cpu.h"

namespace tenon {

inline constexpr int kTapBits = 14, kKeptBits = 7;

// How the pixels of a row come about. A pixel whose weight is 0 has no influence and need not exist.
struct RowTaps {
  int64_t pixels, channels;
  int64_t taps;            // of each pixel; even
  const int32_t* first;    // [pixels]: which pixel the taps begin with; ascending or descending
  const int16_t* weights;  // [taps / 2][pixels][2]
};

// What one instruction set offers.
struct ResampleRows {
  // Rows between the passes are this many elements longer than they need be; what stands there is undefined.
  static constexpr int64_t kSlack = 32;

  // out[x][c] = sum over t of weights[x][t] * row[first[x] + t][c]. Reads nothing from `end` on.
  void (*across)(const RowTaps& taps, const uint8_t* row, const uint8_t* end, int16_t* out);
  // y[i] = sum over t of weights[t] * rows[t][i], rounded.
  void (*down)(const int16_t* const* rows, const int16_t* weights, int64_t taps, int64_t n, uint8_t* y);
};

// The reference has the sums as they stand here.
const ResampleRows& resample_rows(Target target);

}  // namespace tenon
