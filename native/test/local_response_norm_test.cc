// Local response normalization on every target against the definition in double written out here.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Attrs {
  double size, alpha, beta, k;
  std::vector<double> list() const { return {size, alpha, beta, k}; }
};

struct Expected {
  std::vector<double> y, dx;
};

Expected expect(const std::vector<double>& x, const std::vector<double>& dy, int64_t rows, int64_t n,
                const Attrs& a) {
  Expected e{x, x};
  const auto before = static_cast<int64_t>(a.size / 2), behind = static_cast<int64_t>((a.size - 1) / 2);
  for (int64_t r = 0; r < rows; ++r) {
    const double *xr = x.data() + r * n, *dyr = dy.data() + r * n;
    std::vector<double> s(static_cast<size_t>(n), a.k);
    for (int64_t c = 0; c < n; ++c)
      for (int64_t j = std::max<int64_t>(0, c - before); j <= std::min(n - 1, c + behind); ++j)
        s[c] += a.alpha / a.size * xr[j] * xr[j];
    for (int64_t c = 0; c < n; ++c) {
      e.y[r * n + c] = xr[c] * std::pow(s[c], -a.beta);
      double sum = 0;
      for (int64_t j = 0; j < n; ++j)
        if (c >= j - before && c <= j + behind) sum += dyr[j] * xr[j] * std::pow(s[j], -a.beta - 1);
      e.dx[r * n + c] = dyr[c] * std::pow(s[c], -a.beta) - 2 * a.alpha * a.beta / a.size * xr[c] * sum;
    }
  }
  return e;
}

void test_size(int64_t rows, int64_t n, const Attrs& a) {
  const Dims dims{rows, n};
  const auto x = random_values(rows * n, 31, -3, 3), dy = random_values(rows * n, 32);
  const Expected e = expect(x, dy, rows, n, a);
  for_each_target([&](Target target) {
    const std::string what = std::string(name_of(target)) + " " + std::to_string(rows) + " x " +
                             std::to_string(n) + " size " + std::to_string(a.size);
    const Tensor tx(target, dims, x), tdy(target, dims, dy), y(target, dims), dx(target, dims);
    run_kernel("local_response_norm", target, {tx, y}, a.list());
    close(y, e.y, eps_of(target) * 16, eps_of(target) * 16, what);
    run_kernel("local_response_norm_backward", target, {tdy, tx, dx}, a.list());
    close(dx, e.dx, eps_of(target) * 64, eps_of(target) * 64, what + " backward");
  });
}

void test_in_place_and_threads() {
  const Attrs a{5, 0.5, 0.75, 1};
  const auto x = random_values(700 * 19, 33, -3, 3), dy = random_values(700 * 19, 34);
  const Expected e = expect(x, dy, 700, 19, a);
  for_each_target([&](Target target) {
    const Tensor tx(target, {700, 19}, x), tdy(target, {700, 19}, dy), y(target, {700, 19});
    check_threads("local_response_norm", target, {tx, y}, a.list(), y);
    check_threads("local_response_norm_backward", target, {tdy, tx, y}, a.list(), y);
    run_kernel("local_response_norm_backward", target, {tdy, tx, tx}, a.list());
    close(tx, e.dx, eps_of(target) * 64, eps_of(target) * 64, "dx in the place of x");
    tx.set(x);
    run_kernel("local_response_norm", target, {tx, tx}, a.list());
    close(tx, e.y, eps_of(target) * 16, eps_of(target) * 16, "y in the place of x");
  });
}

void test_rejects() {
  for_each_target([](Target target) {
    const Tensor x(target, {3, 4}), other(target, {4, 3}), y(target, {3, 4});
    CHECK(rejects("local_response_norm", target, {x, other}, {5, 1, 1, 1}));
    CHECK(rejects("local_response_norm", target, {x, y}, {0, 1, 1, 1}));
    CHECK(rejects("local_response_norm", target, {x, y}, {2.5, 1, 1, 1}));
    CHECK(rejects("local_response_norm", target, {x, y}, {5, NAN, 1, 1}));
    CHECK(rejects("local_response_norm_backward", target, {x, other, y}, {5, 1, 1, 1}));
  });
}

}  // namespace

int main() {
  const Attrs usual{5, 5e-4, 0.75, 2}, strong{4, 2, 0.5, 0.5};
  for (int64_t n : {1, 2, 7, 8, 9, 15, 16, 17, 33, 96})
    for (const Attrs& a : {usual, strong}) test_size(5, n, a);
  test_size(700, 19, strong);
  test_size(3, 9, Attrs{101, 50, 0.75, 1});
  test_size(0, 4, usual);
  test_in_place_and_threads();
  test_rejects();
  return report();
}
