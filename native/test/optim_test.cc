// SGD and Adam against PyTorch's formulas written out in double, several steps, over tensors of many sizes;
// the guard.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

const std::vector<int64_t> kSizes = {3, 0, 20'000, 1, 17, 64, 8192, 5};

// All tensors of one role: weights, gradients or a state.
struct Role {
  Role(Target target, uint64_t seed, double low = -1, double high = 1) {
    for (size_t i = 0; i < kSizes.size(); ++i)
      tensors.emplace_back(target, Dims{kSizes[i]}, random_values(kSizes[i], seed + 100 * i, low, high));
  }
  std::vector<double> values() const {
    std::vector<double> all;
    for (const Tensor& tensor : tensors) {
      const auto part = tensor.values();
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  void fill(double value) const {
    for (const Tensor& tensor : tensors)
      tensor.set(std::vector<double>(static_cast<size_t>(tensor.numel()), value));
  }
  std::vector<Tensor> tensors;
};

std::vector<TensorView> operands(const std::vector<Tensor>& scalars, const std::vector<const Role*>& roles) {
  std::vector<TensorView> views(scalars.begin(), scalars.end());
  for (const Role* role : roles) views.insert(views.end(), role->tensors.begin(), role->tensors.end());
  return views;
}

void expect(const Role& role, const std::vector<double>& expected, double tolerance,
            const std::string& context) {
  const auto actual = role.values();
  bool ok = actual.size() == expected.size();
  for (size_t i = 0; ok && i < actual.size(); ++i)
    ok = std::fabs(actual[i] - expected[i]) <= tolerance * (1 + std::fabs(expected[i]));
  CHECK_THAT(ok, context);
}

std::vector<Tensor> scalars_of(const std::vector<double>& values) {
  std::vector<Tensor> scalars;
  for (const double value : values) scalars.emplace_back(DType::f64, Dims{}, std::vector<double>{value});
  return scalars;
}

struct SgdCase {
  double momentum, dampening, decay;
  bool nesterov, stateful, scaled;
};

void check_sgd(Target target, const SgdCase& c) {
  const double lr = 0.1, scale = c.scaled ? 0.5 : 1, n = static_cast<double>(kSizes.size());
  const Role w(target, 1), g(target, 2), v(target, 3);
  v.fill(std::nan(""));  // what the state holds before step 1 must not matter
  auto weights = w.values();
  const auto gradients = g.values();
  std::vector<double> velocity(weights.size());
  for (int step = 1; step <= 3; ++step) {
    auto scalars = scalars_of({lr, c.momentum, c.dampening, c.decay, static_cast<double>(step)});
    if (c.scaled) scalars.emplace_back(target, Dims{}, std::vector<double>{scale});
    const auto views = c.stateful ? operands(scalars, {&w, &g, &v, &w, &v}) : operands(scalars, {&w, &g, &w});
    run_kernel("sgd", target, views,
               {n, c.nesterov ? 1.0 : 0.0, c.stateful ? 1.0 : 0.0, c.scaled ? 1.0 : 0.0});
    for (size_t i = 0; i < weights.size(); ++i) {
      double d = scale * gradients[i] + c.decay * weights[i];
      if (c.stateful) {
        velocity[i] = step == 1 ? d : c.momentum * velocity[i] + (1 - c.dampening) * d;
        d = c.nesterov ? d + c.momentum * velocity[i] : velocity[i];
      }
      weights[i] -= lr * d;
    }
  }
  const std::string context = std::string("sgd on ") + name_of(target);
  expect(w, weights, 20 * eps_of(target), context);
  if (c.stateful) expect(v, velocity, 20 * eps_of(target), context + " velocity");
}

void check_adam(Target target, bool decoupled, bool scaled) {
  const double lr = 0.01, b1 = 0.9, b2 = 0.999, eps = 1e-8, decay = 0.1, scale = scaled ? 0.25 : 1;
  const Role w(target, 4), g(target, 5), m(target, 6), v(target, 7);
  m.fill(0);
  v.fill(0);
  auto weights = w.values();
  const auto gradients = g.values();
  std::vector<double> first(weights.size()), second(weights.size());
  for (int step = 1; step <= 4; ++step) {
    auto scalars = scalars_of({lr, b1, b2, eps, decay, static_cast<double>(step)});
    if (scaled) scalars.emplace_back(target, Dims{}, std::vector<double>{scale});
    run_kernel("adam", target, operands(scalars, {&w, &g, &m, &v, &w, &m, &v}),
               {static_cast<double>(kSizes.size()), decoupled ? 1.0 : 0.0, scaled ? 1.0 : 0.0});
    for (size_t i = 0; i < weights.size(); ++i) {
      double d = scale * gradients[i];
      if (decoupled) {
        weights[i] *= 1 - lr * decay;
      } else {
        d += decay * weights[i];
      }
      first[i] = b1 * first[i] + (1 - b1) * d;
      second[i] = b2 * second[i] + (1 - b2) * d * d;
      const double denominator = std::sqrt(second[i]) / std::sqrt(1 - std::pow(b2, step)) + eps;
      weights[i] -= lr / (1 - std::pow(b1, step)) * first[i] / denominator;
    }
  }
  const std::string context = std::string("adam on ") + name_of(target);
  expect(w, weights, 30 * eps_of(target), context);
  expect(m, first, 10 * eps_of(target), context + " m");
  expect(v, second, 10 * eps_of(target), context + " v");
}

// New weights in other memory give the same bits as in place, with any number of threads.
void check_same_bits(Target target) {
  const Role w(target, 1), g(target, 2), v(target, 3), w1(target, 8), v1(target, 9), w3(target, 10),
      v3(target, 11);
  const std::vector<double> attrs = {static_cast<double>(kSizes.size()), 1, 1, 0};
  const auto scalars = scalars_of({0.1, 0.9, 0, 1e-4, 2});
  run_kernel("sgd", target, operands(scalars, {&w, &g, &v, &w1, &v1}), attrs);
  set_num_threads(3);
  run_kernel("sgd", target, operands(scalars, {&w, &g, &v, &w3, &v3}), attrs);
  run_kernel("sgd", target, operands(scalars, {&w, &g, &v, &w, &v}), attrs);
  set_num_threads(1);
  for (size_t i = 0; i < kSizes.size(); ++i) {
    CHECK(same_bits(w1.tensors[i], w3.tensors[i]) && same_bits(v1.tensors[i], v3.tensors[i]));
    CHECK(same_bits(w1.tensors[i], w.tensors[i]) && same_bits(v1.tensors[i], v.tensors[i]));
  }
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
  const double n = static_cast<double>(kSizes.size());
  CHECK(rejects("sgd", target, operands(scalars, {&w, &g}), {n, 0, 0, 0}));
  CHECK(rejects("sgd", target, operands(scalars, {&w, &g, &w}), {n, 0, 1, 0}));
  CHECK(rejects("sgd", target, operands(scalars, {&w, &g, &w}), {0, 0, 0, 0}));
  CHECK(rejects("sgd", target, operands(scalars, {&w, &g, &w}), {1e18, 0, 0, 0}));
  auto views = operands(scalars, {&w, &g, &w});
  views[5].dims[0] = 4;
  CHECK(rejects("sgd", target, views, {n, 0, 0, 0}));
  CHECK(rejects("adam", target, operands(scalars, {&w, &g, &w}), {n, 0, 0}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    for (const SgdCase& c :
         {SgdCase{0, 0, 0, false, false, false}, SgdCase{0, 0, 0.01, false, false, true},
          SgdCase{0.9, 0, 0, false, true, false}, SgdCase{0.9, 0.5, 0.01, false, true, true},
          SgdCase{0.9, 0, 5e-4, true, true, false}, SgdCase{0.9, 0, 5e-4, true, true, true}})
      check_sgd(target, c);
    for (const bool decoupled : {false, true})
      for (const bool scaled : {false, true}) check_adam(target, decoupled, scaled);
    check_same_bits(target);
    check_guard(target);
    check_rejections(target);
  });
  return report();
}
