// Cross entropy of probabilities and its gradient against std:: in double: every length around the vector
// width, the ends of the range, in place, one thread against three.
#include <algorithm>

#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

double loss(double p, double t) {
  return -(t * std::max(std::log(p), -100.0) + (1 - t) * std::max(std::log1p(-p), -100.0));
}

double slope(double p, double t) { return (p - t) / std::max(p * (1 - p), 1e-12); }

void check_length(Target target, int64_t n) {
  const std::string context = std::string(" on ") + name_of(target) + ", n = " + std::to_string(n);
  const Tensor p(target, {n}, random_values(n, 1, 0.001, 0.999)), t(target, {n}, random_values(n, 2, 0, 1));
  const Tensor dy(target, {n}, random_values(n, 3)), y(target, {n}), dp(target, {n});
  std::vector<double> expected, gradient;
  for (int64_t i = 0; i < n; ++i) {
    expected.push_back(loss(p.at(i), t.at(i)));
    gradient.push_back(dy.at(i) * slope(p.at(i), t.at(i)));
  }
  const double eps = eps_of(target);
  run_kernel("binary_cross_entropy", target, {p, t, y});
  close(y, expected, 4 * eps, 4 * eps, "loss" + context);
  run_kernel("binary_cross_entropy_backward", target, {dy, p, t, dp});
  // 1 - p is rounded, and p - t cancels.
  close(dp, gradient, 8 * eps, 8 * eps, "gradient" + context);
  run_kernel("binary_cross_entropy_backward", target, {dy, p, t, dy});
  CHECK_THAT(same_bits(dy, dp), "gradient in place" + context);
  run_kernel("binary_cross_entropy", target, {p, t, p});
  CHECK_THAT(same_bits(p, y), "loss in place" + context);
}

void check_ends(Target target) {
  const Tensor p(target, {6}, {0, 0, 1, 1, 1e-7, 2}), t(target, {6}, {0, 1, 0, 1, 0, 1});
  const Tensor y(target, {6}), dy(target, {6}, {1, 1, 1, 1, 1, 1}), dp(target, {6});
  run_kernel("binary_cross_entropy", target, {p, t, y});
  const double eps = eps_of(target);
  close(y, {0, 100, 100, 0, loss(p.at(4), 0), std::nan("")}, 0, 4 * eps,
        std::string("ends on ") + name_of(target));
  run_kernel("binary_cross_entropy_backward", target, {dy, p, t, dp});
  CHECK(dp.at(0) == 0 && dp.at(3) == 0 && std::fabs(dp.at(1) / -1e12 - 1) < 1e-6 &&
        std::fabs(dp.at(2) / 1e12 - 1) < 1e-6);
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    const int64_t w = lanes_of(target);
    for (const int64_t n : {int64_t{0}, int64_t{1}, w - 1, w, w + 1, int64_t{20'001}})
      check_length(target, n);
    check_ends(target);
    const int64_t n = 40'001;
    const Tensor p(target, {n}, random_values(n, 1, 0, 1)), t(target, {n}, random_values(n, 2, 0, 1));
    const Tensor y(target, {n}), dp(target, {n});
    check_threads("binary_cross_entropy", target, {p, t, y}, {}, y);
    check_threads("binary_cross_entropy_backward", target, {y, p, t, dp}, {}, dp);
    CHECK(rejects("binary_cross_entropy", target, {p, t}));
    CHECK(rejects("binary_cross_entropy", target, {p, Tensor(target, {3}), y}));
    CHECK(rejects("binary_cross_entropy_backward", target, {y, p, Tensor(DType::i32, {n}), dp}));
  });
  return report();
}
