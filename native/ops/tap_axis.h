// One axis of a convolution, and which of its taps reach which output positions: what every driver that sums
// over taps shares.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/conv_geom.h"

namespace tenon {

// Output positions first + i*out_step, i < count, and the taps that reach them: tap j is number tap0 +
// j*tap_step of the kernel and meets input i*in_step + in0 + j*gap.
struct Phase {
  int64_t first, count;
  int64_t taps, tap0, tap_step;
  int64_t in0, gap;

  // The same taps in ascending order of their numbers in the kernel.
  Phase by_number() const;
};

// Forward has a single phase. The adjoint (backward-data: `in` is dy's size, `out` dx's) has one for each
// remainder of the stride: dx[i] collects dy[o] * w[r] where o*stride = i + padding - r*dilation, and for the
// pixels of one remainder the taps r that divide evenly are an arithmetic progression. A phase may be without
// taps: its pixels are zero.
struct TapAxis {
  int64_t in, out;
  int64_t kernel, stride, padding, dilation;
  bool adjoint;

  int64_t phases() const { return adjoint ? std::min(stride, out) : 1; }
  int64_t in_step() const { return adjoint ? 1 : stride; }
  int64_t out_step() const { return adjoint ? stride : 1; }
  // Its taps are in ascending order of the input positions that they meet.
  Phase phase(int64_t index) const;
};

// Height and width of a convolution, or of its adjoint.
struct TapAxes {
  TapAxis h, w;
  static TapAxes make(const ConvGeom& g, bool adjoint);
};

}  // namespace tenon
