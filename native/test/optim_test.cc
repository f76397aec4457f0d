// SGD against PyTorch's formulas written out in double, several steps, over tensors of many sizes; running
// means; the guard.
#include "test/update_cases.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct SgdCase {
  double momentum, dampening, decay;
  bool nesterov, stateful, steps, decoupled, scaled;
};

// One step of one weight; `velocity` holds steps or gradients.
void step_sgd(const SgdCase& c, int step, double lr, double g, double& w, double& velocity) {
  const double kept = c.decoupled ? w * (1 - lr * c.decay) : w;
  if (!c.decoupled) g += c.decay * w;
  if (!c.stateful) {
    w = kept - lr * g;
  } else if (c.steps) {
    velocity = step == 1 ? -lr * g : c.momentum * velocity - lr * (1 - c.dampening) * g;
    w = kept + (c.nesterov ? c.momentum * velocity - lr * g : velocity);
  } else {
    velocity = step == 1 ? g : c.momentum * velocity + (1 - c.dampening) * g;
    w = kept - lr * (c.nesterov ? g + c.momentum * velocity : velocity);
  }
}

void check_sgd(Target target, const SgdCase& c) {
  const double scale = c.scaled ? 0.5 : 1;
  const Role w(target, 1), g(target, 2), v(target, 3);
  v.fill(std::nan(""));  // what the state holds before step 1 must not matter
  auto weights = w.values();
  const auto gradients = g.values();
  std::vector<double> velocity(weights.size());
  for (int step = 1; step <= 3; ++step) {
    const double lr = 0.1 / step;  // the two kinds of velocity differ where the rate changes
    const auto roles =
        c.stateful ? std::vector<const Role*>{&w, &g, &v, &w, &v} : std::vector<const Role*>{&w, &g, &w};
    run_update("sgd", target, {lr, c.momentum, c.dampening, c.decay, static_cast<double>(step)}, scale, roles,
               {c.nesterov, c.stateful, c.steps, c.decoupled, c.scaled});
    for (size_t i = 0; i < weights.size(); ++i)
      step_sgd(c, step, lr, scale * gradients[i], weights[i], velocity[i]);
  }
  const std::string context = std::string("sgd on ") + name_of(target);
  expect(w, weights, 20 * eps_of(target), context);
  if (c.stateful) expect(v, velocity, 20 * eps_of(target), context + " velocity");
}

void check_running_mean(Target target) {
  const Role mean(target, 1), x(target, 2);
  mean.fill(std::nan(""));
  const auto step = [&](double share) {
    run_kernel("running_mean", target, operands(scalars_of({share}), {&mean, &x, &mean}));
  };
  step(1);  // begins anew
  expect(mean, x.values(), 0, "running mean begins");
  auto expected = x.values();
  x.fill(3);
  step(0.25);
  for (double& value : expected) value += 0.25 * (3 - value);
  expect(mean, expected, 2 * eps_of(target), "running mean");
}

void check_guard(Target target) {
  const Tensor fine(target, {}, {1}), inf(target, {}, {INFINITY}), nan(target, {}, {NAN});
  for (const Tensor* bad : {&inf, &nan}) {
    const Tensor guard(DType::i32, {1}, {0});
    CHECK(!run_kernel("finite_guard", target, {guard, fine, fine, guard}).nonfinite && guard.at(0) == 0);
    CHECK(run_kernel("finite_guard", target, {guard, fine, *bad, guard}).nonfinite && guard.at(0) == 1);
    CHECK(run_kernel("finite_guard", target, {guard, fine, fine, guard}).nonfinite && guard.at(0) == 1);
  }
  CHECK(rejects("finite_guard", target, {fine, fine}) && rejects("finite_guard", target, {fine}));
}

void check_rejections(Target target) {
  const auto scalars = scalars_of({0.1, 0.9, 0, 0, 1});
  const Role w(target, 1), g(target, 2);
  CHECK(rejects("sgd", target, operands(scalars, {&w, &g}), {0, 0, 0, 0, 0}));
  CHECK(rejects("sgd", target, operands(scalars, {&w, &g, &w}), {0, 1, 0, 0, 0}));
  CHECK(rejects("sgd", target, operands(scalars, {}), {0, 0, 0, 0, 0}));
  CHECK(rejects("sgd", target, operands(scalars, {&w, &g, &w}), {0, 0, 2, 0, 0}));
  CHECK(rejects("sgd", target, operands(scalars, {&w, &g, &w}), {0, 0, 0}));
  auto views = operands(scalars, {&w, &g, &w});
  views[5].dims[0] = 4;
  CHECK(rejects("sgd", target, views, {0, 0, 0, 0, 0}));
  CHECK(rejects("running_mean", target, operands(scalars_of({1}), {&w, &g})));
  CHECK(rejects("running_mean", target, operands({}, {&w, &g, &w})));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    for (const bool steps : {false, true})
      for (const bool decoupled : {false, true})
        for (const SgdCase& c : {SgdCase{0, 0, 0, false, false, steps, decoupled, false},
                                 SgdCase{0, 0, 0.01, false, false, steps, decoupled, true},
                                 SgdCase{0.9, 0, 0, false, true, steps, decoupled, false},
                                 SgdCase{0.9, 0.5, 0.01, false, true, steps, decoupled, true},
                                 SgdCase{0.9, 0, 5e-4, true, true, steps, decoupled, false},
                                 SgdCase{0.9, 0, 5e-4, true, true, steps, decoupled, true}})
          check_sgd(target, c);
    check_same_bits("sgd", target, {0.1, 0.9, 0, 1e-4, 2}, 1, {true, true, false, false, false});
    check_running_mean(target);
    check_guard(target);
    check_rejections(target);
  });
  return report();
}
