// Lion against its formula written out in double, several steps, over tensors of many sizes.
#include "test/update_cases.h"

using namespace tenon;
using namespace tenon::test;

namespace {

constexpr double kLr = 0.01, kDecay = 0.1, kBeta1 = 0.9, kBeta2 = 0.8;

double sign(double x) { return (x > 0) - (x < 0); }

void check_lion(Target target, bool scaled) {
  const double scale = scaled ? 0.25 : 1;
  const Role w(target, 1), g(target, 2), m(target, 3);
  m.fill(0);
  auto weights = w.values();
  const auto gradients = g.values();
  std::vector<double> means(weights.size());
  for (int step = 1; step <= 4; ++step) {
    run_update("lion", target, {kLr, kBeta1, kBeta2, kDecay}, scale, {&w, &g, &m, &w, &m}, {scaled});
    for (size_t i = 0; i < weights.size(); ++i) {
      const double d = scale * gradients[i];
      weights[i] -= kLr * (sign(kBeta1 * means[i] + (1 - kBeta1) * d) + kDecay * weights[i]);
      means[i] = kBeta2 * means[i] + (1 - kBeta2) * d;
    }
  }
  const std::string context = std::string("lion on ") + name_of(target) + (scaled ? " scaled" : "");
  expect(w, weights, 10 * eps_of(target), context);
  expect(m, means, 10 * eps_of(target), context + " m");
}

void check_rejections(Target target) {
  const auto four = scalars_of({0.1, 0.9, 0.99, 0});
  const Role w(target, 1), g(target, 2);
  CHECK(rejects("lion", target, operands(four, {&w, &g, &w, &w}), {0}));
  CHECK(rejects("lion", target, operands(four, {&w, &g, &w, &w, &w}), {2}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    check_lion(target, false);
    check_lion(target, true);
    check_same_bits("lion", target, {0.1, 0.9, 0.99, 1e-4}, 1, {false});
    check_rejections(target);
  });
  return report();
}
