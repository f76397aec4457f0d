// Pooling as its definition reads, in double: every output looks at every tap of its window and
// skips those outside of the image; the backward passes walk the outputs and add to dx. The
// reference of native/kernels/pool*.cc.
#include <algorithm>
#include <limits>

#include "kernels/pool_operands.h"

namespace tenon {
namespace {

// Calls f(index into the image, tap) for every element of output (n, oy, ox, c)'s window, with the attributes
// as they came.
template <class F>
void for_window(const Call& call, const TensorView& image, bool dilated, const int64_t at[4], F&& f) {
  constexpr int kKernel = kMaxPoolAttrs["kernel"], kStride = kMaxPoolAttrs["stride"];
  constexpr int kPadding = kMaxPoolAttrs["padding"], kDilation = kMaxPoolAttrs["dilation"];
  static_assert(kPadding == kAvgPoolAttrs["padding"]);
  const int64_t kh = call.attr(kKernel), kw = call.attr(kKernel + 1);
  const int64_t dh = dilated ? call.attr(kDilation) : 1, dw = dilated ? call.attr(kDilation + 1) : 1;
  const int64_t height = image.dims[1], width = image.dims[2], channels = image.dims[3];
  for (int64_t i = 0; i < kh; ++i) {
    for (int64_t j = 0; j < kw; ++j) {
      const int64_t y = at[1] * call.attr(kStride) + i * dh - call.attr(kPadding);
      const int64_t x = at[2] * call.attr(kStride + 1) + j * dw - call.attr(kPadding + 2);
      if (y < 0 || y >= height || x < 0 || x >= width) continue;
      f(((at[0] * height + y) * width + x) * channels + at[3], i * kw + j);
    }
  }
}

// Calls f(index into y, its coordinates) for every output.
template <class F>
void for_outputs(const TensorView& y, F&& f) {
  int64_t index = 0;
  for (int64_t n = 0; n < y.dims[0]; ++n)
    for (int64_t oy = 0; oy < y.dims[1]; ++oy)
      for (int64_t ox = 0; ox < y.dims[2]; ++ox)
        for (int64_t c = 0; c < y.dims[3]; ++c) {
          const int64_t at[4] = {n, oy, ox, c};
          f(index++, at);
        }
}

int64_t tap_at(const MaxPool& op, int64_t i) {
  return op.wide_taps ? op.tap.as<int32_t>()[i] : op.tap.as<uint8_t>()[i];
}

void set_tap(const MaxPool& op, int64_t i, int64_t tap) {
  if (!op.has_taps) return;
  if (op.wide_taps) {
    op.tap.as<int32_t>()[i] = static_cast<int32_t>(tap);
  } else {
    op.tap.as<uint8_t>()[i] = static_cast<uint8_t>(tap);
  }
}

template <class Operands, bool kBackward>
Cost prepare(const Call& call) {
  Operands(call, kBackward, DType::f64);
  return {};
}

void max_forward(const Call& call) {
  const MaxPool op(call, false, DType::f64);
  for_outputs(op.pooled, [&](int64_t o, const int64_t at[4]) {
    double best = -std::numeric_limits<double>::infinity();
    int64_t winner = -1;
    for_window(call, op.image, true, at, [&](int64_t i, int64_t tap) {
      const double v = op.image.as<double>()[i];
      const bool beats = v > best || (v != v && best == best);
      if (winner >= 0 && !beats) return;
      best = v;
      winner = tap;
    });
    op.pooled.as<double>()[o] = best;
    set_tap(op, o, std::max<int64_t>(winner, 0));
  });
}

void max_backward(const Call& call) {
  const MaxPool op(call, true, DType::f64);
  std::fill_n(op.image.as<double>(), op.image.numel(), 0.0);
  for_outputs(op.pooled, [&](int64_t o, const int64_t at[4]) {
    for_window(call, op.image, true, at, [&](int64_t i, int64_t tap) {
      if (tap == tap_at(op, o)) op.image.as<double>()[i] += op.pooled.as<double>()[o];
    });
  });
}

double divisor(const Call& call, const TensorView& image, const int64_t at[4]) {
  constexpr int kKernel = kAvgPoolAttrs["kernel"];
  if (call.attr(kAvgPoolAttrs["countIncludePad"]) != 0)
    return static_cast<double>(call.attr(kKernel) * call.attr(kKernel + 1));
  double count = 0;
  for_window(call, image, false, at, [&](int64_t, int64_t) { ++count; });
  return count;
}

void avg_forward(const Call& call) {
  const AvgPool op(call, false, DType::f64);
  for_outputs(op.pooled, [&](int64_t o, const int64_t at[4]) {
    double sum = 0;
    for_window(call, op.image, false, at, [&](int64_t i, int64_t) { sum += op.image.as<double>()[i]; });
    op.pooled.as<double>()[o] = sum / divisor(call, op.image, at);
  });
}

void avg_backward(const Call& call) {
  const AvgPool op(call, true, DType::f64);
  std::fill_n(op.image.as<double>(), op.image.numel(), 0.0);
  for_outputs(op.pooled, [&](int64_t o, const int64_t at[4]) {
    const double share = op.pooled.as<double>()[o] / divisor(call, op.image, at);
    for_window(call, op.image, false, at, [&](int64_t i, int64_t) { op.image.as<double>()[i] += share; });
  });
}

const KernelRegistrar max_pool("max_pool2d", Target::ref, prepare<MaxPool, false>, max_forward,
                               kMaxPoolAttrs);
const KernelRegistrar max_pool_backward("max_pool2d_backward", Target::ref, prepare<MaxPool, true>,
                                        max_backward, kMaxPoolAttrs);
const KernelRegistrar avg_pool("avg_pool2d", Target::ref, prepare<AvgPool, false>, avg_forward,
                               kAvgPoolAttrs);
const KernelRegistrar avg_pool_backward("avg_pool2d_backward", Target::ref, prepare<AvgPool, true>,
                                        avg_backward, kAvgPoolAttrs);

}  // namespace
}  // namespace tenon
