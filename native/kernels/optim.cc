// Stochastic gradient descent for all parameters of a group in one call, running means of many tensors, and
// the guard against numbers that are not finite. Formulas: torch.optim.SGD.
#define TENON_KERNEL_FILE "kernels/optim.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/update_groups.h"

  #include "kernels/sgd_rule.h"

constexpr AttrNames kSgdAttrs{"nesterov", "momentum", "steps", "decoupled", "hasScale"};
constexpr int kSgdScalars = 5;

Groups sgd_groups(const Call& c) {
  return {c, kSgdScalars, flag(c, kSgdAttrs["hasScale"]), flag(c, kSgdAttrs["momentum"]) ? 5 : 3};
}

Cost prepare_sgd(const Call& c) { return prepare_groups(c, sgd_groups(c), 6); }

void run_sgd(const Call& c) {
  const Groups t = sgd_groups(c);
  const SgdFlags flags = {.nesterov = flag(c, kSgdAttrs["nesterov"]),
                          .steps = flag(c, kSgdAttrs["steps"]),
                          .decoupled = flag(c, kSgdAttrs["decoupled"])};
  const Sgd sgd(c, flags, t.scale());
  if (flag(c, kSgdAttrs["momentum"])) {
    apply_rule<3, 2>(t, 20, [sgd](const V(&x)[3], V(&y)[2]) {
      const V g = sgd.gradient(x[0], x[1]);
      y[1] = sgd.velocity(g, x[2]);
      y[0] = sgd.step(x[0], sgd.direction(g, y[1]));
    });
  } else {
    apply_rule<2, 1>(t, 20,
                     [sgd](const V(&x)[2], V(&y)[1]) { y[0] = sgd.step(x[0], sgd.gradient(x[0], x[1])); });
  }
}

Groups mean_groups(const Call& c) { return {c, 1, false, 3}; }

Cost prepare_running_mean(const Call& c) { return prepare_groups(c, mean_groups(c), 2); }

// A share of 1 begins anew: what the mean held before counts for nothing, not even as 0 * NaN.
void run_running_mean(const Call& c) {
  const double share = scalar(c.t[0]);
  const bool begins = share == 1;
  const V rate = spread(share);
  apply_rule<2, 1>(mean_groups(c), 10,
                   [=](const V(&x)[2], V(&y)[1]) { y[0] = begins ? x[1] : fma(rate, x[1] - x[0], x[0]); });
}

Cost prepare_guard(const Call& c) {
  require(c.count >= 2, "finite_guard: needs guard and guard'");
  const TensorView &before = c.t[0], &after = c.t[c.count - 1];
  require(before.dtype == DType::i32 && before.numel() == 1, "finite_guard: guard must be i32 [1]");
  require(after.dtype == DType::i32 && after.numel() == 1, "finite_guard: guard' must be i32 [1]");
  for (int k = 1; k + 1 < c.count; ++k)
    require(c.t[k].dtype == kReal && c.t[k].numel() == 1, "finite_guard: operands must be real numbers");
  return {0, static_cast<double>(c.count), static_cast<double>(c.count) * sizeof(real)};
}

void run_guard(const Call& c) {
  bool tripped = *c.t[0].as<int32_t>() != 0;
  for (int k = 1; k + 1 < c.count; ++k) tripped |= !std::isfinite(*c.t[k].as<real>());
  *c.t[c.count - 1].as<int32_t>() = tripped;
  if (tripped) c.run->nonfinite = true;
}

TENON_KERNEL(sgd, prepare_sgd, run_sgd, kSgdAttrs)
TENON_KERNEL(running_mean, prepare_running_mean, run_running_mean)
TENON_KERNEL(finite_guard, prepare_guard, run_guard)
#endif
