// The two passes of a resampling on every target: against their sums as they are written down, between guard
// pages, and never a byte behind the end of an image.
#include "kernels/resample_rows.h"

#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

std::vector<int16_t> random_weights(int64_t count, int64_t taps, uint32_t seed) {
  std::vector<int16_t> weights(static_cast<size_t>(count * taps));
  const auto cuts = random_integers(count * taps, seed, 0, 1 << kTapBits);
  for (int64_t i = 0; i < count; ++i) {
    // What is left of the whole, cut at random; the last tap takes the rest.
    int64_t left = 1 << kTapBits;
    for (int64_t t = 0; t < taps; ++t) {
      const int64_t cut = static_cast<int64_t>(cuts[static_cast<size_t>(i * taps + t)]);
      const int64_t weight = t + 1 == taps ? left : std::min(left, cut % 3 == 0 ? 0 : cut / 2);
      weights[static_cast<size_t>(i * taps + t)] = static_cast<int16_t>(weight);
      left -= weight;
    }
  }
  return weights;
}

void test_across(int64_t pixels, int64_t side, int64_t channels, int64_t taps, bool descending) {
  const auto bytes = random_integers(side * channels, 3, 0, 255);
  const Tensor row(DType::u8, {side, channels}, bytes);
  const auto plain = random_weights(pixels, taps, 5);
  std::vector<int16_t> weights(plain.size());
  std::vector<int32_t> first(static_cast<size_t>(pixels));
  std::vector<int16_t> want;
  for (int64_t x = 0; x < pixels; ++x) {
    const int64_t place = descending ? pixels - 1 - x : x;
    const int64_t begin = pixels == 1 ? side - taps : place * (side - taps) / (pixels - 1);
    first[static_cast<size_t>(x)] = static_cast<int32_t>(begin);
    for (int64_t t = 0; t < taps; ++t)
      weights[static_cast<size_t>((t / 2 * pixels + x) * 2 + t % 2)] =
          plain[static_cast<size_t>(x * taps + t)];
    for (int64_t j = 0; j < channels; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < taps; ++t)
        sum +=
            plain[static_cast<size_t>(x * taps + t)] * bytes[static_cast<size_t>((begin + t) * channels + j)];
      want.push_back(static_cast<int16_t>(std::floor(sum / (1 << (kTapBits - kKeptBits)))));
    }
  }
  const RowTaps t{pixels, channels, taps, first.data(), weights.data()};
  for_each_target([&](Target target) {
    const GuardedMemory memory((want.size() + ResampleRows::kSlack) * sizeof(int16_t));
    int16_t* out = reinterpret_cast<int16_t*>(memory.data());
    const uint8_t* from = row.view.as<uint8_t>();
    resample_rows(target).across(t, from, from + side * channels, out);
    CHECK_THAT(std::equal(want.begin(), want.end(), out), name_of(target));
  });
}

void test_down(int64_t n, int64_t taps) {
  const auto weights = random_weights(1, taps, 7);
  std::vector<std::vector<int16_t>> rows;
  std::vector<const int16_t*> pointers;
  for (int64_t t = 0; t < taps; ++t) {
    const auto values =
        random_integers(n + ResampleRows::kSlack, static_cast<uint32_t>(11 + t), 0, 255 << kKeptBits);
    rows.emplace_back(values.begin(), values.end());
  }
  for (const auto& row : rows) pointers.push_back(row.data());
  for_each_target([&](Target target) {
    const GuardedMemory memory(static_cast<size_t>(n));
    uint8_t* y = reinterpret_cast<uint8_t*>(memory.data());
    resample_rows(target).down(pointers.data(), weights.data(), taps, n, y);
    bool same = true;
    for (int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (int64_t t = 0; t < taps; ++t)
        sum += weights[static_cast<size_t>(t)] * rows[static_cast<size_t>(t)][static_cast<size_t>(i)];
      same = same && y[i] == std::floor(sum / (1 << (kTapBits + kKeptBits)) + 0.5);
    }
    CHECK_THAT(same, name_of(target));
  });
}

}  // namespace

int main() {
  for (const int64_t channels : {1, 2, 3, 4})
    for (const int64_t taps : {2, 4, 6, 14})
      for (const int64_t side : {taps, taps + 1, taps + 5, int64_t{40}})
        for (const int64_t pixels : {1, 2, 3, 4, 5, 8, 9, 33})
          for (const bool descending : {false, true}) test_across(pixels, side, channels, taps, descending);
  for (const int64_t taps : {2, 4, 10})
    for (const int64_t n : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 95}) test_down(n, taps);
  return report();
}
