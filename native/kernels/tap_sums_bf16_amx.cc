// The sums of tap_sums_bf16.h: a block of 32 x 32 in four tiles, two tiles of a and two of b a step.
#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/pragmas.h"
#include "kernels/tap_sums_bf16.h"

#if defined(__x86_64__)
  #include <immintrin.h>
TENON_PUSH_TARGET("amx-tile,amx-bf16")
#endif

namespace tenon {
namespace {

#include "kernels/amx.h"

constexpr int64_t kLine = 64;  // bytes: tiles lie dense
constexpr int64_t kTileFloats = 256;

template <int Rows, int Columns, class Tiles>
inline void begin_block(Tiles& tiles, const float* c, bool accumulate) {
  if (accumulate) {
    tiles.template load<0>(c, kLine);
    if constexpr (Columns == 2) tiles.template load<1>(c + kTileFloats, kLine);
    if constexpr (Rows == 2) tiles.template load<2>(c + 2 * kTileFloats, kLine);
    if constexpr (Rows == 2 && Columns == 2) tiles.template load<3>(c + 3 * kTileFloats, kLine);
  } else {
    tiles.template zero<0>();
    if constexpr (Columns == 2) tiles.template zero<1>();
    if constexpr (Rows == 2) tiles.template zero<2>();
    if constexpr (Rows == 2 && Columns == 2) tiles.template zero<3>();
  }
}

template <int Rows, int Columns, class Tiles>
inline void end_block(Tiles& tiles, float* c) {
  tiles.template store<0>(c, kLine);
  if constexpr (Columns == 2) tiles.template store<1>(c + kTileFloats, kLine);
  if constexpr (Rows == 2) tiles.template store<2>(c + 2 * kTileFloats, kLine);
  if constexpr (Rows == 2 && Columns == 2) tiles.template store<3>(c + 3 * kTileFloats, kLine);
}

template <int Rows, int Columns, class Tiles>
inline void sum_job(Tiles& tiles, const TapSums& s, const TapJob& job, int64_t strip) {
  float* c = job.sums + strip * s.sums_strip;
  begin_block<Rows, Columns>(tiles, c, s.accumulate);
  for (const TapRun* run = job.runs; run < job.runs + job.count; ++run) {
    const bf16 *low = run->a + strip * 2 * s.a_tile, *high = low + s.a_tile;
    const bf16 *b0 = run->b[0], *b1 = run->b[1];
    for (int64_t at = 0; at < run->steps * kTileBf16; at += kTileBf16) {
      tiles.template load<4>(low + at, kLine);
      tiles.template load<6>(b0 + at, kLine);
      tiles.template multiply<0>();
      if constexpr (Columns == 2) tiles.template load<7>(b1 + at, kLine);
      if constexpr (Columns == 2) tiles.template multiply<1>();
      if constexpr (Rows == 2) tiles.template load<5>(high + at, kLine);
      if constexpr (Rows == 2) tiles.template multiply<2>();
      if constexpr (Rows == 2 && Columns == 2) tiles.template multiply<3>();
    }
  }
  end_block<Rows, Columns>(tiles, c);
}

template <int Rows, class Tiles>
inline void sum_strip(Tiles& tiles, const TapSums& s, int64_t strip) {
  for (const TapJob* job = s.jobs; job < s.jobs + s.count; ++job) {
    if (job->count == 0 && s.accumulate) continue;
    if (job->wide) {
      sum_job<Rows, 2>(tiles, s, *job, strip);
    } else {
      sum_job<Rows, 1>(tiles, s, *job, strip);
    }
  }
}

template <class Tiles>
void sum_taps(const TapSums& s) {
  Tiles tiles;
  for (int64_t strip = s.strip; strip < s.strips; ++strip) {
    if (2 * strip + 1 < s.row_tiles) {
      sum_strip<2>(tiles, s, strip);
    } else {
      sum_strip<1>(tiles, s, strip);
    }
  }
}

}  // namespace

SumTaps sum_taps_amx_software() { return &sum_taps<SoftwareTiles>; }

#if defined(__x86_64__)
SumTaps sum_taps_amx() { return &sum_taps<HardwareTiles>; }
#else
SumTaps sum_taps_amx() { return nullptr; }
#endif

}  // namespace tenon

#if defined(__x86_64__)
TENON_POP_TARGET
#endif
