// renorm on every target: rows of a weight held to a norm, against the formula in double precision.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

std::vector<double> renormed(const Tensor& w, double limit) {
  const int64_t rows = w.view.dims[0], length = rows == 0 ? 0 : w.numel() / rows;
  std::vector<double> want;
  for (int64_t row = 0; row < rows; ++row) {
    long double squares = 0;  // exact beside sums of double, which the reference target makes
    for (int64_t i = 0; i < length; ++i) {
      const long double x = w.at(row * length + i);
      squares += x * x;
    }
    const double norm = static_cast<double>(std::sqrt(squares)),
                 scale = norm > limit ? limit / (norm + 1e-7) : 1;
    for (int64_t i = 0; i < length; ++i) want.push_back(w.at(row * length + i) * scale);
  }
  return want;
}

void test_dims(Target target, const Dims& dims, double limit) {
  const int64_t n = numel_of(dims), rows = dims[0];
  const Tensor w(target, dims, random_values(n, static_cast<uint64_t>(n + 1))), y(target, dims);
  // Every other row is short, and stays to the bit.
  for (int64_t row = 0; row < rows; row += 2)
    for (int64_t i = 0; i < n / rows; ++i) w.put(row * (n / rows) + i, w.at(row * (n / rows) + i) * 0x1p-10);
  const Tensor scalar(DType::f64, {}, {limit});
  const std::string context = std::string(name_of(target)) + " " + std::to_string(rows) + " of " +
                              std::to_string(rows == 0 ? 0 : n / rows);
  const std::vector<double> want = renormed(w, limit);
  CHECK(!run_kernel("renorm", target, {w, scalar, y}).faulted());
  close(y, want, 0, 32 * eps_of(target), context);
  check_threads("renorm", target, {w, scalar, y}, {}, y);
  for (int64_t row = 0; row < rows; row += 2)
    for (int64_t i = 0; i < n / rows; ++i)
      CHECK_THAT(y.at(row * (n / rows) + i) == w.at(row * (n / rows) + i), context);
  // In place.
  const std::vector<double> out = y.values();
  CHECK(!run_kernel("renorm", target, {w, scalar, w}).faulted());
  CHECK_THAT(w.values() == out, context);
}

void test_sizes(Target target) {
  const int64_t lanes = lanes_of(target);
  for (const int64_t length : {int64_t{1}, lanes - 1, lanes, lanes + 1, int64_t{27}, int64_t{511},
                               int64_t{512}, int64_t{513}, int64_t{1029}, int64_t{9000}}) {
    if (length == 0) continue;
    for (const int64_t rows : {1, 2, 7})
      test_dims(target, {rows, length}, 0.5 * std::sqrt(static_cast<double>(length)));
  }
  test_dims(target, {0, 5}, 1);
  test_dims(target, {600, 33}, 2);
  test_dims(target, {4}, 0.5);
  test_dims(target, {3, 2, 5}, 1);
  test_dims(target, {5, 3, 3, 2}, 1);
}

void test_odd_values(Target target) {
  const Tensor w(target, {4, 2}, {0, 0, 3, NAN, 3, 4, 0.3, 0.4}), y(target, {4, 2});
  const Tensor limit(DType::f64, {}, {1});
  run_kernel("renorm", target, {w, limit, y});
  // A row of zeros stays; NaN spoils its own row alone, where it is.
  close(y, {0, 0, 3, NAN, 0.6, 0.8, 0.3, 0.4}, 1e-6, 1e-6, name_of(target));
  limit.put(0, 0);
  run_kernel("renorm", target, {w, limit, y});
  close(y, {0, 0, 3, NAN, 0, 0, 0, 0}, 0, 0, name_of(target));
}

void test_rejects(Target target) {
  const Tensor w(target, {2, 3}), other(target, {3, 2}), whole(DType::i32, {2, 3}),
      limit(DType::f64, {}, {1}), two(DType::f64, {2}), none(target, {});
  CHECK(rejects("renorm", target, {w, limit}));
  CHECK(rejects("renorm", target, {w, limit, other}));
  CHECK(rejects("renorm", target, {whole, limit, w}));
  CHECK(rejects("renorm", target, {w, limit, whole}));
  CHECK(rejects("renorm", target, {w, two, w}));
  CHECK(rejects("renorm", target, {none, limit, none}));
  CHECK(rejects("renorm", target, {w, limit, w}, {1}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    test_sizes(target);
    test_odd_values(target);
    test_rejects(target);
  });
  return report();
}
