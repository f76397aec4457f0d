// Whole output rows of a depthwise convolution, two at a time (DepthwiseRows of depthwise.h). A pixel that
// is loaded goes to all outputs that it reaches, which are up to as many as the filter has taps. Included
// once per target after depthwise_span.h (no include guard on purpose), where there are registers for the
// sums of both.

constexpr int kFewPixels = kSums / 2;

// What one output row takes from an input row: the taps of its filter, and its sums.
template <int Taps, int Pixels>
struct RowSums {
  V filter[1][Taps], sum[Pixels][1];

  __attribute__((always_inline)) void load_filter(const float* filters, int64_t tap_step) {
    each(filter, [&](V& f, int, int t) { f = load(filters + t * tap_step); });
  }
};

// Input column Q of a tile, number column + Q of the row, unless that is beyond the image.
template <int Q, int Step, bool Inside, bool Upper, bool Lower, class T, int Taps, int Pixels>
__attribute__((always_inline)) inline void add_input(const DepthwiseRows& r, const T* in, int64_t row,
                                                     int64_t column, RowSums<Taps, Pixels>& upper,
                                                     RowSums<Taps, Pixels>& lower) {
  if (!Inside && static_cast<uint64_t>(column + Q) >= static_cast<uint64_t>(r.width)) return;
  const V x = load(in + (row + (column + Q) * r.span.image_channels));
  if constexpr (Upper) add_column<Q, Step>(x, upper.filter, upper.sum);
  if constexpr (Lower) add_column<Q, Step>(x, lower.filter, lower.sum);
}

template <int Pixels, class Out, class Activate>
inline void finish_row(const DepthwiseSpan& s, V (&sum)[Pixels][1], Out* out, int64_t count, int64_t c,
                       Activate activate) {
  const int64_t out_step = s.out_step;
  const V bias = s.bias ? load(s.bias + c) : splat(-0.0f);
  each(sum, [&](V& y, int p, int) {
    if (p < count) store(out + p * out_step, activate(y + bias));
  });
}

// W channels from c on of both rows' outputs from number `first` on: Pixels of them, whose columns the image
// has, or `count`. Each meets its taps in their order.
template <int Pixels, int Taps, int Step, bool Inside, class T, class Activate, int... Q>
inline void rows_tile(const DepthwiseRows& r, int64_t first, int64_t count, int64_t c, Activate activate,
                      std::integer_sequence<int, Q...>) {
  const DepthwiseSpan& s = r.span;
  const T* in = reinterpret_cast<const T*>(s.in) + c;
  const float* filters = s.filters + c;
  const int64_t column = first * Step - r.padding, tap_step = r.tap_step;
  RowSums<Taps, Pixels> upper, lower;
  clear(upper.sum);
  clear(lower.sum);
  for (const DepthwiseInputRow *row = r.rows, *end = row + r.row_count; row < end; ++row) {
    if (row->upper >= 0) upper.load_filter(filters + row->upper, tap_step);
    if (row->lower >= 0) lower.load_filter(filters + row->lower, tap_step);
    if (row->lower < 0)
      (add_input<Q, Step, Inside, true, false>(r, in, row->in, column, upper, lower), ...);
    else if (row->upper < 0)
      (add_input<Q, Step, Inside, false, true>(r, in, row->in, column, upper, lower), ...);
    else
      (add_input<Q, Step, Inside, true, true>(r, in, row->in, column, upper, lower), ...);
  }
  const int64_t stored = Inside ? Pixels : count, at = first * s.out_step + c;
  finish_row(s, upper.sum, reinterpret_cast<T*>(s.out) + at, stored, c, activate);
  if (r.lower != nullptr) finish_row(s, lower.sum, reinterpret_cast<T*>(r.lower) + at, stored, c, activate);
}

template <int Pixels, int Taps, int Step, bool Inside, class T, class Activate>
void rows_channels(const DepthwiseRows& r, int64_t first, int64_t count, Activate activate) {
  const DepthwiseSpan& s = r.span;
  const T* in = reinterpret_cast<const T*>(s.in) + first * s.in_step;
  for (int64_t c = 0; c < s.channels; c += W) {
    fetch_below<Pixels, 1>(s, in, c);
    rows_tile<Pixels, Taps, Step, Inside, T>(r, first, count, c, activate,
                                             std::make_integer_sequence<int, Step*(Pixels - 1) + Taps>());
  }
}

template <int Taps, int Step, class T>
void rows_of(const DepthwiseRows& r) {
  const DepthwiseSpan& s = r.span;
  const Clip clip(clip_bounds(s.activation));
  for (int64_t first = 0; first < s.pixels; first += kSums) {
    const int64_t column = first * Step - r.padding, count = s.pixels - first;
    if (column >= 0 && count >= kSums && column + Step * (kSums - 1) + Taps <= r.width)
      rows_channels<kSums, Taps, Step, true, T>(r, first, kSums, clip);
    else if (count > kFewPixels)
      rows_channels<kSums, Taps, Step, false, T>(r, first, count, clip);
    else
      rows_channels<kFewPixels, Taps, Step, false, T>(r, first, count, clip);
  }
}

template <class T>
bool typed_rows(const DepthwiseRows& r) {
  const DepthwiseSpan& s = r.span;
  if (s.channels % W != 0 || (s.activation != Activation::none && !clips(s.activation))) return false;
  if (r.columns == 3 && r.step == 1)
    rows_of<3, 1, T>(r);
  else if (r.columns == 3 && r.step == 2)
    rows_of<3, 2, T>(r);
  else if (r.columns == 5 && r.step == 1)
    rows_of<5, 1, T>(r);
  else if (r.columns == 5 && r.step == 2)
    rows_of<5, 2, T>(r);
  else
    return false;
  return true;
}
