// The rows of depthwise convolution; see depthwise.h for the contract.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/depthwise.cc"
#include "kernels/depthwise.h"
#include "kernels/streamed_bytes.h"

#include "kernels/for_each_target.h"

#ifdef TENON_TARGET
  #include "kernels/lanes.h"
  #include "kernels/math.h"
  #include "kernels/register_tile.h"

  #include "kernels/clip.h"

  #include "kernels/activate.h"

  #include "kernels/streaming.h"

  #include "kernels/depthwise_span.h"

template <class In, class Out>
void activated_span(const DepthwiseSpan& s) {
  typed_span<In, Out>(s);
  if (s.activation == Activation::none || clips(s.activation)) return;
  for (int64_t p = 0; p < s.pixels; ++p) {
    Out* out = reinterpret_cast<Out*>(s.out) + p * s.out_step;
    map(
        s.channels, out, [which = s.activation](V v) { return activate(v, which); }, out);
  }
}

void span(const DepthwiseSpan& s) {
  with_storage(s.in_type, [&](auto in) {
    with_storage(s.out_type, [&](auto out) { activated_span<decltype(in), decltype(out)>(s); });
  });
}

// Taps with a sum each in a register: those of a 3x3 filter.
constexpr int kTaps = 9;

template <int Taps, bool Fetches, class T>
void taps_from(const DepthwiseGradient& g) {
  const DepthwiseTap* taps = g.taps;
  const T *in = reinterpret_cast<const T*>(g.in), *dy = reinterpret_cast<const T*>(g.dy);
  float* filters = g.filters;
  const int64_t rows = g.rows, pixels = g.pixels, in_step = g.in_step, dy_step = g.dy_step;
  const T *ahead_in = reinterpret_cast<const T*>(g.ahead_in),
          *ahead_dy = reinterpret_cast<const T*>(g.ahead_dy);
  const int64_t ratio = g.ahead_ratio;
  const int64_t in_row_step = g.in_row_step, dy_row_step = g.dy_row_step;
  for_vectors(g.channels, [=](int64_t c, auto lanes) {
    V sum[1][Taps];
    clear(sum);
    const T* x[Taps];
    for (int t = 0; t < Taps; ++t) x[t] = in + taps[t].in + c;
    for (int64_t r = 0; r < rows; ++r) {
      const T* row = dy + r * dy_row_step + c;
      for (int64_t p = 0; p < pixels; ++p) {
        const V d = lanes.load(row + p * dy_step);
        const int64_t at = r * in_row_step + p * in_step;
        each(sum, [&](V& y, int, int t) { y = fma(d, lanes.load(x[t] + at), y); });
        if (!Fetches) continue;
        const int64_t done = (c * rows + r * W) * pixels + p * W;
        prefetch_row(ahead_in + done * ratio, W * ratio);
        __builtin_prefetch(ahead_dy + done);
      }
    }
    each(sum, [&](V& y, int, int t) {
      float* total = filters + taps[t].filter + c;
      lanes.store(total, lanes.load(total) + y);
    });
  });
}

// The last taps, fewer than kTaps.
template <int Taps, class T>
void last_taps(const DepthwiseGradient& g) {
  if constexpr (Taps > 0) {
    if (g.tap_count == Taps) return taps_from<Taps, false, T>(g);
    last_taps<Taps - 1, T>(g);
  }
}

void gradient(const DepthwiseGradient& g) {
  with_storage(g.type, [&](auto stored) {
    using T = decltype(stored);
    DepthwiseGradient rest = g;
    bool fetches = g.ahead_dy != nullptr;
    for (; rest.tap_count >= kTaps; rest.tap_count -= kTaps, rest.taps += kTaps) {
      fetches ? taps_from<kTaps, true, T>(rest) : taps_from<kTaps, false, T>(rest);
      fetches = false;
    }
    last_taps<kTaps - 1, T>(rest);
  });
}

  #if defined(TENON_IS_AVX512) || defined(TENON_IS_NEON)
    #include "kernels/depthwise_rows.h"

bool rows(const DepthwiseRows& r) {
  return r.span.in_type == DType::f32 && r.span.out_type == DType::f32 && typed_rows<float>(r);
}

constexpr DepthwiseKernels kTable = {&span, &gradient, &rows};
  #else
constexpr DepthwiseKernels kTable = {&span, &gradient, nullptr};
  #endif

#else

namespace tenon {

const DepthwiseKernels& depthwise_kernels(Target target) { return TENON_TABLE(target); }

}  // namespace tenon

#endif
