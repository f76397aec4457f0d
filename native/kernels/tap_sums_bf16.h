// Sums of products over pixels, on AMX tiles: what the gradient of a convolution's weights is made of.
// sum[o][c] = sum over k of a[k][o] b[k][c], where k counts the images of a group within a pixel, and pixels
// within a row: two images make a pair, so that a tap of the filter only says where b begins.
//
// A tile holds kTapDepth of K: 16 output channels x 32 k of a, or 16 pairs x 16 channels x 2 of b.
#pragma once

#include <cstdint>

#include "base/bf16.h"
#include "base/cpu.h"

namespace tenon {

inline constexpr int64_t kTapDepth = 32;            // of K in one tile
inline constexpr int64_t kTapTile = 16;             // channels in one tile
inline constexpr int64_t kTileBf16 = 512;           // elements of a tile of a or b
inline constexpr int64_t kTapBlock = 4 * 256;       // floats of a block of sums, 32 x 32
inline constexpr int64_t kTapStrip = 2 * kTapTile;  // output channels of a block

// Neighbouring tiles of K: `steps` tiles of a and of one or two columns of b, each 1 KB behind the last.
struct TapRun {
  const bf16 *a, *b[2];
  int64_t steps;
};

// One block of sums, [row tile][column tile][16][16]: the runs that add to it.
struct TapJob {
  const TapRun* runs;
  int64_t count;
  float* sums;
  bool wide;  // two columns of b, else one
};

// All jobs for the strips of 32 output channels from `strip` on, below `strips`.
struct TapSums {
  const TapJob* jobs;
  int64_t count;
  int64_t strip, strips;
  int64_t row_tiles;   // of 16 output channels
  int64_t a_tile;      // elements between row tiles of a
  int64_t sums_strip;  // floats between strips of sums
  bool accumulate;     // sums += instead of sums =
};

// to[panel][pixel][16] = (even, odd), 16 channels as one word each. Beyond the channels it is zero or what
// follows in memory: nobody reads the sums of those columns.
struct PixelPairs {
  const bf16 *even, *odd;
  const bf16* end;             // of what may be read
  int64_t pixels, pixel_step;  // elements
  int64_t channels;
  uint32_t* to;
  int64_t to_pixel, to_panel;  // words
};

// Tiles of a from pixels of a row: to[channel tile][step][16][32]. K beyond the images and pixels is zero.
struct PixelTiles {
  const bf16* from;
  int64_t images, image_step;  // elements
  int64_t pixels, pixel_step;
  int64_t group;  // images of the group, even, a divisor of 32
  int64_t channels;
  bf16* to;
  int64_t to_tile;  // elements
};

struct TapSumKernels {
  void (*sum)(const TapSums&);
  void (*pack_pairs)(const PixelPairs&);
  void (*pack_tiles)(const PixelTiles&);
};

// Null where this process computes bf16 products otherwise.
const TapSumKernels* tap_sum_kernels(Target target);

using SumTaps = void (*)(const TapSums&);
SumTaps sum_taps_amx();           // null where this build has no AMX
SumTaps sum_taps_amx_software();  // over tiles in software

}  // namespace tenon
