// Folded weights on every target against the formula written out here.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

void test_fold(const Dims& dims, bool has_bias) {
  const int64_t channels = dims[0];
  int64_t row = 1;
  for (size_t i = 1; i < dims.size(); ++i) row *= dims[i];
  const auto w = random_values(channels * row, 1), bias = random_values(channels, 2);
  const auto gamma = random_values(channels, 3), beta = random_values(channels, 4);
  const auto mean = random_values(channels, 5), var = random_values(channels, 6, 0, 2);
  std::vector<double> folded = w, folded_bias = beta;
  for (int64_t o = 0; o < channels; ++o) {
    const auto c = static_cast<size_t>(o);
    const double scale = gamma[c] / std::sqrt(var[c] + 1e-3);
    for (int64_t i = 0; i < row; ++i) folded[static_cast<size_t>(o * row + i)] *= scale;
    folded_bias[c] += ((has_bias ? bias[c] : 0) - mean[c]) * scale;
  }
  for_each_target([&](Target target) {
    const std::string what = std::string(name_of(target)) + (has_bias ? " with bias" : "");
    const Tensor tw(target, dims, w), tb(target, {channels}, bias), tg(target, {channels}, gamma),
        tbeta(target, {channels}, beta), tm(target, {channels}, mean), tv(target, {channels}, var);
    const Tensor y(target, dims), yb(target, {channels});
    std::vector<TensorView> views = {tw, tg, tbeta, tm, tv, y, yb};
    if (has_bias) views.insert(views.begin() + 1, tb);
    const std::vector<double> attrs = {1e-3, static_cast<double>(has_bias)};
    run_kernel("fold_batch_norm", target, views, attrs);
    close(y, folded, 0, 2 * eps_of(target), what + " weights");
    close(yb, folded_bias, 4 * eps_of(target), 2 * eps_of(target), what + " bias");
    check_threads("fold_batch_norm", target, views, attrs, y);
    CHECK(rejects("fold_batch_norm", target, views, {0, static_cast<double>(has_bias)}));
    CHECK(rejects("fold_batch_norm", target, views, {1e-3, static_cast<double>(!has_bias)}));
    views[1] = yb.view;
    views[1].dims[0] += 1;
    CHECK(rejects("fold_batch_norm", target, views, attrs));
  });
}

}  // namespace

int main() {
  for (const bool has_bias : {false, true}) {
    test_fold({5, 3, 3, 7}, has_bias);
    test_fold({64, 9, 64}, has_bias);
    test_fold({17, 1}, has_bias);
    test_fold({4, 0}, has_bias);
    test_fold({0, 4}, has_bias);
  }
  return report();
}
