#include "augment/noise.h"

#include <algorithm>
#include <cmath>

#include "augment/functions.h"
#include "base/philox.h"

namespace tenon::augment {
namespace {

// Calls use(i, word) for i in 0 .. n.
template <class Use>
void for_words(const Draws::Key& key, int64_t n, Use&& use) {
  for (int64_t i = 0; i < n; i += 4) {
    const uint64_t at = static_cast<uint64_t>(i) / 4;
    const PhiloxBlock block =
        philox(key.v[0], key.v[1], static_cast<uint32_t>(at), static_cast<uint32_t>(at >> 32), 0, 0);
    const int64_t count = std::min<int64_t>(4, n - i);
    for (int64_t j = 0; j < count; ++j) use(i + j, block.v[j]);
  }
}

// The standard normal distribution function, by the series of Marsaglia ("Evaluating the normal
// distribution", 2004): 1/2 + density(x) (x + x^3/3 + x^5/(3 5) + ...).
double normal_cdf(double x) {
  if (x < -8) return 0;
  if (x > 8) return 1;
  double sum = x, term = x;
  for (int i = 3; sum + term != sum; i += 2) {
    term *= x * x / i;
    sum += term;
  }
  return 0.5 + 0.39894228040143267794 * exp_of(-0.5 * x * x) * sum;
}

// Integers -255 .. 255 with the probabilities of a rounded normal number, drawn from one word each by the
// alias method (Walker 1977; Vose 1991): the high bits choose a column, the low bits between its two numbers.
class RoundedNormal {
 public:
  RoundedNormal(double mean, double deviation) {
    double scaled[kColumns] = {};
    fill_probabilities(mean, deviation, scaled);
    pair_columns(scaled);
  }
  int operator()(uint32_t word) const {
    const uint32_t column = word >> kLowBits;
    return ((word & kLowMask) < limit_[column] ? static_cast<int>(column) : alias_[column]) - kMost;
  }

 private:
  static constexpr int kMost = 255, kColumns = 512, kLowBits = 23;
  static constexpr uint32_t kLowMask = (1u << kLowBits) - 1;

  // Probabilities times the number of columns. What lies beyond +-255 counts as +-255: it is cut off anyway.
  static void fill_probabilities(double mean, double deviation, double (&scaled)[kColumns]) {
    double below = 0;
    for (int k = -kMost; k <= kMost; ++k) {
      const double edge = k + 0.5 - mean;
      const double upto = k == kMost ? 1 : deviation > 0 ? normal_cdf(edge / deviation) : edge > 0;
      scaled[k + kMost] = (upto - below) * kColumns;
      below = upto;
    }
  }

  // Columns that are not full get the rest from one that is more than full.
  void pair_columns(double (&scaled)[kColumns]) {
    int small[kColumns], large[kColumns], smalls = 0, larges = 0;
    for (int i = 0; i < kColumns; ++i) (scaled[i] < 1 ? small[smalls++] : large[larges++]) = i;
    while (smalls > 0 && larges > 0) {
      const int under = small[--smalls], over = large[larges - 1];
      set(under, scaled[under], over);
      scaled[over] -= 1 - scaled[under];
      if (scaled[over] < 1) {
        --larges;
        small[smalls++] = over;
      }
    }
    while (larges > 0) set(large[--larges], 1, 0);
    while (smalls > 0) set(small[--smalls], 1, 0);  // full but for rounding
  }

  void set(int column, double share, int other) {
    limit_[column] = static_cast<uint32_t>(std::clamp(share, 0.0, 1.0) * (1u << kLowBits) + 0.5);
    alias_[column] = other;
  }

  uint32_t limit_[kColumns];
  int alias_[kColumns];
};

}  // namespace

void gaussian_noise(const Image& image, double mean, double sigma, const Draws::Key& key) {
  const RoundedNormal noise(255 * mean, 255 * sigma);
  for_words(key, image.bytes(), [&](int64_t i, uint32_t word) {
    image.pixels[i] = static_cast<uint8_t>(std::clamp(image.pixels[i] + noise(word), 0, 255));
  });
}

void salt_and_pepper(const Image& image, double amount, double salt, const Draws::Key& key) {
  constexpr double kWords = 4294967296.0;
  const double white = amount * salt * kWords, flipped = amount * kWords;
  for_words(key, image.h * image.w, [&](int64_t i, uint32_t word) {
    if (word < flipped) std::fill_n(image.pixels + i * image.c, image.c, word < white ? 255 : 0);
  });
}

}  // namespace tenon::augment
