// AdaGrad, RMSProp, Adam and NAdam against their formulas written out in double, several steps, over tensors
// of many sizes.
#include "test/update_cases.h"

using namespace tenon;
using namespace tenon::test;

namespace {

constexpr int kSteps = 4;
constexpr double kLr = 0.01, kDecay = 0.1;

struct Case {
  bool decoupled, inside, scaled;
  double scale() const { return scaled ? 0.25 : 1; }
};

// The gradient that a rule sees; decoupled decay shrinks the weight instead.
double decayed(const Case& c, double& w, double g) {
  const double scaled = c.scale() * g;
  if (!c.decoupled) return scaled + kDecay * w;
  w *= 1 - kLr * kDecay;
  return scaled;
}

double root(const Case& c, double v, double eps) {
  return c.inside ? std::sqrt(v + eps) : std::sqrt(v) + eps;
}

std::string context_of(const char* kernel, Target target, const Case& c) {
  return std::string(kernel) + " on " + name_of(target) + (c.decoupled ? " decoupled" : "") +
         (c.inside ? " inside" : "") + (c.scaled ? " scaled" : "");
}

void check_adagrad(Target target, const Case& c) {
  const double eps = 1e-7;
  const Role w(target, 1), g(target, 2), s(target, 3);
  s.fill(0.25);
  auto weights = w.values();
  const auto gradients = g.values();
  std::vector<double> sums(weights.size(), 0.25);
  for (int step = 1; step <= kSteps; ++step) {
    run_update("adagrad", target, {kLr, eps, kDecay}, c.scale(), {&w, &g, &s, &w, &s},
               {c.decoupled, c.inside, c.scaled});
    for (size_t i = 0; i < weights.size(); ++i) {
      const double d = decayed(c, weights[i], gradients[i]);
      sums[i] += d * d;
      weights[i] -= kLr * d / root(c, sums[i], eps);
    }
  }
  expect(w, weights, 20 * eps_of(target), context_of("adagrad", target, c));
  expect(s, sums, 10 * eps_of(target), context_of("adagrad", target, c) + " s");
}

void check_rmsprop(Target target, const Case& c, bool centred, bool with_momentum) {
  const double alpha = 0.9, eps = 1e-3, momentum = 0.8;
  const Role w(target, 1), g(target, 2), v(target, 3), mean(target, 4), buffer(target, 5);
  std::vector<const Role*> states = {&v};
  if (centred) states.push_back(&mean);
  if (with_momentum) states.push_back(&buffer);
  for (const Role* state : states) state->fill(0);
  std::vector<const Role*> roles = {&w, &g};
  roles.insert(roles.end(), states.begin(), states.end());
  roles.push_back(&w);
  roles.insert(roles.end(), states.begin(), states.end());
  auto weights = w.values();
  const auto gradients = g.values();
  std::vector<double> square(weights.size()), average(weights.size()), velocity(weights.size());
  for (int step = 1; step <= kSteps; ++step) {
    run_update("rmsprop", target, {kLr, alpha, eps, momentum, kDecay}, c.scale(), roles,
               {c.decoupled, c.inside, centred, with_momentum, c.scaled});
    for (size_t i = 0; i < weights.size(); ++i) {
      const double d = decayed(c, weights[i], gradients[i]);
      square[i] = alpha * square[i] + (1 - alpha) * d * d;
      average[i] += (1 - alpha) * (d - average[i]);
      const double variance = square[i] - (centred ? average[i] * average[i] : 0);
      velocity[i] = (with_momentum ? momentum * velocity[i] : 0) + d / root(c, variance, eps);
      weights[i] -= kLr * velocity[i];
    }
  }
  expect(w, weights, 60 * eps_of(target), context_of("rmsprop", target, c));
  expect(v, square, 10 * eps_of(target), context_of("rmsprop", target, c) + " v");
}

// Constant gradients: v equals mean^2 in the limit, and rounding must not take the difference below zero.
void check_no_variance(Target target) {
  const Role w(target, 1), g(target, 2), v(target, 3), mean(target, 4);
  g.fill(0.1);
  v.fill(0);
  mean.fill(0);
  for (int step = 1; step <= 300; ++step)
    run_update("rmsprop", target, {1e-6, 0.5, 1e-8, 0, 0}, 1, {&w, &g, &v, &mean, &w, &v, &mean},
               {false, false, true, false, false});
  for (const double value : w.values()) CHECK(std::isfinite(value));
}

void check_adam(Target target, const Case& c, bool uncorrected, bool amsgrad) {
  const double b1 = 0.9, b2 = 0.99, eps = 1e-8;
  const Role w(target, 4), g(target, 5), m(target, 6), v(target, 7), most(target, 8);
  for (const Role* state : {&m, &v, &most}) state->fill(0);
  auto weights = w.values();
  std::vector<double> first(weights.size()), second(weights.size()), largest(weights.size());
  for (int step = 1; step <= kSteps; ++step) {
    if (step == 3) g.fill(0.01);  // v falls, its maximum stays
    const auto gradients = g.values();
    const auto roles = amsgrad ? std::vector<const Role*>{&w, &g, &m, &v, &most, &w, &m, &v, &most}
                               : std::vector<const Role*>{&w, &g, &m, &v, &w, &m, &v};
    run_update("adam", target, {kLr, b1, b2, eps, kDecay, static_cast<double>(step)}, c.scale(), roles,
               {c.decoupled, c.inside, uncorrected, amsgrad, c.scaled});
    for (size_t i = 0; i < weights.size(); ++i) {
      const double d = decayed(c, weights[i], gradients[i]);
      first[i] = b1 * first[i] + (1 - b1) * d;
      second[i] = b2 * second[i] + (1 - b2) * d * d;
      largest[i] = std::max(largest[i], second[i]);
      const double one = uncorrected ? 1 : 1 - std::pow(b1, step),
                   two = uncorrected ? 1 : 1 - std::pow(b2, step);
      weights[i] -= kLr / one * first[i] / root(c, (amsgrad ? largest[i] : second[i]) / two, eps);
    }
  }
  const std::string context = context_of("adam", target, c);
  expect(w, weights, 40 * eps_of(target), context);
  expect(m, first, 10 * eps_of(target), context + " m");
  expect(v, second, 10 * eps_of(target), context + " v");
}

void check_nadam(Target target, const Case& c) {
  const double b1 = 0.9, b2 = 0.99, eps = 1e-8, of_g = 0.3, of_m = 0.8;
  const Role w(target, 4), g(target, 5), m(target, 6), v(target, 7);
  m.fill(0);
  v.fill(0);
  auto weights = w.values();
  const auto gradients = g.values();
  std::vector<double> first(weights.size()), second(weights.size());
  for (int step = 1; step <= kSteps; ++step) {
    run_update("nadam", target, {kLr, of_g, of_m, b1, b2, eps, kDecay, static_cast<double>(step)}, c.scale(),
               {&w, &g, &m, &v, &w, &m, &v}, {c.decoupled, c.inside, c.scaled});
    for (size_t i = 0; i < weights.size(); ++i) {
      const double d = decayed(c, weights[i], gradients[i]);
      first[i] = b1 * first[i] + (1 - b1) * d;
      second[i] = b2 * second[i] + (1 - b2) * d * d;
      const double denominator = root(c, second[i] / (1 - std::pow(b2, step)), eps);
      weights[i] -= kLr * (of_g * d + of_m * first[i]) / denominator;
    }
  }
  expect(w, weights, 40 * eps_of(target), context_of("nadam", target, c));
}

void check_rejections(Target target) {
  const auto three = scalars_of({0.1, 0, 0}), five = scalars_of({0.1, 0.9, 0, 0, 0}),
             six = scalars_of({0.1, 0.9, 0.9, 0, 0, 1});
  const Role w(target, 1), g(target, 2);
  CHECK(rejects("adagrad", target, operands(three, {&w, &g, &w}), {0, 0, 0}));
  CHECK(rejects("rmsprop", target, operands(five, {&w, &g, &w, &w, &w}), {0, 0, 1, 0, 0}));
  CHECK(rejects("adam", target, operands(six, {&w, &g, &w}), {0, 0, 0, 0, 0}));
  CHECK(rejects("adam", target, operands(six, {&w, &g, &w, &w, &w, &w, &w}), {0, 0}));
  CHECK(rejects("adam", target, operands(six, {&w, &g, &w, &w, &w, &w, &w}), {0, 0, 0, 1, 0}));
  CHECK(rejects("nadam", target, operands(six, {&w, &g, &w, &w, &w, &w, &w}), {0, 0, 0}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    for (const Case& c : {Case{false, false, false}, Case{true, false, true}, Case{false, true, true},
                          Case{true, true, false}}) {
      check_adagrad(target, c);
      check_nadam(target, c);
      for (const bool a : {false, true}) {
        for (const bool b : {false, true}) {
          check_rmsprop(target, c, a, b);
          check_adam(target, c, a, b);
        }
      }
    }
    check_no_variance(target);
    check_same_bits("adagrad", target, {0.1, 1e-7, 1e-4}, 1, {false, false, false});
    check_same_bits("rmsprop", target, {0.1, 0.9, 1e-7, 0.9, 1e-4}, 3, {true, false, true, true, false});
    check_same_bits("adam", target, {0.1, 0.9, 0.99, 1e-7, 1e-4, 2}, 3, {false, false, false, true, false});
    check_same_bits("nadam", target, {0.1, 0.3, 0.8, 0.9, 0.99, 1e-7, 1e-4, 2}, 2, {false, false, false});
    check_rejections(target);
  });
  return report();
}
