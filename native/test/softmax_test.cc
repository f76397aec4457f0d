// Softmax and log-softmax on every target against sums in double written out here.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Expected {
  std::vector<double> softmax, log_softmax, softmax_dx, log_softmax_dx;
};

// In the plainest form: exp(x_k - max) / sum, and Jacobians written as double loops.
Expected expect(const std::vector<double>& x, const std::vector<double>& dy, int64_t rows, int64_t n) {
  Expected e{x, x, x, x};
  for (int64_t r = 0; r < rows && n > 0; ++r) {
    const size_t at = static_cast<size_t>(r * n), end = at + static_cast<size_t>(n);
    const double max = *std::max_element(x.begin() + r * n, x.begin() + (r + 1) * n);
    double sum = 0;
    for (size_t k = at; k < end; ++k) sum += std::exp(x[k] - max);
    for (size_t k = at; k < end; ++k) {
      e.log_softmax[k] = x[k] - max - std::log(sum);
      e.softmax[k] = std::exp(e.log_softmax[k]);
    }
    for (size_t k = at; k < end; ++k) {
      double dx = 0, log_dx = 0;
      for (size_t j = at; j < end; ++j) {
        const double same = j == k;
        dx += dy[j] * e.softmax[j] * (same - e.softmax[k]);
        log_dx += dy[j] * (same - e.softmax[k]);
      }
      e.softmax_dx[k] = dx;
      e.log_softmax_dx[k] = log_dx;
    }
  }
  return e;
}

void test_size(int64_t rows, int64_t n, double scale) {
  const Dims dims{rows, n};
  const auto x = random_values(rows * n, 21, -scale, scale), dy = random_values(rows * n, 22);
  const Expected e = expect(x, dy, rows, n);
  for_each_target([&](Target target) {
    const std::string what =
        std::string(name_of(target)) + " " + std::to_string(rows) + " x " + std::to_string(n);
    // f32 holds x - max to eps * 2 scale; sums round K times at most.
    const double eps = eps_of(target) * (8 + 4 * scale),
                 eps_sum = eps + 4 * eps_of(target) * static_cast<double>(n);
    const Tensor tx(target, dims, x), tdy(target, dims, dy), y(target, dims), dx(target, dims);
    run_kernel("softmax", target, {tx, y});
    close(y, e.softmax, 1e-37, eps_sum, what + " softmax");
    y.set(e.softmax);
    run_kernel("softmax_backward", target, {tdy, y, dx});
    close(dx, e.softmax_dx, eps_sum, 0, what + " softmax_backward");
    run_kernel("log_softmax", target, {tx, y});
    close(y, e.log_softmax, eps_sum, eps, what + " log_softmax");
    y.set(e.log_softmax);
    run_kernel("log_softmax_backward", target, {tdy, y, dx});
    close(dx, e.log_softmax_dx, eps_sum, eps_sum, what + " log_softmax_backward");
  });
}

void test_special() {
  for_each_target([](Target target) {
    const Tensor x(target, {4, 3}, {INFINITY, 0, 0, 0, -INFINITY, 0, NAN, 0, 1, 1e30, -1e30, 0});
    const Tensor y(target, {4, 3});
    run_kernel("softmax", target, {x, y});
    CHECK(std::isnan(y.at(0)) && std::isnan(y.at(6)) && std::isnan(y.at(7)));
    CHECK(y.at(3) == 0.5 && y.at(4) == 0 && y.at(5) == 0.5);
    CHECK(y.at(9) == 1 && y.at(10) == 0 && y.at(11) == 0);
    run_kernel("log_softmax", target, {x, y});
    CHECK(y.at(4) == -INFINITY && y.at(9) == 0);
  });
}

void test_rejects() {
  for_each_target([](Target target) {
    const Tensor x(target, {3, 4}), other(target, {4, 3}), labels(DType::i32, {3, 4});
    CHECK(rejects("softmax", target, {x, other}));
    CHECK(rejects("softmax", target, {x, labels}));
    CHECK(rejects("softmax", target, {x}));
    CHECK(rejects("softmax_backward", target, {x, x, other}));
    const Tensor scalar(target, {});
    CHECK(rejects("softmax", target, {scalar, scalar}));
  });
}

}  // namespace

int main() {
  for (const int64_t n : {0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 31, 33, 100}) {
    for (const int64_t rows : {0, 1, 5}) {
      test_size(rows, n, 3);
      test_size(rows, n, 60);
    }
  }
  test_size(7, 1000, 5);
  test_special();
  test_rejects();
  for_each_target([](Target target) {
    const Tensor x(target, {1500, 65}, random_values(1500 * 65, 1)), y(target, {1500, 65});
    check_threads("softmax", target, {x, y}, {}, y);
    check_threads("log_softmax", target, {x, y}, {}, y);
  });
  return report();
}
