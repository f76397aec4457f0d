// The rows of depthwise convolution; see depthwise.h for the contract.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/depthwise.cc"
#include "kernels/depthwise.h"

#include "kernels/for_each_target.h"

#ifdef TENON_TARGET
  #include "kernels/lanes.h"
  #include "kernels/math.h"

  #include "kernels/activate.h"

// Pixels with a sum each in a register: enough that multiply-adds need not wait for each other, and that a
// filter is loaded for many of them.
constexpr int kPixels = 8;

template <int Pixels, class In, class Out, class Activate>
void pixels_at(const DepthwiseSpan& s, int64_t first, Activate activate) {
  const In* in = reinterpret_cast<const In*>(s.in) + first * s.in_step;
  const float *filters = s.filters, *bias = s.bias;
  Out* out = reinterpret_cast<Out*>(s.out) + first * s.out_step;
  const DepthwiseTap *taps = s.taps, *end = s.taps + s.tap_count;
  const int64_t in_step = s.in_step, out_step = s.out_step;
  for_vectors(s.channels, [=](int64_t c, auto lanes) {
    V sum[Pixels] = {};
    for (const DepthwiseTap* tap = taps; tap < end; ++tap) {
      const V filter = lanes.load(filters + tap->filter + c);
      const In* at = in + tap->in + c;
      for (int p = 0; p < Pixels; ++p) sum[p] = fma(lanes.load(at + p * in_step), filter, sum[p]);
    }
    const V offset = bias ? lanes.load(bias + c) : V{};
    for (int p = 0; p < Pixels; ++p)
      lanes.store(out + p * out_step + c, activate(bias ? sum[p] + offset : sum[p]));
  });
}

// Blocks of kPixels, then of halves of that.
template <int Pixels, class In, class Out, class Activate>
void pixels_from(const DepthwiseSpan& s, int64_t first, Activate activate) {
  for (; first + Pixels <= s.pixels; first += Pixels) pixels_at<Pixels, In, Out>(s, first, activate);
  if constexpr (Pixels > 1) pixels_from<Pixels / 2, In, Out>(s, first, activate);
}

template <class In, class Out>
void typed_span(const DepthwiseSpan& s) {
  switch (s.activation) {
    case Activation::none:
      return pixels_from<kPixels, In, Out>(s, 0, [](V v) { return v; });
    case Activation::relu:
      return pixels_from<kPixels, In, Out>(s, 0, [](V v) { return activate(v, Activation::relu); });
    case Activation::relu6:
      return pixels_from<kPixels, In, Out>(s, 0, [](V v) { return activate(v, Activation::relu6); });
    default:  // long ones: over the finished sums
      pixels_from<kPixels, In, Out>(s, 0, [](V v) { return v; });
  }
  for (int64_t p = 0; p < s.pixels; ++p) {
    Out* out = reinterpret_cast<Out*>(s.out) + p * s.out_step;
    map(
        s.channels, out, [which = s.activation](V v) { return activate(v, which); }, out);
  }
}

void span(const DepthwiseSpan& s) {
  with_storage(s.in_type, [&](auto in) {
    with_storage(s.out_type, [&](auto out) { typed_span<decltype(in), decltype(out)>(s); });
  });
}

// Taps with a sum each in a register: those of a 3x3 filter.
constexpr int kTaps = 9;

template <int Taps, class T>
void taps_from(const DepthwiseGradient& g, const DepthwiseTap* taps) {
  const T *in = reinterpret_cast<const T*>(g.in), *dy = reinterpret_cast<const T*>(g.dy);
  float* filters = g.filters;
  const int64_t rows = g.rows, pixels = g.pixels, in_step = g.in_step, dy_step = g.dy_step;
  const bool ahead = g.fetches_ahead;
  const int64_t in_row_step = g.in_row_step, dy_row_step = g.dy_row_step;
  for_vectors(g.channels, [=](int64_t c, auto lanes) {
    V sum[Taps] = {};
    const T* x[Taps];
    for (int t = 0; t < Taps; ++t) x[t] = in + taps[t].in + c;
    for (int64_t r = 0; r < rows; ++r) {
      const T* row = dy + r * dy_row_step + c;
      for (int64_t p = 0; p < pixels; ++p) {
        const V d = lanes.load(row + p * dy_step);
        const int64_t at = r * in_row_step + p * in_step;
        for (int t = 0; t < Taps; ++t) sum[t] = fma(d, lanes.load(x[t] + at), sum[t]);
        if (!ahead) continue;
        __builtin_prefetch(x[Taps - 1] + at + rows * in_row_step);
        __builtin_prefetch(row + rows * dy_row_step + p * dy_step);
      }
    }
    for (int t = 0; t < Taps; ++t) {
      float* total = filters + taps[t].filter + c;
      lanes.store(total, lanes.load(total) + sum[t]);
    }
  });
}

// The last taps, fewer than kTaps.
template <int Taps, class T>
void last_taps(const DepthwiseGradient& g, const DepthwiseTap* taps, int64_t count) {
  if constexpr (Taps > 0) {
    if (count == Taps) return taps_from<Taps, T>(g, taps);
    last_taps<Taps - 1, T>(g, taps, count);
  }
}

void gradient(const DepthwiseGradient& g) {
  with_storage(g.type, [&](auto stored) {
    using T = decltype(stored);
    int64_t tap = 0;
    for (; tap + kTaps <= g.tap_count; tap += kTaps) taps_from<kTaps, T>(g, g.taps + tap);
    last_taps<kTaps - 1, T>(g, g.taps + tap, g.tap_count - tap);
  });
}

constexpr DepthwiseKernels kTable = {&span, &gradient};

#else

namespace tenon {

const DepthwiseKernels& depthwise_kernels(Target target) { return TENON_TABLE(target); }

}  // namespace tenon

#endif
