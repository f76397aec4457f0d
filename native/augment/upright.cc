#include "augment/upright.h"

#include <cstring>

#include "base/conv_geom.h"
#include "base/parallel.h"

namespace tenon::augment {
namespace {

// An axis that is averaged along has positions with 16 bits behind the point, so that products of sums of
// weights fit.
constexpr int kCoarse = 16;

int64_t magnitude(int64_t step) { return step < 0 ? -step : step; }

// The step of an axis that is averaged along, or 0.
int64_t averaged_step(int64_t step, bool averages) {
  return averages && magnitude(step) > kOne ? magnitude(step) : 0;
}

// Taps of an axis of `side` pixels: from which pixel on, so that they all exist where there are as many.
int64_t begin_at(int64_t first, int64_t side, int64_t taps) {
  return std::min(first, std::max<int64_t>(0, side - taps));
}

// set(t, weight) for the taps of a position between two pixels. Returns where they begin.
template <class Set>
int64_t interpolate(int64_t position, int64_t side, int64_t taps, const Set& set) {
  const Pair pair = pair_at(position, side);
  const int64_t begin = begin_at(pair.first, side, taps);
  const int64_t second = pair.weight << (kTapBits - 11), first = (1 << kTapBits) - second;
  if (pair.first == pair.second) {
    set(pair.first - begin, 1 << kTapBits);
  } else {
    set(pair.first - begin, first);
    set(pair.second - begin, second);
  }
  return begin;
}

// As interpolate: the triangle that reaches `step` to both sides. Sums of weights are rounded instead of the
// weights, so that these add up exactly.
template <class Set>
int64_t average(int64_t position, int64_t step, int64_t side, int64_t taps, const Set& set) {
  const int64_t one = int64_t{1} << kCoarse, reach = step >> (kFraction - kCoarse);
  const int64_t centre = (position >> (kFraction - kCoarse)) - one / 2;  // from the centre of pixel 0
  const int64_t first = std::max<int64_t>(0, (centre - reach) / one - 1);
  const int64_t end = std::min(side, (centre + reach) / one + 2);
  const auto height = [&](int64_t x) { return std::max<int64_t>(0, reach - magnitude(x * one - centre)); };
  int64_t total = 0, begin = side;
  for (int64_t x = first; x < end; ++x) {
    if (height(x) > 0) begin = std::min(begin, x);
    total += height(x);
  }
  begin = begin_at(begin, side, taps);
  int64_t sum = 0, before = 0;
  for (int64_t x = begin; x < end; ++x) {
    sum += height(x);
    const int64_t upto = ((sum << kTapBits) + total / 2) / total;
    if (upto > before) set(x - begin, upto - before);
    before = upto;
  }
  return begin;
}

// Cuts memory in parts.
class Parts {
 public:
  explicit Parts(std::byte* at) : at_(at) {}
  template <class T>
  T* take(int64_t count) {
    T* part = reinterpret_cast<T*>(at_);
    at_ += lines(count * static_cast<int64_t>(sizeof(T)));
    return part;
  }
  static int64_t lines(int64_t bytes) { return ceil_div(bytes, 64) * 64; }

 private:
  std::byte* at_;
};

}  // namespace

int64_t averaged_taps(int64_t extent, int64_t count) { return 2 * ceil_div(extent, count); }

int64_t upright_bytes(int64_t columns, int64_t c, int64_t across, int64_t down) {
  constexpr int64_t kOfRow = sizeof(int16_t) + sizeof(int16_t*) + sizeof(int32_t);
  const int64_t tables =
      Parts::lines(columns * 4) + Parts::lines(checked_product(2 * across, columns)) + down * kOfRow + 3 * 64;
  const int64_t row = Parts::lines(2 * (columns * c + ResampleRows::kSlack));
  return Parts::lines(tables) + checked_product(down, row);
}

Upright::Upright(const Source& s, const Line& x, Span columns, int64_t y_step, bool averages,
                 const RowMemory& memory)
    : s_(s), kernels_(*memory.kernels), down_step_(averaged_step(y_step, averages)) {
  const int64_t count = columns.end - columns.begin, across = averaged_step(x.step, averages);
  const auto taps_of = [](int64_t step) { return step == 0 ? 2 : 2 * ceil_div(step, kOne); };
  const int64_t taps = taps_of(across);
  down_taps_ = taps_of(down_step_);
  row_length_ = Parts::lines(2 * (count * s.c + ResampleRows::kSlack)) / 2;
  Parts parts(memory.at);
  int32_t* first = parts.take<int32_t>(count);
  int16_t* weights = parts.take<int16_t>(taps * count);
  down_weights_ = parts.take<int16_t>(down_taps_);
  rows_ = parts.take<const int16_t*>(down_taps_);
  held_ = parts.take<int32_t>(down_taps_);
  ring_ = parts.take<int16_t>(down_taps_ * row_length_);
  std::fill_n(held_, down_taps_, -1);
  std::fill_n(weights, taps * count, int16_t{0});
  for (int64_t i = 0; i < count; ++i) {
    const int64_t position = x[columns.begin + i];
    const auto set = [&](int64_t t, int64_t weight) {
      weights[(t / 2 * count + i) * 2 + t % 2] = static_cast<int16_t>(weight);
    };
    first[i] = static_cast<int32_t>(across > 0 ? average(position, across, s.w, taps, set)
                                               : interpolate(position, s.w, taps, set));
  }
  taps_ = {count, s.c, taps, first, weights};
}

const int16_t* Upright::resampled(int64_t y) {
  const int64_t slot = y % down_taps_;
  int16_t* row = ring_ + slot * row_length_;
  if (held_[slot] != y) {
    kernels_.across(taps_, s_.pixels + y * s_.pitch, s_.end, row);
    held_[slot] = static_cast<int32_t>(y);
  }
  return row;
}

void Upright::row(int64_t y, uint8_t* result) {
  std::fill_n(down_weights_, down_taps_, int16_t{0});
  const auto set = [&](int64_t t, int64_t weight) { down_weights_[t] = static_cast<int16_t>(weight); };
  const int64_t begin =
      down_step_ > 0 ? average(y, down_step_, s_.h, down_taps_, set) : interpolate(y, s_.h, down_taps_, set);
  // A row without weight stands in for itself: whatever the ring holds.
  for (int64_t t = 0; t < down_taps_; ++t) rows_[t] = down_weights_[t] == 0 ? ring_ : resampled(begin + t);
  kernels_.down(rows_, down_weights_, down_taps_, taps_.pixels * s_.c, result);
}

}  // namespace tenon::augment
