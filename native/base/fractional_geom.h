// The geometry of fractional max pooling (Graham 2014, "Fractional max-pooling"), the same object for forward
// and backward. Every axis is on its own: an increasing sequence of positions is drawn, whose steps are the
// two whole numbers around a fraction, and the regions lie along it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tenon {

// disjoint: region o is [at(o), at(o + 1)); overlapping: one more position, the first of the next region;
// windows: `kernel` positions from at(o) on, as in PyTorch.
enum class RegionForm { disjoint = 0, overlapping = 1, windows = 2 };

// How the positions are drawn. middle: pseudorandom with u = 1/2, which draws nothing.
enum class RegionSequence { middle = 0, pseudorandom = 1, random = 2 };

class FractionalAxis {
 public:
  // Throws std::invalid_argument unless `in` positions can be cut in `out` regions: out at least 1, every
  // region of at least one position of its own.
  FractionalAxis(int64_t in, int64_t out, RegionForm form, double kernel);

  int64_t in() const { return in_; }
  int64_t out() const { return out_; }
  // Positions in a sequence.
  int64_t length() const { return steps_ + 1; }
  // Random words that a sequence takes.
  int64_t draws(RegionSequence sequence) const {
    return sequence == RegionSequence::random ? steps_ : sequence == RegionSequence::pseudorandom;
  }
  // The most positions that a region has.
  int64_t largest() const;

  int64_t begin(const int32_t* at, int64_t o) const { return at[o]; }
  int64_t end(const int32_t* at, int64_t o) const {
    if (form_ == RegionForm::windows) return at[o] + kernel_;
    return at[o + 1] + (form_ == RegionForm::overlapping);
  }
  // The outputs whose regions hold `position`: [first, last).
  struct Outputs {
    int64_t first, last;
  };
  Outputs holding(const int32_t* at, int64_t position) const {
    const int64_t last = std::upper_bound(at, at + out_, position) - at;
    int64_t first = last;
    while (first > 0 && end(at, first - 1) > position) --first;
    return {first, last};
  }

  // Writes a sequence of length() positions; word(i) is the i-th of its random words.
  template <class Word>
  void draw(RegionSequence sequence, Word&& word, int32_t* at) const {
    if (steps_ == 0) {  // one window: the last one, which ends where the input ends
      at[0] = static_cast<int32_t>(total_);
    } else if (sequence == RegionSequence::random) {
      draw_random(word, at);
    } else {
      draw_pseudorandom(sequence == RegionSequence::middle ? kOne / 2 : word(0) >> 8, at);
    }
  }

 private:
  static constexpr int64_t kOne = 1 << 24;

  // floor(alpha (i + u)) - floor(alpha u), exactly, with alpha = total / steps and u = fraction / kOne.
  void draw_pseudorandom(int64_t fraction, int32_t* at) const {
    const int64_t shift = fraction * total_ / (steps_ * kOne);
    for (int64_t i = 0; i <= steps_; ++i) {
      const int64_t whole = i * total_ / steps_, rest = i * total_ % steps_;
      const int64_t carried = (rest * kOne + fraction * total_) / (steps_ * kOne);
      at[i] = static_cast<int32_t>(whole + carried - shift);
    }
  }

  // Steps of floor(alpha) and ceil(alpha) in an order drawn uniformly: each of those left is as likely as
  // any other to come next (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S).
  template <class Word>
  void draw_random(Word&& word, int32_t* at) const {
    const int64_t least = total_ / steps_;
    int64_t longer = total_ % steps_, position = 0;
    at[0] = 0;
    for (int64_t i = 0; i < steps_; ++i) {
      const uint64_t left = static_cast<uint64_t>(steps_ - i);
      const bool is_longer = static_cast<int64_t>(uint64_t{word(i)} * left >> 32) < longer;
      longer -= is_longer;
      position += least + is_longer;
      at[i + 1] = static_cast<int32_t>(position);
    }
  }

  int64_t in_, out_;
  RegionForm form_;
  int64_t kernel_;  // of windows; else 0
  int64_t steps_;   // in a sequence
  int64_t total_;   // of all steps
};

}  // namespace tenon
