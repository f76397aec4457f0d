// Random tensors and dropout: known answers of Philox, plain formulas element by element, moments, and that
// every target draws the same.
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

void check_dropout(Target target, const Dims& dims, double stride, double p) {
  const std::string context = std::string("dropout on ") + name_of(target) + " p = " + std::to_string(p);
  const int64_t n = numel_of(dims);
  const Tensor x(target, dims, random_values(n, 9, 1, 2)), y(target, dims), rate(DType::f64, {}, {p}),
      step(DType::f64, {}, {5});
  const std::vector<double> attrs = {kKey0, kKey1, 3, stride};
  run_kernel("dropout", target, {x, rate, step, y}, attrs);
  std::vector<double> expected;
  int64_t kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t draw = stride == 1 ? i : i / (dims[1] * dims[2] * dims[3]) * dims[3] + i % dims[3];
    const bool keep = uniform_of(draw, 3, 5) >= p;
    expected.push_back(keep ? x.at(i) / (1 - p) : 0);
    kept += keep;
  }
  close(y, expected, 0, 2 * eps_of(target), context);
  if (n > 1000 && stride == 1)
    CHECK_THAT(std::fabs(static_cast<double>(kept) / static_cast<double>(n) - (1 - p)) < 0.05, context);
  check_threads("dropout", target, {x, rate, step, y}, attrs, y);
  run_kernel("dropout", target, {x, rate, step, x}, attrs);
  CHECK_THAT(same_bits(x, y), context + " in place");
}

void check_dropouts(Target target) {
  for (const double p : {0.0, 0.25, 0.5, 1 / 3.0, 1.0}) {
    for (const int64_t n : {0, 1, 3, 4, 5, 17, 513, 9001}) check_dropout(target, {n}, 1, p);
    check_dropout(target, {3, 4, 5, 7}, 20, p);
    check_dropout(target, {3, 4, 5, 7}, 1, p);
    check_dropout(target, {2, 1, 1, 7}, 1, p);
    check_dropout(target, {8, 16, 16, 33}, 256, p);
  }
  check_dropout(target, {5}, 1, uniform_of(2, 3, 5));  // u == p is kept
  const Tensor x(target, {3}, {INFINITY, NAN, 1}), y(target, {3}), one(DType::f64, {}, {1}),
      step(DType::f64, {}, {1});
  run_kernel("dropout", target, {x, one, step, y}, {1, 2, 3, 1});
  close(y, {0, 0, 0}, 0, 0, "dropped infinity");
  CHECK(rejects("dropout", target, {x, one, step, y}, {1, 2, 3, 2}) &&
        rejects("dropout", target, {x, one, step, y}, {-1, 2, 3, 1}));
  CHECK(rejects("dropout", target, {x, one, step, y}, {1, 2, 4294967296.0, 1}) &&
        rejects("dropout", target, {x, one, y}, {1, 2, 3, 1}));
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
    check_moments(target);
    check_dropouts(target);
  });
  return report();
}
