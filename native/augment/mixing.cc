#include "augment/mixing.h"

#include <algorithm>
#include <cmath>

#include "augment/functions.h"

namespace tenon::augment {
namespace {

// Uniform in (0, 1]: its logarithm is finite.
double positive_uniform(Draws& draws) { return 1 - draws.uniform(); }

// The logarithm of a number of Gamma(shape, 1): Marsaglia and Tsang, "A simple method for generating gamma
// variables" (2000). For shapes below 1, Gamma(shape) = Gamma(shape + 1) U^(1 / shape), which underflows
// where its logarithm does not.
double draw_log_gamma(double shape, Draws& draws) {
  const double boost = shape < 1 ? log_of(positive_uniform(draws)) / shape : 0;
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = draw_normal(draws), root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (log_of(positive_uniform(draws)) < 0.5 * x * x + d - d * v + d * log_of(v)) {
      return boost + log_of(d * v);
    }
  }
}

}  // namespace

double draw_normal(Draws& draws) {
  const double radius = std::sqrt(-2 * log_of(positive_uniform(draws)));
  return radius * sin_cos(360 * draws.uniform()).cos;
}

double draw_beta(double alpha, Draws& draws) {
  const double first = draw_log_gamma(alpha, draws), second = draw_log_gamma(alpha, draws);
  return 1 / (1 + exp_of(std::clamp(second - first, -700.0, 700.0)));
}

Window draw_window(const Size& size, double keep, Draws& draws) {
  const double half = 0.5 * std::sqrt(1 - keep);
  const int64_t down = static_cast<int64_t>(half * static_cast<double>(size.h)),
                across = static_cast<int64_t>(half * static_cast<double>(size.w));
  const int64_t y = draws.below(size.h), x = draws.below(size.w);
  return {std::max<int64_t>(y - down, 0), std::max<int64_t>(x - across, 0), std::min(y + down, size.h),
          std::min(x + across, size.w)};
}

}  // namespace tenon::augment
