// Spans of outputs of a depthwise convolution (DepthwiseSpan of depthwise.h). Included once per target after
// lanes.h, register_tile.h, clip.h and streaming.h (no include guard on purpose).

// Sums in registers: enough that multiply-adds need not wait for each other. They are those of as many pixels
// as there are, for which a filter is loaded once, and of several vectors of channels where pixels are few:
// at the edges of an image, and in what its width leaves over.
constexpr int kSums = 8;

// Past the caches, lines are written whole.
constexpr int kStreamedPixels = W <= 8 ? kSums * W / 16 : kSums;

// Asks for what outputs of the next row will read first below these outputs, a part of it at each of their
// channels: in the order of addresses where pixels are whole, which some processors fetch twice as fast.
template <int Pixels, int Vectors, class In>
__attribute__((always_inline)) inline void fetch_below(const DepthwiseSpan& s, const In* in, int64_t c) {
  const bool whole = s.channels == s.image_channels;
  const int64_t pixels = Pixels * s.ahead_columns;
  const In* at = in + s.ahead + (whole ? pixels * c : c);
  for (int64_t row = 0; row < s.ahead_rows; ++row, at += s.ahead_row_step) {
    if (whole)
      prefetch_row(at, pixels * Vectors * W);
    else
      for (int64_t p = 0; p < pixels; ++p) prefetch_row(at + p * s.image_channels, Vectors * W);
  }
}

// Adds bias, activates and stores Pixels outputs of Vectors vectors of channels from c on.
template <bool Stream, int Pixels, int Vectors, class Out, class Lanes, class Activate>
inline void finish(const DepthwiseSpan& s, V (&sum)[Pixels][Vectors], Out* out, int64_t c, Lanes lanes,
                   Activate activate) {
  const int64_t out_step = s.out_step;
  // Added to a sum, -0 leaves it as it is; a branch here would send the sums through memory.
  V bias[1][Vectors];
  each(bias, [&](V& b, int, int v) { b = s.bias ? lanes.load(s.bias + c + v * W) : splat(-0.0f); });
  each(sum, [&](V& y, int p, int v) {
    put(out + p * out_step + c + v * W, activate(y + bias[0][v]), lanes, Stream);
  });
}

// Pixels outputs, Vectors vectors of channels from c on.
template <bool Stream, int Pixels, int Vectors, class In, class Out, class Lanes, class Activate>
inline void channels_at(const DepthwiseSpan& s, const In* in, Out* out, int64_t c, Lanes lanes,
                        Activate activate) {
  const int64_t in_step = s.in_step;
  V sum[Pixels][Vectors];
  clear(sum);
  for (const DepthwiseTap *tap = s.taps, *end = tap + s.tap_count; tap < end; ++tap) {
    const float* filters = s.filters + tap->filter + c;
    const In* at = in + tap->in + c;
    V filter[1][Vectors];
    each(filter, [&](V& f, int, int v) { f = lanes.load(filters + v * W); });
    each(sum, [&](V& y, int p, int v) { y = fma(lanes.load(at + p * in_step + v * W), filter[0][v], y); });
  }
  finish<Stream>(s, sum, out, c, lanes, activate);
}

// The channels from c on: vectors in groups, then in halves of that, then what is left of one.
template <bool Stream, int Pixels, int Vectors, class In, class Out, class Activate>
void channels_from(const DepthwiseSpan& s, const In* in, Out* out, int64_t c, Activate activate) {
  for (; c + Vectors * W <= s.channels; c += Vectors * W) {
    fetch_below<Pixels, Vectors>(s, in, c);
    channels_at<Stream, Pixels, Vectors>(s, in, out, c, WholeLanes{}, activate);
  }
  if constexpr (Vectors > 1)
    channels_from<Stream, Pixels, Vectors / 2>(s, in, out, c, activate);
  else if (c < s.channels)
    channels_at<Stream, Pixels, 1>(s, in, out, c, FirstLanes{s.channels - c}, activate);
}

// Blocks of Pixels, then of halves of that.
template <bool Stream, int Pixels, class In, class Out, class Activate>
void pixels_from(const DepthwiseSpan& s, int64_t first, Activate activate) {
  for (; first + Pixels <= s.pixels; first += Pixels) {
    const In* in = reinterpret_cast<const In*>(s.in) + first * s.in_step;
    Out* out = reinterpret_cast<Out*>(s.out) + first * s.out_step;
    channels_from<Stream, Pixels, kSums / Pixels>(s, in, out, 0, activate);
  }
  if constexpr (Pixels > 1) pixels_from<Stream, Pixels / 2, In, Out>(s, first, activate);
}

// What output P, Step columns behind the one before it, takes from column Q of a row of taps.
template <int Q, int Step, int P, int Taps, int Pixels>
__attribute__((always_inline)) inline void add_column(V x, const V (&filter)[1][Taps], V (&sum)[Pixels][1]) {
  constexpr int kTap = Q - Step * P;
  if constexpr (kTap >= 0 && kTap < Taps) sum[P][0] = fma(x, filter[0][kTap], sum[P][0]);
}

template <int Q, int Step, int Taps, int Pixels, int... P>
__attribute__((always_inline)) inline void add_column(V x, const V (&filter)[1][Taps], V (&sum)[Pixels][1],
                                                      std::integer_sequence<int, P...>) {
  (add_column<Q, Step, P>(x, filter, sum), ...);
}

template <int Q, int Step, int Taps, int Pixels>
__attribute__((always_inline)) inline void add_column(V x, const V (&filter)[1][Taps], V (&sum)[Pixels][1]) {
  add_column<Q, Step>(x, filter, sum, std::make_integer_sequence<int, Pixels>());
}

// As channels_at for kSums pixels next to each other, but what several outputs read is loaded, and widened,
// once. Each output still meets its taps in their order.
template <int Taps, class In, class Out, class Activate, int... Q>
inline void columns_at(const DepthwiseSpan& s, const In* in, Out* out, int64_t c, Activate activate,
                       std::integer_sequence<int, Q...>) {
  const int64_t pixel = s.image_channels;
  V sum[kSums][1];
  clear(sum);
  for (const DepthwiseTap *tap = s.taps, *end = tap + s.tap_count; tap < end; tap += Taps) {
    const In* at = in + tap->in + c;
    V filter[1][Taps];
    each(filter, [&](V& f, int, int t) { f = load(s.filters + tap[t].filter + c); });
    (add_column<Q, 1>(load(at + Q * pixel), filter, sum), ...);
  }
  finish<false>(s, sum, out, c, WholeLanes{}, activate);
}

// Whether taps come in rows of `taps` columns, and outputs lie next to each other.
bool in_columns(const DepthwiseSpan& s, int64_t taps) {
  if (s.tap_count % taps != 0 || s.in_step != s.image_channels) return false;
  for (int64_t t = 0; t < s.tap_count; ++t)
    if (t % taps != 0 && s.taps[t].in != s.taps[t - 1].in + s.image_channels) return false;
  return true;
}

// As many pixels as go by columns of taps; returns how many.
template <int Taps, class In, class Out, class Activate>
int64_t pixels_by_columns(const DepthwiseSpan& s, Activate activate) {
  if (s.pixels < kSums || !in_columns(s, Taps)) return 0;
  int64_t first = 0;
  for (; first + kSums <= s.pixels; first += kSums) {
    const In* in = reinterpret_cast<const In*>(s.in) + first * s.in_step;
    Out* out = reinterpret_cast<Out*>(s.out) + first * s.out_step;
    int64_t c = 0;
    for (; c + W <= s.channels; c += W) {
      fetch_below<kSums, 1>(s, in, c);
      columns_at<Taps>(s, in, out, c, activate, std::make_integer_sequence<int, kSums + Taps - 1>());
    }
    if (c < s.channels) channels_at<false, kSums, 1>(s, in, out, c, FirstLanes{s.channels - c}, activate);
  }
  return first;
}

template <class In, class Out, class Activate>
void all_pixels(const DepthwiseSpan& s, bool stream, Activate activate) {
  if constexpr (std::is_same_v<Out, real>) {
    if (stream) {
      pixels_from<true, kStreamedPixels, In, Out>(s, 0, activate);
      end_streaming();
      return;
    }
  }
  int64_t first = 0;
  if constexpr (std::is_same_v<In, bf16> && std::is_same_v<Out, bf16>) {  // f32 is limited elsewhere
    first = pixels_by_columns<3, In, Out>(s, activate);
    if (first == 0) first = pixels_by_columns<5, In, Out>(s, activate);
  }
  pixels_from<false, kSums, In, Out>(s, first, activate);
}

// With activations that clip; the long ones are left out.
template <class In, class Out>
void typed_span(const DepthwiseSpan& s) {
  const bool later = s.activation != Activation::none && !clips(s.activation);
  // Pixels with others between them, which another span writes, are slower past the caches where a line takes
  // several stores (measured).
  const bool lines = W * sizeof(Out) >= 64 || s.out_step == s.image_channels;
  const bool stream =
      !later && lines && streams(reinterpret_cast<Out*>(s.out), s.image_channels, s.out_bytes);
  if (!clips(s.activation)) return all_pixels<In, Out>(s, stream, [](V v) { return v; });
  all_pixels<In, Out>(s, stream, Clip(clip_bounds(s.activation)));
}
