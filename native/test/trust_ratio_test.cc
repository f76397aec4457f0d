// LARS and LAMB against their formulas written out in double, several steps, over tensors of many sizes.
#include "test/update_cases.h"

using namespace tenon;
using namespace tenon::test;

namespace {

constexpr int kSteps = 3;
constexpr double kLr = 0.1, kDecay = 0.05;

// Calls fn(begin, end) for the range of each tensor in the concatenated values.
template <class Fn>
void for_tensors(Fn&& fn) {
  size_t begin = 0;
  for (const int64_t size : kSizes) {
    fn(begin, begin + static_cast<size_t>(size));
    begin += static_cast<size_t>(size);
  }
}

double norm(const std::vector<double>& values, size_t begin, size_t end) {
  double sum = 0;
  for (size_t i = begin; i < end; ++i) sum += values[i] * values[i];
  return std::sqrt(sum);
}

struct LarsCase {
  bool nesterov, stateful, steps, adapt, scaled;
};

void check_lars(Target target, const LarsCase& c) {
  const double momentum = 0.9, trust = 0.02, eps = 1e-8, scale = c.scaled ? 0.5 : 1;
  const Role w(target, 1), g(target, 2), v(target, 3);
  v.fill(std::nan(""));
  auto weights = w.values(), gradients = g.values();
  for (double& value : gradients) value *= scale;
  std::vector<double> velocity(weights.size());
  for (int step = 1; step <= kSteps; ++step) {
    const auto roles =
        c.stateful ? std::vector<const Role*>{&w, &g, &v, &w, &v} : std::vector<const Role*>{&w, &g, &w};
    run_update("lars", target,
               {kLr, momentum, 0, kDecay, static_cast<double>(step), trust, eps, c.adapt ? 1.0 : 0.0}, scale,
               roles, {c.nesterov, c.stateful, c.steps, c.scaled});
    for_tensors([&](size_t begin, size_t end) {
      const double size = norm(weights, begin, end), slope = norm(gradients, begin, end);
      const double ratio = c.adapt && size > 0 ? trust * size / (slope + kDecay * size + eps) : 1;
      for (size_t i = begin; i < end; ++i) {
        const double d = ratio * (gradients[i] + kDecay * weights[i]);
        if (c.stateful) velocity[i] = (step == 1 ? 0 : momentum * velocity[i]) + (c.steps ? -kLr : 1) * d;
        const double plain = c.steps ? -kLr * d : d;
        const double direction =
            !c.stateful ? plain : (c.nesterov ? plain + momentum * velocity[i] : velocity[i]);
        weights[i] += (c.steps ? 1 : -kLr) * direction;
      }
    });
  }
  expect(w, weights, 20 * eps_of(target), std::string("lars on ") + name_of(target));
}

void check_lamb(Target target, bool uncorrected, bool adapt, bool scaled) {
  const double b1 = 0.9, b2 = 0.99, eps = 1e-6, scale = scaled ? 0.5 : 1;
  const Role w(target, 1), g(target, 2), m(target, 3), v(target, 4);
  m.fill(0);
  v.fill(0);
  auto weights = w.values();
  const auto gradients = g.values();
  std::vector<double> first(weights.size()), second(weights.size()), update(weights.size());
  for (int step = 1; step <= kSteps; ++step) {
    run_update("lamb", target, {kLr, b1, b2, eps, kDecay, static_cast<double>(step), adapt ? 1.0 : 0.0},
               scale, {&w, &g, &m, &v, &w, &m, &v}, {uncorrected, scaled});
    const double one = uncorrected ? 1 : 1 - std::pow(b1, step),
                 two = uncorrected ? 1 : 1 - std::pow(b2, step);
    for (size_t i = 0; i < weights.size(); ++i) {
      const double d = scale * gradients[i];
      first[i] = b1 * first[i] + (1 - b1) * d;
      second[i] = b2 * second[i] + (1 - b2) * d * d;
      update[i] = first[i] / one / (std::sqrt(second[i] / two) + eps) + kDecay * weights[i];
    }
    for_tensors([&](size_t begin, size_t end) {
      const double size = norm(weights, begin, end), of = norm(update, begin, end);
      const double ratio = adapt && size > 0 && of > 0 ? size / of : 1;
      for (size_t i = begin; i < end; ++i) weights[i] -= kLr * ratio * update[i];
    });
  }
  const std::string context = std::string("lamb on ") + name_of(target);
  expect(w, weights, 40 * eps_of(target), context);
  expect(m, first, 10 * eps_of(target), context + " m");
}

// Weights of zero have no norm to go by: the ratio is 1.
void check_zero(Target target) {
  const Role w(target, 1), g(target, 2);
  w.fill(0);
  auto expected = g.values();
  run_update("lars", target, {kLr, 0, 0, 0, 1, 0.02, 0, 1}, 1, {&w, &g, &w}, {false, false, false, false});
  for (double& value : expected) value *= -kLr;
  expect(w, expected, 4 * eps_of(target), "lars from zero");
}

void check_rejections(Target target) {
  const auto eight = scalars_of({0.1, 0.9, 0, 0, 1, 1, 0, 1}),
             seven = scalars_of({0.1, 0.9, 0.9, 0, 0, 1, 1});
  const Role w(target, 1), g(target, 2);
  CHECK(rejects("lars", target, operands(eight, {&w, &g, &w}), {0, 1, 0, 0}));
  CHECK(rejects("lars", target, operands(seven, {&w, &g, &w}), {0, 0, 0, 0}));
  CHECK(rejects("lamb", target, operands(seven, {&w, &g, &w}), {0, 0}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    for (const LarsCase& c :
         {LarsCase{false, false, false, true, false}, LarsCase{false, true, false, true, true},
          LarsCase{true, true, false, true, false}, LarsCase{false, true, true, true, false},
          LarsCase{true, true, true, true, true}, LarsCase{false, true, false, false, false}})
      check_lars(target, c);
    for (const bool uncorrected : {false, true})
      for (const bool adapt : {false, true}) check_lamb(target, uncorrected, adapt, adapt);
    check_zero(target);
    check_same_bits("lars", target, {0.1, 0.9, 0, 1e-4, 2, 0.02, 0, 1}, 1, {true, true, false, false});
    check_same_bits("lamb", target, {0.1, 0.9, 0.99, 1e-6, 0.01, 2, 1}, 2, {false, false});
    check_rejections(target);
  });
  return report();
}
