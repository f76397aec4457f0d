// Gaussian noise and dropped connections against plain formulas on every target, and that examples keep their
// draws whatever batch they come in.
#include "base/philox.h"
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

constexpr uint32_t kKey0 = 0xDEADBEEF, kKey1 = 77;
constexpr uint32_t kOrdinal = 3, kStep = 5;

double uniform_of(int64_t i) {
  const uint64_t block = static_cast<uint64_t>(i) / 4;
  const auto words =
      philox(kKey0, kKey1, static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), kOrdinal, kStep);
  return philox_uniform(words.v[i % 4]);
}

// The normal deviate below which a share u + 2^-25 lies, by bisection.
double normal_of(double u) {
  const double share = u + 1.0 / 33554432.0;
  double low = -6, high = 6;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < share ? low : high) = middle;
  }
  return (low + high) / 2;
}

Tensor number(double value) { return Tensor(DType::f64, {}, {value}); }

void check_noise(Target target, const Dims& dims, bool scaled, double per_example, double example) {
  const std::string context = std::string("gaussian_noise on ") + name_of(target);
  const int64_t n = numel_of(dims);
  const Tensor x(target, dims, random_values(n, 9, -1, 1)), y(target, dims),
      std = number(0.5), step = number(kStep), first = number(example);
  const std::vector<double> attrs = {kKey0, kKey1, kOrdinal, per_example, static_cast<double>(scaled)};
  run_kernel("gaussian_noise", target, {x, std, step, first, y}, attrs);
  std::vector<double> expected;
  for (int64_t i = 0; i < n; ++i) {
    const double z = 0.5 * normal_of(uniform_of(static_cast<int64_t>(per_example * example) + i));
    expected.push_back(scaled ? x.at(i) * (1 + z) : x.at(i) + z);
  }
  close(y, expected, 3e-6, 0, context);  // of the polynomial, also on the reference
  check_threads("gaussian_noise", target, {x, std, step, first, y}, attrs, y);
  run_kernel("gaussian_noise", target, {x, std, step, first, x}, attrs);
  CHECK_THAT(same_bits(x, y), context + " in place");
}

void check_noises(Target target) {
  for (const bool scaled : {false, true}) {
    for (const int64_t n : {0, 1, 3, 4, 5, 17, 513, 9001}) check_noise(target, {n}, scaled, 0, 0);
    check_noise(target, {3, 4, 5, 7}, scaled, 0, 0);
    for (const double example : {1.0, 2.0, 7.0}) check_noise(target, {40, 31}, scaled, 31, example);
  }
  const Tensor x(target, {3}), other(target, {4}), one = number(1);
  CHECK(!rejects("gaussian_noise", target, {x, one, one, one, x}, {1, 2, 3, 0, 0}));
  CHECK(rejects("gaussian_noise", target, {x, one, one, one, other}, {1, 2, 3, 0, 0}));
  CHECK(rejects("gaussian_noise", target, {x, one, one, one, x}, {1, 2, 3, 0, 2}));
  CHECK(rejects("gaussian_noise", target, {x, one, one, one, x}, {1, 2, 3, -1, 0}));
  CHECK(rejects("gaussian_noise", target, {x, x, one, one, x}, {1, 2, 3, 0, 0}));
}

struct Layer {
  int64_t n, o, i;
  double p, example;
};

void check_connections(Target target, const Layer& l) {
  const std::string context = std::string("drop_connect on ") + name_of(target);
  const Tensor x(target, {l.n, l.i}, random_values(l.n * l.i, 1)),
      w(target, {l.o, l.i}, random_values(l.o * l.i, 2)), dy(target, {l.n, l.o}, random_values(l.n * l.o, 3));
  const Tensor y(target, {l.n, l.o}), dx(target, {l.n, l.i}), dw(target, {l.o, l.i});
  const Tensor p = number(l.p), step = number(kStep), example = number(l.example);
  std::vector<double> ey(static_cast<size_t>(l.n * l.o)), ex(static_cast<size_t>(l.n * l.i)),
      ew(static_cast<size_t>(l.o * l.i));
  const int64_t first = static_cast<int64_t>(l.example) * l.o * l.i;
  for (int64_t n = 0; n < l.n; ++n)
    for (int64_t o = 0; o < l.o; ++o)
      for (int64_t i = 0; i < l.i; ++i) {
        if (uniform_of(first + (n * l.o + o) * l.i + i) < l.p) continue;
        const double m = 1 / (1 - l.p);
        ey[static_cast<size_t>(n * l.o + o)] += m * x.at(n * l.i + i) * w.at(o * l.i + i);
        ex[static_cast<size_t>(n * l.i + i)] += m * dy.at(n * l.o + o) * w.at(o * l.i + i);
        ew[static_cast<size_t>(o * l.i + i)] += m * dy.at(n * l.o + o) * x.at(n * l.i + i);
      }
  const std::vector<double> attrs = {kKey0, kKey1, kOrdinal, static_cast<double>(l.o * l.i)};
  const double tolerance = 4 * eps_of(target) / (1 - std::min(l.p, 0.9));
  run_kernel("drop_connect", target, {x, w, p, step, example, y}, attrs);
  close(y, ey, tolerance * static_cast<double>(l.i), 0, context + " y");
  run_kernel("drop_connect_backward_data", target, {dy, w, p, step, example, dx}, attrs);
  close(dx, ex, tolerance * static_cast<double>(l.o), 0, context + " dx");
  run_kernel("drop_connect_backward_weights", target, {dy, x, p, step, example, dw}, attrs);
  close(dw, ew, tolerance * static_cast<double>(l.n), 0, context + " dw");
  check_threads("drop_connect", target, {x, w, p, step, example, y}, attrs, y);
  check_threads("drop_connect_backward_data", target, {dy, w, p, step, example, dx}, attrs, dx);
  check_threads("drop_connect_backward_weights", target, {dy, x, p, step, example, dw}, attrs, dw);
}

void check_all_connections(Target target) {
  for (const double p : {0.0, 0.5, 0.3, 1.0})
    for (const int64_t i : {1, 3, 4, 5, 16, 17, 511, 513, 1030}) check_connections(target, {3, 5, i, p, 0});
  check_connections(target, {70, 67, 33, 0.5, 7});
  check_connections(target, {0, 3, 4, 0.5, 0});
  check_connections(target, {3, 0, 4, 0.5, 0});
  check_connections(target, {3, 4, 0, 0.5, 0});
  const Tensor x(target, {2, 3}), w(target, {4, 3}), y(target, {2, 4}), s = number(0);
  const std::vector<double> attrs = {1, 2, 3, 12};
  CHECK(!rejects("drop_connect", target, {x, w, s, s, s, y}, attrs));
  CHECK(rejects("drop_connect", target, {x, y, s, s, s, y}, attrs));
  CHECK(rejects("drop_connect", target, {x, w, s, s, s, x}, attrs));
  CHECK(rejects("drop_connect", target, {x, w, s, s, y}, attrs));
  CHECK(!rejects("drop_connect_backward_data", target, {y, w, s, s, s, x}, attrs));
  CHECK(rejects("drop_connect_backward_data", target, {x, w, s, s, s, x}, attrs));
  CHECK(!rejects("drop_connect_backward_weights", target, {y, x, s, s, s, w}, attrs));
  CHECK(rejects("drop_connect_backward_weights", target, {y, x, s, s, s, y}, attrs));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    check_noises(target);
    check_all_connections(target);
  });
  return report();
}
