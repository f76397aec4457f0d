// eigh on every target: known spectra, residuals, orthogonality, degenerate and extreme matrices.
#include <functional>
#include <numbers>

#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();

using Matrix = std::vector<double>;
size_t at(int64_t i) { return static_cast<size_t>(i); }

Matrix random_symmetric(int64_t n, uint64_t seed) {
  Matrix a = random_values(n * n, seed);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = i + 1; j < n; ++j) a[at(i * n + j)] = a[at(j * n + i)];
  return a;
}

// H D H with H = I - 2 u u^T: known eigenvalues, full matrices.
Matrix with_values(const std::vector<double>& values, uint64_t seed) {
  const auto n = static_cast<int64_t>(values.size());
  Matrix u = random_values(n, seed), a(at(n * n)), h(at(n * n));
  double norm = 0;
  for (const double x : u) norm += x * x;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) h[at(i * n + j)] = (i == j) - 2 * u[at(i)] * u[at(j)] / norm;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      for (int64_t k = 0; k < n; ++k) a[at(i * n + j)] += h[at(i * n + k)] * values[at(k)] * h[at(j * n + k)];
  return a;
}

// The second difference: 2 - 2 cos(k pi / (n + 1)).
Matrix second_difference(int64_t n) {
  Matrix a(at(n * n));
  for (int64_t i = 0; i < n; ++i) {
    a[at(i * n + i)] = 2;
    if (i > 0) a[at(i * n + i - 1)] = a[at((i - 1) * n + i)] = -1;
  }
  return a;
}

double largest(const Matrix& a) {
  double most = 0;
  for (const double x : a) most = std::max(most, std::fabs(x));
  return most;
}

struct Result {
  Tensor values, vectors;
};

Result solve(Target target, int64_t n, const Matrix& a) {
  const Tensor in(DType::f64, {n, n}, a);
  Result r = {Tensor(DType::f64, {n}), Tensor(DType::f64, {n, n})};
  run_kernel("eigh", target, {in, r.values, r.vectors});
  return r;
}

// Largest |V V^T - I|.
double skewness(int64_t n, const Matrix& v) {
  double worst = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      double dot = -(i == j);
      for (int64_t k = 0; k < n; ++k) dot += v[at(i * n + k)] * v[at(j * n + k)];
      worst = std::max(worst, std::fabs(dot));
    }
  }
  return worst;
}

// Largest |A v - value v|.
double residual(int64_t n, const Matrix& a, const Matrix& values, const Matrix& v) {
  double worst = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t r = 0; r < n; ++r) {
      double sum = -values[at(i)] * v[at(i * n + r)];
      for (int64_t k = 0; k < n; ++k) sum += a[at(r * n + k)] * v[at(i * n + k)];
      worst = std::max(worst, std::fabs(sum));
    }
  }
  return worst;
}

void test_matrix(Target target, int64_t n, const Matrix& a, const std::string& name,
                 const std::vector<double>& expected = {}) {
  const std::string what = name + " of " + std::to_string(n) + " on " + name_of(target);
  const Result r = solve(target, n, a);
  const auto values = r.values.values(), vectors = r.vectors.values();
  const double bound = 8 * static_cast<double>(n + 8) * kEps, scale = largest(a) * std::sqrt(n);
  CHECK_THAT(std::is_sorted(values.begin(), values.end()), what);
  CHECK_THAT(skewness(n, vectors) <= bound, what);
  CHECK_THAT(residual(n, a, values, vectors) <= bound * scale, what);
  for (int64_t i = 0; i < n; ++i) {
    const auto* row = vectors.data() + i * n;
    const auto* peak =
        std::max_element(row, row + n, [](double x, double y) { return std::fabs(x) < std::fabs(y); });
    CHECK_THAT(*peak > 0, what);
  }
  if (!expected.empty()) close(r.values, expected, bound * scale, 0, what);
}

void test_sizes(Target target) {
  std::vector<int64_t> sizes = {1, 2, 3, 4, 15, 16, 17, 33, 47, 48, 49, 50};
  if (target != Target::ref) sizes.insert(sizes.end(), {97, 145, 200, 260});
  for (const int64_t n : sizes) {
    test_matrix(target, n, random_symmetric(n, static_cast<uint64_t>(n)), "random");
    std::vector<double> spectrum(at(n));
    for (int64_t k = 0; k < n; ++k)
      spectrum[at(k)] =
          2 - 2 * std::cos(std::numbers::pi * static_cast<double>(k + 1) / static_cast<double>(n + 1));
    test_matrix(target, n, second_difference(n), "second difference", spectrum);
  }
}

void test_degenerate(Target target) {
  constexpr int64_t n = 61;
  const Matrix zero(n * n);
  Matrix identity(n * n), ones(n * n, 1.0);
  for (int64_t i = 0; i < n; ++i) identity[at(i * n + i)] = 1;
  test_matrix(target, n, zero, "zero", zero.size() ? std::vector<double>(n, 0.0) : zero);
  test_matrix(target, n, identity, "identity", std::vector<double>(n, 1.0));
  std::vector<double> rank_one(n, 0.0);
  rank_one.back() = n;
  test_matrix(target, n, ones, "all ones", rank_one);
  std::vector<double> few(n), graded(n), clustered(n);
  for (int64_t i = 0; i < n; ++i) {
    few[at(i)] = i < 20 ? -1 : (i < 40 ? 0 : 3);
    graded[at(i)] = std::pow(10.0, static_cast<double>(i - n + 1) / 4);
    clustered[at(i)] = 1 + 1e-14 * static_cast<double>(i);
  }
  test_matrix(target, n, with_values(few, 1), "three values", few);
  test_matrix(target, n, with_values(graded, 2), "graded", graded);
  test_matrix(target, n, with_values(clustered, 3), "clustered", clustered);
}

void test_extremes(Target target) {
  constexpr int64_t n = 20;
  const Matrix a = random_symmetric(n, 9);
  const auto usual = solve(target, n, a).values.values();
  for (const double scale : {0x1p900, 0x1p-900}) {
    Matrix scaled = a;
    for (double& x : scaled) x *= scale;
    auto expected = usual;
    for (double& x : expected) x *= scale;
    close(solve(target, n, scaled).values, expected, 1e-13 * scale, 0, "scaled");
  }
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Matrix broken = a;
    broken[n + 1] = bad;
    const Result r = solve(target, n, broken);
    CHECK(std::isnan(r.values.at(0)) && std::isnan(r.vectors.at(n * n - 1)));
  }
  // Only the lower triangle is read.
  Matrix half = a;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = i + 1; j < n; ++j) half[at(i * n + j)] = std::numeric_limits<double>::quiet_NaN();
  CHECK(same_bits(solve(target, n, half).vectors, solve(target, n, a).vectors));
}

void test_calls(Target target) {
  const int64_t n = target == Target::ref ? 30 : 230;
  const Tensor a(DType::f64, {n, n}, random_symmetric(n, 4)), values(DType::f64, {n}),
      vectors(DType::f64, {n, n});
  check_threads("eigh", target, {a, values, vectors}, {}, vectors);
  check_threads("eigh", target, {a, values, vectors}, {}, values);
  const Tensor wrong(DType::f64, {n, n + 1}), narrow(DType::f32, {n, n}), empty(DType::f64, {0, 0}),
      none(DType::f64, {0});
  CHECK(rejects("eigh", target, {wrong, values, vectors}));
  CHECK(rejects("eigh", target, {narrow, values, vectors}));
  CHECK(rejects("eigh", target, {a, a, vectors}));
  CHECK(rejects("eigh", target, {a, values, wrong}));
  CHECK(rejects("eigh", target, {empty, none, empty}));
  CHECK(rejects("eigh", target, {a, values, vectors}, {1}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    test_sizes(target);
    test_degenerate(target);
    test_extremes(target);
    test_calls(target);
  });
  return report();
}
