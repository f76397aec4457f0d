#include "augment/geometry.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#if defined(__SSE2__)
  #include <emmintrin.h>
#endif

namespace tenon::augment {
namespace {

// Beyond these, positions stay where they are: such a pixel is far outside, and nothing may overflow.
constexpr double kSteepest = 1 << 14, kFarthest = 1 << 29;

int64_t fixed(double value, double limit) {
  const double bounded = value >= -limit && value <= limit ? value : (value > 0 ? limit : -limit);
  return static_cast<int64_t>(std::floor(bounded * static_cast<double>(kOne) + 0.5));
}

// Where the row's pixels come from.
struct Row {
  Line x, y;
};

Row row_of(const Matrix& m, int64_t row) {
  const double y = static_cast<double>(row) + 0.5;
  return {{fixed(m.xx * 0.5 + m.xy * y + m.x0, kFarthest), fixed(m.xx, kSteepest)},
          {fixed(m.yx * 0.5 + m.yy * y + m.y0, kFarthest), fixed(m.yx, kSteepest)}};
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

// The columns of the span where 0 <= line < side.
Span inside(const Line& line, int64_t side, Span span) {
  const int64_t most = side * kOne - 1;
  if (line.step == 0) return line.at >= 0 && line.at <= most ? span : Span{span.begin, span.begin};
  int64_t first, last;
  if (line.step > 0) {
    first = -floor_div(line.at, line.step);
    last = floor_div(most - line.at, line.step);
  } else {
    first = -floor_div(most - line.at, -line.step);
    last = floor_div(line.at, -line.step);
  }
  const int64_t begin = std::clamp(first, span.begin, span.end);
  return {begin, std::clamp(last + 1, begin, span.end)};
}

// The four pixels around a position. Rows are mixed with 11 bits of weight and kept with 7 bits behind the
// point, so that each product is one of 16-bit numbers.
struct Corners {
  const uint8_t *upper_left, *upper_right, *lower_left, *lower_right;
  int32_t wx, wy;
};

inline Corners corners_at(const Source& s, int64_t c, const Pair& x, const Pair& y) {
  const uint8_t *upper = s.pixels + y.first * s.pitch, *lower = s.pixels + y.second * s.pitch;
  return {upper + x.first * c,  upper + x.second * c,           lower + x.first * c,
          lower + x.second * c, static_cast<int32_t>(x.weight), static_cast<int32_t>(y.weight)};
}

inline uint8_t blend_one(const Corners& p, int64_t j) {
  const int32_t top = (p.upper_left[j] * (2048 - p.wx) + p.upper_right[j] * p.wx) >> 4;
  const int32_t bottom = (p.lower_left[j] * (2048 - p.wx) + p.lower_right[j] * p.wx) >> 4;
  return static_cast<uint8_t>((top * (2048 - p.wy) + bottom * p.wy + (1 << 17)) >> 18);
}

inline void blend(const Source& s, int64_t c, int64_t x_at, int64_t y_at, uint8_t* to) {
  const Corners p = corners_at(s, c, pair_at(x_at, s.w), pair_at(y_at, s.h));
  for (int64_t j = 0; j < c; ++j) to[j] = blend_one(p, j);
}

#if defined(__SSE2__)
inline __m128i four_bytes(const uint8_t* from) {
  int32_t bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return _mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), _mm_setzero_si128());
}

// As blend_one for four channels at once: reads and writes four bytes at each place.
inline void blend_four(const Corners& p, uint8_t* to) {
  const __m128i wx = _mm_set1_epi32((p.wx << 16) | (2048 - p.wx)),
                wy = _mm_set1_epi32((p.wy << 16) | (2048 - p.wy));
  const __m128i top = _mm_srli_epi32(
      _mm_madd_epi16(_mm_unpacklo_epi16(four_bytes(p.upper_left), four_bytes(p.upper_right)), wx), 4);
  const __m128i bottom = _mm_srli_epi32(
      _mm_madd_epi16(_mm_unpacklo_epi16(four_bytes(p.lower_left), four_bytes(p.lower_right)), wx), 4);
  const __m128i both = _mm_or_si128(top, _mm_slli_epi32(bottom, 16));
  const __m128i sum = _mm_add_epi32(_mm_madd_epi16(both, wy), _mm_set1_epi32(1 << 17));
  const __m128i words = _mm_packs_epi32(_mm_srli_epi32(sum, 18), _mm_setzero_si128());
  const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
  std::memcpy(to, &bytes, sizeof bytes);
}

// Columns [begin, end) of a row of pixels of three channels, pixel by pixel.
void blend_carefully(const Source& s, const Row& row, Span span, uint8_t* result) {
  for (int64_t i = span.begin; i < span.end; ++i) blend(s, 3, row.x[i], row.y[i], result + i * 3);
}

// A row of pixels of three channels. Where all four corners lie within the source, and the fourth
// byte of each too, nothing needs clamping. The fourth byte that is written belongs to the pixel
// behind, which follows.
void blend_rgb(const Source& s, const Row& row, Span span, uint8_t* result) {
  const Line x{row.x.at - kHalf, row.x.step}, y{row.y.at - kHalf, row.y.step};
  const Span within = inside(y, s.h - 1, inside(x, s.w - 2, {span.begin, span.end - 1}));
  blend_carefully(s, row, {span.begin, within.begin}, result);
  int64_t x_at = x[within.begin], y_at = y[within.begin];
  for (int64_t i = within.begin; i < within.end; ++i, x_at += x.step, y_at += y.step) {
    const uint8_t* at = s.pixels + (y_at >> kFraction) * s.pitch + (x_at >> kFraction) * 3;
    const auto weight = [](int64_t position) { return static_cast<int32_t>(position >> 21) & 2047; };
    blend_four({at, at + 3, at + s.pitch, at + s.pitch + 3, weight(x_at), weight(y_at)}, result + i * 3);
  }
  blend_carefully(s, row, {within.end, span.end}, result);
}
#endif

inline void pick(const Source& s, int64_t c, int64_t x, int64_t y, uint8_t* to) {
  const uint8_t* from = s.pixels + (y >> kFraction) * s.pitch + (x >> kFraction) * c;
  for (int64_t j = 0; j < c; ++j) to[j] = from[j];
}

// Whether the row is one of the source as it is, forwards or backwards.
bool is_copy(const Row& row) {
  const bool whole = (row.x.step == kOne || row.x.step == -kOne) && row.y.step == 0;
  return whole && (row.x.at & (kOne - 1)) == kHalf && (row.y.at & (kOne - 1)) == kHalf;
}

// `pixels` pixels of three channels that go backwards from `last`. Between the first and the last one, four
// bytes are copied at once; the fourth is written again by the pixel behind.
void reverse_rgb(int64_t pixels, const uint8_t* last, uint8_t* to) {
  for (int64_t i = 0; i < pixels; ++i) {
    const size_t bytes = i == 0 || i + 1 == pixels ? 3 : 4;
    std::memcpy(to + i * 3, last - i * 3, bytes == 4 ? 4 : 3);
  }
}

void copy_span(const Source& s, const Row& row, Span span, uint8_t* result) {
  const uint8_t* from = s.pixels + (row.y.at >> kFraction) * s.pitch;
  int64_t first = row.x[span.begin] >> kFraction;
  if (row.x.step > 0) {
    std::memcpy(result + span.begin * s.c, from + first * s.c,
                static_cast<size_t>((span.end - span.begin) * s.c));
    return;
  }
  if (s.c == 3) return reverse_rgb(span.end - span.begin, from + first * 3, result + span.begin * 3);
  for (int64_t i = span.begin; i < span.end; ++i, --first) {
    const uint8_t* pixel = from + first * s.c;
    for (int64_t j = 0; j < s.c; ++j) result[i * s.c + j] = pixel[j];
  }
}

// C: the number of channels, or 0 where it is not known at compile time.
template <int C>
void sample_span(const Source& s, const Row& row, Sampling sampling, Span span, uint8_t* result) {
  const int64_t c = C > 0 ? C : s.c;
  for (int64_t i = span.begin; i < span.end; ++i) {
    if (sampling == Sampling::nearest) {
      pick(s, c, row.x[i], row.y[i], result + i * c);
    } else {
      blend(s, c, row.x[i], row.y[i], result + i * c);
    }
  }
}

void take_span(const Source& s, const Row& row, Sampling sampling, Span span, uint8_t* result) {
  if (span.begin >= span.end) return;
  if (is_copy(row)) return copy_span(s, row, span, result);
  if (s.c == 1) return sample_span<1>(s, row, sampling, span, result);
#if defined(__SSE2__)
  if (s.c == 3 && sampling != Sampling::nearest) return blend_rgb(s, row, span, result);
#endif
  if (s.c == 3) return sample_span<3>(s, row, sampling, span, result);
  sample_span<0>(s, row, sampling, span, result);
}

struct Point {
  double x, y;
};

Point operator*(const Matrix& m, const Point& p) {
  return {m.xx * p.x + m.xy * p.y + m.x0, m.yx * p.x + m.yy * p.y + m.y0};
}

bool is_inside(const Point& p, const Size& size) {
  return p.x >= 0 && p.y >= 0 && p.x < static_cast<double>(size.w) && p.y < static_cast<double>(size.h);
}

// The field at a point, between the centres of the pixels that it is given for.
Point displacement(const Frame& frame, const Point& p) {
  const auto [h, w] = frame.in;
  const double x = std::clamp(p.x - 0.5, 0.0, static_cast<double>(w - 1)),
               y = std::clamp(p.y - 0.5, 0.0, static_cast<double>(h - 1));
  const int64_t x0 = static_cast<int64_t>(x), y0 = static_cast<int64_t>(y);
  const int64_t x1 = std::min(x0 + 1, w - 1), y1 = std::min(y0 + 1, h - 1);
  const double fx = x - static_cast<double>(x0), fy = y - static_cast<double>(y0);
  const auto at = [&](const float* part) {
    const double top = part[y0 * w + x0] * (1 - fx) + part[y0 * w + x1] * fx;
    const double bottom = part[y1 * w + x0] * (1 - fx) + part[y1 * w + x1] * fx;
    return top * (1 - fy) + bottom * fy;
  };
  return {at(frame.field), at(frame.field + h * w)};
}

}  // namespace

Matrix compose(const Matrix& o, const Matrix& i) {
  return {o.xx * i.xx + o.xy * i.yx, o.xx * i.xy + o.xy * i.yy, o.xx * i.x0 + o.xy * i.y0 + o.x0,
          o.yx * i.xx + o.yy * i.yx, o.yx * i.xy + o.yy * i.yy, o.yx * i.x0 + o.yy * i.y0 + o.y0};
}

bool Chain::takes(const Frame& frame) const {
  if (empty()) return true;
  const bool other =
      frame.sampling != Sampling::any && sampling_ != Sampling::any && frame.sampling != sampling_;
  return count_ < kMaxFrames && !frame.window && !other && !(frame.field != nullptr && field_);
}

void Chain::add(const Frame& frame) {
  frames_[count_++] = frame;
  if (frame.sampling != Sampling::any) sampling_ = frame.sampling;
  field_ = field_ || frame.field != nullptr;
}

void Chain::resample(const Picture& image, const RowMemory& memory, uint8_t* result) const {
  const Size in = frames_[0].in;
  const int64_t c = image.c, pitch = image.size.w * c;
  const uint8_t* corner = image.pixels + frames_[0].top * pitch + frames_[0].left * c;
  const Source s{corner, in.h, in.w, c, pitch, image.pixels + image.size.h * pitch};
  if (field_) return warp(s, result);
  Matrices m;
  m.to[count_ - 1] = frames_[count_ - 1].back;
  for (int k = count_ - 2; k >= 0; --k) m.to[k] = compose(frames_[k].back, m.to[k + 1]);
  const bool interpolates = sampling_ == Sampling::bilinear || sampling_ == Sampling::averaged;
  if (interpolates && is_upright(m)) return stretch(s, m, memory, result);
  const auto [h, w] = out();
  for (int64_t y = 0; y < h; ++y, result += w * c) {
    const Span span = fill_outside(m, y, c, result);
    take_span(s, row_of(m.to[0], y), sampling_, span, result);
  }
}

bool Chain::is_upright(const Matrices& m) const {
  return std::all_of(m.to, m.to + count_, [](const Matrix& each) { return each.xy == 0 && each.yx == 0; });
}

Span Chain::fill_outside(const Matrices& m, int64_t y, int64_t c, uint8_t* result) const {
  Span span{0, out().w};
  for (int k = count_ - 1; k >= 0; --k) {
    const Frame& frame = frames_[k];
    const Row row = row_of(m.to[k], y);
    const Span kept = inside(row.y, frame.in.h, inside(row.x, frame.in.w, span));
    fill(result + span.begin * c, kept.begin - span.begin, c, frame.fill);
    fill(result + kept.end * c, span.end - kept.end, c, frame.fill);
    span = kept;
  }
  return span;
}

void Chain::stretch(const Source& s, const Matrices& m, const RowMemory& memory, uint8_t* result) const {
  const auto [h, w] = out();
  Span columns{0, w};
  for (int k = count_ - 1; k >= 0; --k) columns = inside(row_of(m.to[k], 0).x, frames_[k].in.w, columns);
  Upright upright(s, row_of(m.to[0], 0).x, columns, fixed(m.to[0].yy, kSteepest),
                  sampling_ == Sampling::averaged, memory);
  for (int64_t y = 0; y < h; ++y, result += w * s.c) {
    const Span span = fill_outside(m, y, s.c, result);
    if (span.begin < span.end) upright.row(row_of(m.to[0], y).y.at, result + span.begin * s.c);
  }
}

void Chain::warp(const Source& s, uint8_t* result) const {
  const auto [h, w] = out();
  const int64_t c = s.c;
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x, result += c) {
      Point p{static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5};
      int k = count_ - 1;
      for (; k >= 0; --k) {
        const Frame& frame = frames_[k];
        p = frame.back * p;
        if (frame.field != nullptr) {
          const Point d = displacement(frame, p);
          p = {p.x + d.x, p.y + d.y};
        }
        if (!is_inside(p, frame.in)) break;
      }
      if (k >= 0) {
        fill(result, 1, c, frames_[k].fill);
      } else if (sampling_ == Sampling::nearest) {
        pick(s, c, static_cast<int64_t>(p.x) << kFraction, static_cast<int64_t>(p.y) << kFraction, result);
      } else {
        blend(s, c, fixed(p.x, kFarthest), fixed(p.y, kFarthest), result);
      }
    }
  }
}

}  // namespace tenon::augment
