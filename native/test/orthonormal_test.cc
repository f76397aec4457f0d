// orthonormal on every target: against the reference, and orthogonal to rounding however little is left of
// the last vectors.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

using Matrix = std::vector<double>;
size_t at(int64_t i) { return static_cast<size_t>(i); }

Tensor orthonormal(Target target, int64_t rows, int64_t columns, const Matrix& x, double gain = 1) {
  const Tensor in(target, {rows, columns}, x), out(target, {rows, columns});
  run_kernel("orthonormal", target, {in, out}, {gain});
  return Tensor(target, {rows, columns}, out.values());
}

// Largest |Y Y^T - I| of the rows, or |Y^T Y - I| where there are more rows than columns.
double skewness(int64_t rows, int64_t columns, const Matrix& y) {
  const bool by_rows = rows <= columns;
  const int64_t count = std::min(rows, columns), length = std::max(rows, columns);
  const int64_t step = by_rows ? columns : 1, within = by_rows ? 1 : columns;
  double worst = 0;
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      double dot = -(i == j);
      for (int64_t k = 0; k < length; ++k) dot += y[at(i * step + k * within)] * y[at(j * step + k * within)];
      worst = std::max(worst, std::fabs(dot));
    }
  }
  return worst;
}

void test_shape(Target target, int64_t rows, int64_t columns) {
  const std::string what = std::to_string(rows) + "x" + std::to_string(columns) + " on " + name_of(target);
  const Matrix x = random_values(rows * columns, static_cast<uint64_t>(rows * 1000 + columns));
  const Tensor y = orthonormal(target, rows, columns, x);
  CHECK_THAT(skewness(rows, columns, y.values()) <= 8 * eps_of(target), what);
  // What is left of the last vector of a square matrix is small, and both lose as many digits of it.
  const double lost = rows == columns ? 1e-9 : 1e-12;
  close(y, orthonormal(Target::ref, rows, columns, x).values(), lost + eps_of(target), eps_of(target), what);
  auto tripled = y.values();
  for (double& v : tripled) v *= 3;
  close(orthonormal(target, rows, columns, x, 3), tripled, 0, 4 * eps_of(target), what + ", gain 3");
}

// Of the second row almost nothing is left beside the first: one pass alone would leave it at an angle.
void test_parallel(Target target) {
  constexpr int64_t n = 40;
  Matrix x = random_values(3 * n, 7);
  for (int64_t i = 0; i < n; ++i) x[at(n + i)] = x[at(i)];
  x[n] *= 1 + 0x1p-20;
  CHECK(skewness(3, n, orthonormal(target, 3, n, x).values()) <= 8 * eps_of(target));
  for (int64_t i = 0; i < n; ++i) x[at(n + i)] = 0;
  CHECK(std::isnan(orthonormal(target, 3, n, x).at(n)));
}

void test_calls(Target target) {
  const int64_t rows = target == Target::ref ? 9 : 150, columns = target == Target::ref ? 20 : 230;
  const Tensor x(target, {rows, columns}, random_values(rows * columns, 5)), y(target, {rows, columns});
  check_threads("orthonormal", target, {x, y}, {1}, y);
  const Tensor flat(target, {rows * columns}), bytes(DType::u8, {rows, columns});
  CHECK(rejects("orthonormal", target, {flat, flat}, {1}));
  CHECK(rejects("orthonormal", target, {x, flat}, {1}));
  CHECK(rejects("orthonormal", target, {bytes, y}, {1}));
  CHECK(rejects("orthonormal", target, {x, bytes}, {1}));
  CHECK(rejects("orthonormal", target, {x, y}, {1, 1}));
  CHECK(rejects("orthonormal", target, {x}, {1}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    const std::pair<int64_t, int64_t> shapes[] = {{1, 1}, {1, 5},   {5, 1},   {2, 2},   {8, 9},    {9, 8},
                                                  {9, 9}, {17, 40}, {40, 17}, {33, 33}, {100, 101}};
    for (const auto& [rows, columns] : shapes) test_shape(target, rows, columns);
    test_parallel(target);
    test_calls(target);
  });
  return report();
}
