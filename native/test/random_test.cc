// Random tensors and dropout: known answers of Philox, plain formulas element by element, moments, and that
// every target draws the same.
#include <bit>

#include "base/philox.h"
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

constexpr uint32_t kKey0 = 0xDEADBEEF, kKey1 = 77;

// Known-answer vectors of the Random123 distribution (philox4x32, 10 rounds).
void check_philox() {
  const PhiloxBlock zero = philox(0, 0, 0, 0, 0, 0);
  CHECK(zero.v[0] == 0x6627e8d5 && zero.v[1] == 0xe169c58d && zero.v[2] == 0xbc57ac4c &&
        zero.v[3] == 0x9b00dbd8);
  const uint32_t f = 0xffffffff;
  const PhiloxBlock ones = philox(f, f, f, f, f, f);
  CHECK(ones.v[0] == 0x408f276d && ones.v[1] == 0x41c83b0e && ones.v[2] == 0xa20bc7c6 &&
        ones.v[3] == 0x6d5451fd);
  const PhiloxBlock pi = philox(0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344);
  CHECK(pi.v[0] == 0xd16cfe09 && pi.v[1] == 0x94fdcceb && pi.v[2] == 0x5001e420 && pi.v[3] == 0x24126ea1);
}

double uniform_of(int64_t i, uint32_t ordinal, uint32_t step, int word_shift = 0) {
  const PhiloxBlock block = philox(kKey0, kKey1, static_cast<uint32_t>(i / 4), 0, ordinal, step);
  return philox_uniform(block.v[(i + word_shift) % 4]);
}

void check_uniform(Target target, int64_t n) {
  const Tensor y(target, {n});
  run_kernel("random_uniform", target, {y}, {kKey0, kKey1, -0.5, 1.5});
  std::vector<double> expected;
  for (int64_t i = 0; i < n; ++i) expected.push_back(-0.5 + 2 * uniform_of(i, 0, 0));
  close(y, expected, 0, eps_of(target), "random_uniform");
}

void check_normal(Target target, int64_t n) {
  const Tensor y(target, {n});
  run_kernel("random_normal", target, {y}, {kKey0, kKey1, 0.25, 2});
  std::vector<double> expected;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t pair = i - i % 2;
    const double radius = std::sqrt(-2 * std::log(1 - uniform_of(pair, 0, 0))),
                 angle = 2 * std::acos(-1.0) * uniform_of(pair + 1, 0, 0);
    expected.push_back(0.25 + 2 * radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle)));
  }
  close(y, expected, 1e-13, eps_of(target), "random_normal");
}

// The same on every target, with every compiler and every C library: a model's first weights depend on it.
void check_known_normals(Target target) {
  const int64_t n = 10'001;
  const Tensor y(target, {n});
  run_kernel("random_normal", target, {y}, {kKey0, kKey1, 0, 1});
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (int64_t i = 0; i < n; ++i)
    hash = (hash ^ std::bit_cast<uint32_t>(static_cast<float>(y.at(i)))) * 1099511628211u;
  CHECK_THAT(hash == 15107607111349574643u,
             std::string("known normals on ") + name_of(target) + ": " + std::to_string(hash));
}

void check_moments(Target target) {
  const int64_t n = 400'000;
  const Tensor y(target, {n});
  run_kernel("random_normal", target, {y}, {kKey0, kKey1, 0, 1});
  double mean = 0, square = 0, fourth = 0;
  for (const double value : y.values()) {
    mean += value / n;
    square += value * value / n;
    fourth += value * value * value * value / n;
  }
  CHECK(std::fabs(mean) < 0.01 && std::fabs(square - 1) < 0.01 && std::fabs(fourth - 3) < 0.1);
  check_threads("random_normal", target, {y}, {kKey0, kKey1, 0, 1}, y);
  check_threads("random_uniform", target, {y}, {kKey0, kKey1, 0, 1}, y);
}

enum Unit { kElement = 0, kChannel = 1, kRow = 2, kTensor = 3 };

struct DropoutCase {
  Dims dims;
  Unit unit = kElement;
  double p = 0.5;
  bool inverted = true;
  double per_example = 0, example = 0;

  std::vector<double> attrs() const {
    return {kKey0, kKey1, 3, per_example, static_cast<double>(unit), static_cast<double>(inverted)};
  }
  int64_t draw_of(int64_t i, int64_t n) const {
    if (unit == kChannel) return i / (dims[1] * dims[2] * dims[3]) * dims[3] + i % dims[3];
    if (unit == kRow) return i / (n / dims[0]);
    return unit == kTensor ? 0 : i;
  }
};

void check_dropout(Target target, const DropoutCase& one) {
  const double p = one.p;
  const std::string context = std::string("dropout on ") + name_of(target) + " p = " + std::to_string(p) +
                              " unit " + std::to_string(one.unit);
  const int64_t n = numel_of(one.dims);
  const Tensor x(target, one.dims, random_values(n, 9, 1, 2)), y(target, one.dims), rate(DType::f64, {}, {p}),
      step(DType::f64, {}, {5}), example(DType::f64, {}, {one.example});
  const std::vector<double> attrs = one.attrs();
  run_kernel("dropout", target, {x, rate, step, example, y}, attrs);
  std::vector<double> expected;
  int64_t kept = 0;
  const int64_t first = static_cast<int64_t>(one.example * one.per_example);
  for (int64_t i = 0; i < n; ++i) {
    const bool keep = uniform_of(first + one.draw_of(i, n), 3, 5) >= p;
    expected.push_back(keep ? x.at(i) / (one.inverted ? 1 - p : 1) : 0);
    kept += keep;
  }
  close(y, expected, 0, 2 * eps_of(target), context);
  if (n > 1000 && one.unit == kElement)
    CHECK_THAT(std::fabs(static_cast<double>(kept) / static_cast<double>(n) - (1 - p)) < 0.05, context);
  check_threads("dropout", target, {x, rate, step, example, y}, attrs, y);
  run_kernel("dropout", target, {x, rate, step, example, x}, attrs);
  CHECK_THAT(same_bits(x, y), context + " in place");
}

void check_bad_dropouts(Target target) {
  const Tensor x(target, {3}, {INFINITY, NAN, 1}), y(target, {3}), one(DType::f64, {}, {1}),
      step(DType::f64, {}, {1}), example(DType::f64, {}, {0}), image(target, {2, 2, 2, 3}), rank0(target, {});
  run_kernel("dropout", target, {x, one, step, example, y}, {1, 2, 3, 0, 0, 1});
  close(y, {0, 0, 0}, 0, 0, "dropped infinity");
  const auto refused = [&](const std::vector<double>& attrs) {
    return rejects("dropout", target, {x, one, step, example, y}, attrs);
  };
  CHECK(!refused({1, 2, 3, 0, 2, 0}) && !refused({1, 2, 3, 0, 3, 1}));
  CHECK(refused({1, 2, 3, 0, 1, 1}) && refused({1, 2, 3, 0, 4, 1}) && refused({1, 2, 3, 0, 0.5, 1}));
  CHECK(refused({-1, 2, 3, 0, 0, 1}) && refused({1, 2, 4294967296.0, 0, 0, 1}));
  CHECK(refused({1, 2, 3, -1, 0, 1}) && refused({1, 2, 3, NAN, 0, 1}) && refused({1, 2, 3, 0, 0, 2}));
  CHECK(rejects("dropout", target, {x, one, step, y}, {1, 2, 3, 0, 0, 1}));
  CHECK(rejects("dropout", target, {rank0, one, step, example, rank0}, {1, 2, 3, 0, 2, 1}));
  CHECK(!rejects("dropout", target, {image, one, step, example, image}, {1, 2, 3, 0, 1, 1}));
}

void check_dropouts(Target target) {
  for (const double p : {0.0, 0.25, 0.5, 1 / 3.0, 1.0}) {
    for (const bool inverted : {false, true}) {
      for (const int64_t n : {0, 1, 3, 4, 5, 17, 513, 9001})
        check_dropout(target, {{n}, kElement, p, inverted});
      check_dropout(target, {{3, 4, 5, 7}, kChannel, p, inverted});
      check_dropout(target, {{3, 4, 5, 7}, kRow, p, inverted});
      check_dropout(target, {{3, 4, 5, 7}, kTensor, p, inverted});
    }
    check_dropout(target, {{3, 4, 5, 7}, kElement, p});
    check_dropout(target, {{2, 1, 1, 7}, kElement, p});
    check_dropout(target, {{8, 16, 16, 33}, kChannel, p});
    check_dropout(target, {{700, 33}, kRow, p});
    check_dropout(target, {{0, 33}, kRow, p});
    check_dropout(target, {{33, 0}, kRow, p});
  }
  // A batch that begins at any example goes on with the draws of the one before.
  for (const double example : {1.0, 2.0, 3.0, 7.0, 1e6})
    for (const double per : {1.0, 5.0, 1031.0}) {
      check_dropout(target, {{9001}, kElement, 0.5, true, per, example});
      check_dropout(target, {{3, 4, 5, 7}, kChannel, 0.5, true, per, example});
      check_dropout(target, {{700, 3}, kRow, 0.5, true, per, example});
    }
  check_dropout(target, {{5}, kElement, uniform_of(2, 3, 5)});  // u == p is kept
  check_bad_dropouts(target);
  const Tensor y(target, {3});
  CHECK(rejects("random_uniform", target, {y}, {0.5, 1, 0, 1}) &&
        rejects("random_normal", target, {y}, {0, 1, 0}));
}

}  // namespace

int main() {
  check_philox();
  for_each_target([](Target target) {
    for (const int64_t n : {0, 1, 2, 3, 4, 5, 511, 512, 513, 10'001}) {
      check_uniform(target, n);
      check_normal(target, n);
    }
    check_known_normals(target);
    check_moments(target);
    check_dropouts(target);
  });
  return report();
}
