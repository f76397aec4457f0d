// The rows of depthwise convolution; see depthwise.h for the contract.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/depthwise.cc"
#include "kernels/depthwise.h"
#include "kernels/streamed_bytes.h"

#include "kernels/for_each_target.h"

#ifdef TENON_TARGET
  #include "kernels/lanes.h"
  #include "kernels/math.h"

  #include "kernels/activate.h"

  #include "kernels/streaming.h"

// Pixels and vectors of channels with a sum each in a register: enough that multiply-adds need not wait for
// each other, and that a filter is loaded for several pixels.
struct Cached {
  static constexpr int kPixels = 8, kVectors = 1;
  static constexpr bool kStream = false;
};

// Past the caches, lines are written whole.
struct Streamed {
  static constexpr int kVectors = W <= 8 ? 16 / W : 1, kPixels = 8 / kVectors;
  static constexpr bool kStream = true;
};

// Lines of the rows below, which outputs of the next row will read first: as many of them with every step
// along the channels as are due when the pixels at hand are done.
struct Below {
  const char* at;
  int64_t rows, row_bytes, step_bytes;

  template <class In>
  static Below of(const DepthwiseSpan& s, const In* in, int64_t pixels, int64_t step) {
    const int64_t size = sizeof(In), bytes = pixels * s.in_step * size;
    const int64_t steps = (s.channels + step - 1) / step;
    return {reinterpret_cast<const char*>(in + s.ahead), s.ahead_rows, s.ahead_row_step * size,
            (bytes + steps - 1) / steps};
  }
  void fetch() {
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = 0; i < step_bytes; i += 64) __builtin_prefetch(at + row * row_bytes + i);
    at += step_bytes;
  }
};

// Pixels outputs, Vectors vectors of channels from c on.
template <bool Stream, int Pixels, int Vectors, class In, class Out, class Lanes, class Activate>
inline void channels_at(const DepthwiseSpan& s, const In* in, Out* out, int64_t c, Lanes lanes,
                        Activate activate) {
  const int64_t in_step = s.in_step, out_step = s.out_step;
  V sum[Pixels][Vectors] = {};
  for (const DepthwiseTap *tap = s.taps, *end = tap + s.tap_count; tap < end; ++tap) {
    const float* filters = s.filters + tap->filter + c;
    const In* at = in + tap->in + c;
    V filter[Vectors];
    for (int v = 0; v < Vectors; ++v) filter[v] = lanes.load(filters + v * W);
    for (int p = 0; p < Pixels; ++p)
      for (int v = 0; v < Vectors; ++v)
        sum[p][v] = fma(lanes.load(at + p * in_step + v * W), filter[v], sum[p][v]);
  }
  for (int v = 0; v < Vectors; ++v) {
    const V offset = s.bias ? lanes.load(s.bias + c + v * W) : V{};
    for (int p = 0; p < Pixels; ++p) sum[p][v] = activate(s.bias ? sum[p][v] + offset : sum[p][v]);
  }
  for (int p = 0; p < Pixels; ++p)
    for (int v = 0; v < Vectors; ++v) put(out + p * out_step + c + v * W, sum[p][v], lanes, Stream);
}

template <class Shape, int Pixels, class In, class Out, class Activate>
void pixels_at(const DepthwiseSpan& s, int64_t first, Activate activate) {
  constexpr int kVectors = Shape::kVectors;
  constexpr bool kStream = Shape::kStream;
  const In* in = reinterpret_cast<const In*>(s.in) + first * s.in_step;
  Out* out = reinterpret_cast<Out*>(s.out) + first * s.out_step;
  Below below = Below::of(s, in, Pixels, kVectors * W);
  int64_t c = 0;
  for (; c + kVectors * W <= s.channels; c += kVectors * W) {
    below.fetch();
    channels_at<kStream, Pixels, kVectors>(s, in, out, c, WholeLanes{}, activate);
  }
  for (; kVectors > 1 && c + W <= s.channels; c += W)
    channels_at<kStream, Pixels, 1>(s, in, out, c, WholeLanes{}, activate);
  if (c < s.channels) channels_at<kStream, Pixels, 1>(s, in, out, c, FirstLanes{s.channels - c}, activate);
}

// Blocks of Pixels, then of halves of that.
template <class Shape, int Pixels, class In, class Out, class Activate>
void pixels_from(const DepthwiseSpan& s, int64_t first, Activate activate) {
  for (; first + Pixels <= s.pixels; first += Pixels) pixels_at<Shape, Pixels, In, Out>(s, first, activate);
  if constexpr (Pixels > 1) pixels_from<Shape, Pixels / 2, In, Out>(s, first, activate);
}

template <class In, class Out, class Activate>
void all_pixels(const DepthwiseSpan& s, bool stream, Activate activate) {
  if constexpr (std::is_same_v<Out, real>) {
    if (stream) {
      pixels_from<Streamed, Streamed::kPixels, In, Out>(s, 0, activate);
      end_streaming();
      return;
    }
  }
  pixels_from<Cached, Cached::kPixels, In, Out>(s, 0, activate);
}

template <class In, class Out>
void typed_span(const DepthwiseSpan& s) {
  const bool relu6 = s.activation == Activation::relu6, relu = s.activation == Activation::relu;
  const bool later =
      !relu && !relu6 && s.activation != Activation::none;  // the long ones, when all is summed
  // Pixels with others between them, which another span writes, are slower past the caches (measured).
  const bool stream =
      !later && s.out_step == s.channels && streams(reinterpret_cast<Out*>(s.out), s.channels, s.out_bytes);
  if (relu)
    all_pixels<In, Out>(s, stream, [](V v) { return activate(v, Activation::relu); });
  else if (relu6)
    all_pixels<In, Out>(s, stream, [](V v) { return activate(v, Activation::relu6); });
  else
    all_pixels<In, Out>(s, stream, [](V v) { return v; });
  for (int64_t p = 0; later && p < s.pixels; ++p) {
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
