// The geometry of 2-d pooling, the same object for forward and backward. Every axis is on its own: output o
// reads, as its tap t, the input position o * stride - before + t * dilation, where there is one; before is
// the padding above or on the left. That below or on the right only decides how many outputs there are.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/tensor.h"

namespace tenon {

// A half-open range of taps.
struct TapRange {
  int64_t begin;
  int64_t end;
  int64_t size() const { return end - begin; }
};

class PoolAxis {
 public:
  // padding: before and after the input. Throws std::invalid_argument unless the window makes sense: size,
  // stride, dilation at least 1, padding at most half the window on either side, and at least one output.
  PoolAxis(int64_t in, double size, double stride, const double padding[2], double dilation);

  int64_t in() const { return in_; }
  int64_t out() const { return out_; }
  int64_t size() const { return size_; }
  int64_t position(int64_t o, int64_t tap) const { return o * stride_ - before_ + tap * dilation_; }
  // The taps of output o that lie inside the input; empty only where a dilated window steps over
  // a tiny input.
  TapRange taps(int64_t o) const;
  // Windows tile the input: each position is read by at most one output.
  bool tiles() const { return stride_ == size_ && before_ == 0 && after_ == 0 && dilation_ == 1; }
  // The most pairs (tap, output) that read one input position.
  int64_t max_cover() const { return std::min(size_, out_); }
  // Calls f(tap, output) for every output that reads `position`, in order of taps.
  template <class F>
  void for_cover(int64_t position, F&& f) const {
    for (int64_t tap = 0; tap < size_; ++tap) {
      const int64_t start = position + before_ - tap * dilation_;
      if (start < 0) return;
      if (start % stride_ == 0 && start / stride_ < out_) f(tap, start / stride_);
    }
  }

 private:
  int64_t in_, out_, size_, stride_, before_, after_, dilation_;
};

struct PoolGeom {
  // window: kernel, stride (each for H and then W), padding (above, below, left, right) and dilation, as the
  // attributes of max pooling.
  // Throws std::invalid_argument unless x is [N, H, W, C] and both axes are good.
  PoolGeom(const TensorView& x, const double window[10]);

  int64_t n, c;
  PoolAxis h, w;
};

}  // namespace tenon
