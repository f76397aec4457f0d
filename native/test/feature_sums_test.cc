// column_moments, covariance and spectral on every target against sums written out here.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Data {
  Data(int64_t rows, int64_t features)
      : b(rows),
        d(features),
        x(random_values(b * d, 1)),
        shift(random_values(d, 2)),
        total(random_values(d * d, 3)) {}
  double centred(int64_t row, int64_t i) const {
    return x[static_cast<size_t>(row * d + i)] - shift[static_cast<size_t>(i)];
  }

  int64_t b, d;
  std::vector<double> x, shift, total;
};

void test_moments(Target target, const Data& data, double power) {
  const std::vector<double> before(data.total.begin(), data.total.begin() + data.d);
  std::vector<double> expected = before;
  for (int64_t r = 0; r < data.b; ++r) {
    for (int64_t i = 0; i < data.d; ++i) {
      const double v = data.centred(r, i);
      expected[static_cast<size_t>(i)] += power == 2 ? v * v : v;
    }
  }
  const Tensor x(target, {data.b, data.d}, data.x), shift(DType::f64, {data.d}, data.shift),
      total(DType::f64, {data.d}, before), out(DType::f64, {data.d});
  const std::string what = std::string("moments on ") + name_of(target);
  check_threads("column_moments", target, {x, shift, total, out}, {power}, out);
  close(out, expected, 0, 0, what);
  run_kernel("column_moments", target, {x, shift, total, total}, {power});
  CHECK_THAT(same_bits(total, out), what);
}

void test_covariance(Target target, const Data& data) {
  const Tensor x(target, {data.b, data.d}, data.x), shift(DType::f64, {data.d}, data.shift),
      total(DType::f64, {data.d, data.d}, data.total), out(DType::f64, {data.d, data.d});
  const std::string what = std::string("covariance on ") + name_of(target);
  check_threads("covariance", target, {x, shift, total, out}, {}, out);
  for (int64_t i = 0; i < data.d; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      double expected = data.total[static_cast<size_t>(i * data.d + j)];
      for (int64_t r = 0; r < data.b; ++r) expected += data.centred(r, i) * data.centred(r, j);
      const double bound = 1e-15 * (4 + 4 * static_cast<double>(data.b));
      CHECK_THAT(std::fabs(out.at(i * data.d + j) - expected) <= bound, what);
    }
  }
  run_kernel("covariance", target, {x, shift, total, total});
  CHECK_THAT(same_bits(total, out), what);
}

void test_spectral(Target target, int64_t k, int64_t d) {
  const auto v = random_values(k * d, 5), scale = random_values(k, 6);
  std::vector<double> expected(static_cast<size_t>(d * d));
  for (int64_t i = 0; i < d; ++i)
    for (int64_t j = 0; j < d; ++j)
      for (int64_t r = 0; r < k; ++r)
        expected[static_cast<size_t>(i * d + j)] += scale[static_cast<size_t>(r)] *
                                                    v[static_cast<size_t>(r * d + i)] *
                                                    v[static_cast<size_t>(r * d + j)];
  const Tensor vectors(DType::f64, {k, d}, v), factors(DType::f64, {k}, scale), y(target, {d, d});
  check_threads("spectral", target, {vectors, factors, y}, {}, y);
  close(y, expected, 1e-15 * static_cast<double>(4 + k), eps_of(target),
        std::string("spectral on ") + name_of(target));
  CHECK(rejects("spectral", target, {factors, factors, y}));
  CHECK(rejects("spectral", target, {vectors, y, y}));
  CHECK(rejects("spectral", target, {vectors, factors, vectors}));
}

void test_refusals(Target target) {
  const Tensor x(target, {3, 5}), wide(target, {3, 6}), shift(DType::f64, {5}), total(DType::f64, {5}),
      square(DType::f64, {5, 5}), narrow(DType::f32, {5});
  CHECK(!rejects("column_moments", target, {x, shift, total, total}, {1}));
  CHECK(rejects("column_moments", target, {x, shift, total, total}, {3}));
  CHECK(rejects("column_moments", target, {wide, shift, total, total}, {1}));
  CHECK(rejects("column_moments", target, {x, narrow, total, total}, {1}));
  CHECK(rejects("column_moments", target, {x, shift, square, square}, {1}));
  CHECK(!rejects("covariance", target, {x, shift, square, square}));
  CHECK(rejects("covariance", target, {x, shift, total, total}));
  CHECK(rejects("covariance", target, {wide, shift, square, square}));
  CHECK(rejects("covariance", target, {x, shift, square, total}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    for (const int64_t d : {1, 5, 11, 12, 13, 24, 191, 192, 193, 400}) {
      if (target == Target::ref && d > 24) continue;
      for (const int64_t b : {0, 1, 7, 300}) {
        const Data data(b, d);
        test_moments(target, data, 1);
        test_moments(target, data, 2);
        test_covariance(target, data);
      }
    }
    for (const int64_t k : {1, 13, 250}) test_spectral(target, k, k + 3);
    test_refusals(target);
  });
  return report();
}
