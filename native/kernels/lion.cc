// Lion: steps of one size, in the direction that the sign of a running mean of gradients gives. All
// parameters of a group in one call. Formulas: Chen et al. 2023, algorithm 2.
#define TENON_KERNEL_FILE "kernels/lion.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/update_groups.h"

constexpr AttrNames kLionAttrs{"hasScale"};

Groups lion_groups(const Call& c) { return {c, 4, flag(c, kLionAttrs["hasScale"]), 5}; }

// -1, 0 or 1; NaN stays NaN.
V sign_of(V x) { return select(x > V{}, spread(1), select(x < V{}, spread(-1), x)); }

// Scalars lr, beta1, beta2, weight_decay. State: m.
struct Lion : Decayed {
  V lr, beta1, one_minus_beta1, beta2, one_minus_beta2;

  explicit Lion(const Call& c)
      : Decayed(scalar(c.t[0]), scalar(c.t[3]), true, lion_groups(c).scale()),
        lr(scalar_vector(c.t[0])),
        beta1(scalar_vector(c.t[1])),
        one_minus_beta1(spread(1 - scalar(c.t[1]))),
        beta2(scalar_vector(c.t[2])),
        one_minus_beta2(spread(1 - scalar(c.t[2]))) {}

  void operator()(const V (&x)[3], V (&y)[2]) const {
    const V g = gradient(x[0], x[1]);
    const V direction = fma(beta1, x[2], one_minus_beta1 * g);
    y[1] = fma(beta2, x[2], one_minus_beta2 * g);
    y[0] = keep * x[0] - lr * sign_of(direction);
  }
};

Cost prepare_lion(const Call& c) { return prepare_groups(c, lion_groups(c), 10); }

void run_lion(const Call& c) { apply_rule<3, 2>(lion_groups(c), 15, Lion(c)); }

TENON_KERNEL(lion, prepare_lion, run_lion, kLionAttrs)
#endif
