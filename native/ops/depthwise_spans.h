// An output row of a depthwise convolution, cut in spans of pixels that the same taps reach.
#pragma once

#include <cstdint>

#include "kernels/depthwise.h"
#include "ops/tap_axis.h"

namespace tenon {

struct DepthwiseAxes : TapAxes {
  int64_t c;     // floats, or other elements, from an input pixel to the next one
  int64_t held;  // rows of the input that memory holds: row r is at r % held
};

// `pixels` outputs of a row, out_step() columns apart from `column` on.
struct DepthwisePixels {
  int64_t column, pixels;
  int64_t tap_count;
  int64_t below;  // the first input element under those that its taps reach
};

// Whether rows of images come from memory: the second-level cache does not keep an image.
inline bool is_far(int64_t pixels, int64_t channels, const TensorView& image) {
  constexpr int64_t kFarImage = 1 << 19;  // bytes
  return pixels * channels * static_cast<int64_t>(size_of(image.dtype)) >= kFarImage;
}

// Positions of the phase that all its taps reach: [lo, hi), and lo <= hi.
inline Range whole_positions(const TapAxis& axis, const Phase& p) {
  if (p.taps == 0) return {0, p.count};
  const Range first = inside(0, p.count, axis.in_step(), p.in0, axis.in);
  const Range last = inside(0, p.count, axis.in_step(), p.in0 + (p.taps - 1) * p.gap, axis.in);
  const int64_t lo = std::min(p.count, std::max(first.lo, last.lo));
  return {lo, std::max(lo, std::min(first.hi, last.hi))};
}

// Taps of the phase that reach a position.
inline Range taps_at(const TapAxis& axis, const Phase& p, int64_t position) {
  return inside(0, p.taps, p.gap, position * axis.in_step() + p.in0, axis.in);
}

// fn(span) for all spans of an output row, with the span's taps in `taps`: where they read is relative to the
// image, and filters lie as [tap][channels].
template <class Fn>
void for_spans(const DepthwiseAxes& a, int64_t row, int64_t channels, DepthwiseTap* taps, Fn&& fn) {
  const Phase h = a.h.phase(row % a.h.out_step());
  const int64_t i = row / a.h.out_step();
  const Range rows = taps_at(a.h, h, i);
  for (int64_t index = 0; index < a.w.phases(); ++index) {
    const Phase v = a.w.phase(index);
    const auto below = [&](int64_t j) {
      const int64_t in_row = i * a.h.in_step() + h.in0 + (rows.hi - 1) * h.gap + 1;
      return (in_row * a.w.in + j * a.w.in_step() + v.in0) * a.c;
    };
    const auto span = [&](int64_t j, int64_t pixels, const Range& columns) {
      int64_t count = 0;
      for (int64_t r = rows.lo; r < rows.hi; ++r) {
        const int64_t in_row = (i * a.h.in_step() + h.in0 + r * h.gap) % a.held;
        for (int64_t s = columns.lo; s < columns.hi; ++s) {
          const int64_t in_column = j * a.w.in_step() + v.in0 + s * v.gap;
          const int64_t tap = (h.tap0 + r * h.tap_step) * a.w.kernel + v.tap0 + s * v.tap_step;
          taps[count++] = {(in_row * a.w.in + in_column) * a.c, tap * channels};
        }
      }
      fn(DepthwisePixels{v.first + j * a.w.out_step(), pixels, count, below(j)});
    };
    const Range whole = whole_positions(a.w, v);
    for (int64_t j = 0; j < whole.lo; ++j) span(j, 1, taps_at(a.w, v, j));
    if (whole.size() > 0) span(whole.lo, whole.size(), {0, v.taps});
    for (int64_t j = whole.hi; j < v.count; ++j) span(j, 1, taps_at(a.w, v, j));
  }
}

}  // namespace tenon
