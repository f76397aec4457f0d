// Sums of products of bf16 over many rows, of which every product takes two: what gradients of weights are
// made of, for processors with a dot product of pairs. A word holds a channel's values in both rows of a
// pair, so that neither operand is transposed. Words lie in panels of 16 channels: [panel][pair][channel].
#pragma once

#include <cstdint>

#include "base/bf16.h"

namespace tenon {

inline constexpr int64_t kPairPanel = 16;  // channels

// Panels of pairs of neighbouring rows. A last row without another is paired with zeros.
struct RowPairs {
  const bf16* from;
  int64_t ld, rows;
  int64_t channels;
  uint32_t* to;   // whole panels are written, zeros beyond the channels
  int64_t panel;  // words
};

// What is fetched into the second cache level meanwhile.
struct PairsAhead {
  const bf16* from;
  int64_t lines;  // of 64 bytes
};

// sums[point][o][c] (+)= sum over rows of a[point][row][o] * b[point][row][c], for whole panels of c, and o
// up to a multiple of 16.
struct PairSums {
  const uint32_t *a, *b;
  int64_t a_point, b_point, panel;  // words
  int64_t points, pairs;
  int64_t o, c_panels;
  float* sums;
  int64_t sum_point, sum_row;
  bool accumulate;
  PairsAhead ahead[2];
};

struct PairKernels {
  void (*pack)(const RowPairs& rows);
  void (*sum)(const PairSums& sums);
};

// Null where this build has no such kernels for its architecture.
const PairKernels* pairs_avx512bf16();

}  // namespace tenon
