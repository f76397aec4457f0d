// Updates with a rate of its own for each weight, from the squares of its gradients: AdaGrad, RMSProp, Adam
// and what follows from it. All parameters of a group in one call. Formulas: torch.optim.Adagrad, RMSprop,
// Adam, AdamW and NAdam.
#define TENON_KERNEL_FILE "kernels/adaptive.cc"
#include "base/power.h"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"
  #include "kernels/update_groups.h"

// sqrt(v / correction) + eps, or with eps inside sqrt(v / correction + eps).
struct Root {
  V factor, square, eps;
  bool inside;

  Root(double correction, double eps_, bool inside_)
      : factor(spread(1 / std::sqrt(correction))),
        square(spread(1 / correction)),
        eps(spread(eps_)),
        inside(inside_) {}

  V operator()(V v) const { return inside ? vsqrt(fma(v, square, eps)) : fma(vsqrt(v), factor, eps); }
};

constexpr AttrNames kAdagradAttrs{"decoupled", "epsInside", "hasScale"};

// Scalars lr, eps, weight_decay; tensors w, g, s -> w', s'.
Groups adagrad_groups(const Call& c) { return {c, 3, flag(c, kAdagradAttrs["hasScale"]), 5}; }

struct Adagrad : Decayed {
  V lr;
  Root root;

  explicit Adagrad(const Call& c)
      : Decayed(scalar(c.t[0]), scalar(c.t[2]), flag(c, kAdagradAttrs["decoupled"]),
                adagrad_groups(c).scale()),
        lr(scalar_vector(c.t[0])),
        root(1, scalar(c.t[1]), flag(c, kAdagradAttrs["epsInside"])) {}

  void operator()(const V (&x)[3], V (&y)[2]) const {
    const V g = gradient(x[0], x[1]);
    y[1] = fma(g, g, x[2]);
    y[0] = keep * x[0] - lr * g / root(y[1]);
  }
};

Cost prepare_adagrad(const Call& c) { return prepare_groups(c, adagrad_groups(c), 9); }

void run_adagrad(const Call& c) { apply_rule<3, 2>(adagrad_groups(c), 25, Adagrad(c)); }

constexpr AttrNames kRmspropAttrs{"decoupled", "epsInside", "centred", "momentum", "hasScale"};

int rmsprop_states(const Call& c) {
  return 1 + flag(c, kRmspropAttrs["centred"]) + flag(c, kRmspropAttrs["momentum"]);
}

Groups rmsprop_groups(const Call& c) {
  return {c, 5, flag(c, kRmspropAttrs["hasScale"]), 3 + 2 * rmsprop_states(c)};
}

// Scalars lr, alpha, eps, momentum, weight_decay. States: mean square, (mean), (velocity).
template <bool kCentred, bool kMomentum>
struct Rmsprop : Decayed {
  static constexpr int kStates = 1 + kCentred + kMomentum;
  V lr, alpha, rest, momentum;
  Root root;

  explicit Rmsprop(const Call& c)
      : Decayed(scalar(c.t[0]), scalar(c.t[4]), flag(c, kRmspropAttrs["decoupled"]),
                rmsprop_groups(c).scale()),
        lr(scalar_vector(c.t[0])),
        alpha(scalar_vector(c.t[1])),
        rest(spread(1 - scalar(c.t[1]))),
        momentum(scalar_vector(c.t[3])),
        root(1, scalar(c.t[2]), flag(c, kRmspropAttrs["epsInside"])) {}

  void operator()(const V (&x)[2 + kStates], V (&y)[1 + kStates]) const {
    const V g = gradient(x[0], x[1]);
    y[1] = fma(alpha, x[2], rest * g * g);
    V variance = y[1];
    if constexpr (kCentred) {
      y[2] = fma(rest, g - x[3], x[3]);
      variance = vmax(fma(-y[2], y[2], variance), V{});  // rounding may take it below zero
    }
    V direction = g / root(variance);
    if constexpr (kMomentum) {
      direction = fma(momentum, x[1 + kStates], direction);
      y[kStates] = direction;
    }
    y[0] = fma(-lr, direction, keep * x[0]);
  }
};

Cost prepare_rmsprop(const Call& c) {
  return prepare_groups(c, rmsprop_groups(c), 10 + 4 * rmsprop_states(c));
}

template <bool kCentred, bool kMomentum>
void run_rmsprop_as(const Call& c) {
  using Rule = Rmsprop<kCentred, kMomentum>;
  constexpr int kIn = 2 + Rule::kStates, kOut = 1 + Rule::kStates;
  apply_rule<kIn, kOut>(rmsprop_groups(c), 30, Rule(c));
}

void run_rmsprop(const Call& c) {
  const bool centred = flag(c, kRmspropAttrs["centred"]), momentum = flag(c, kRmspropAttrs["momentum"]);
  if (centred) {
    momentum ? run_rmsprop_as<true, true>(c) : run_rmsprop_as<true, false>(c);
  } else {
    momentum ? run_rmsprop_as<false, true>(c) : run_rmsprop_as<false, false>(c);
  }
}

// Running means of g and of its square.
struct Moments {
  V one_minus_beta1, beta2, one_minus_beta2;

  Moments(double beta1, double beta2_)
      : one_minus_beta1(spread(1 - beta1)), beta2(spread(beta2_)), one_minus_beta2(spread(1 - beta2_)) {}

  V first(V g, V m) const { return fma(one_minus_beta1, g - m, m); }
  V second(V g, V v) const { return fma(beta2, v, one_minus_beta2 * g * g); }
};

constexpr AttrNames kAdamAttrs{"decoupled", "epsInside", "uncorrected", "amsgrad", "hasScale"};

Groups adam_groups(const Call& c) {
  return {c, 6, flag(c, kAdamAttrs["hasScale"]), flag(c, kAdamAttrs["amsgrad"]) ? 9 : 7};
}

// Scalars lr, beta1, beta2, eps, weight_decay, step. States: m, v, (the largest v).
template <bool kAmsgrad>
struct Adam : Decayed, Moments {
  V rate;
  Root root;

  static double correction(const Call& c, int beta) {
    return flag(c, kAdamAttrs["uncorrected"]) ? 1 : 1 - whole_power(scalar(c.t[beta]), scalar(c.t[5]));
  }
  explicit Adam(const Call& c)
      : Decayed(scalar(c.t[0]), scalar(c.t[4]), flag(c, kAdamAttrs["decoupled"]), adam_groups(c).scale()),
        Moments(scalar(c.t[1]), scalar(c.t[2])),
        rate(spread(scalar(c.t[0]) / correction(c, 1))),
        root(correction(c, 2), scalar(c.t[3]), flag(c, kAdamAttrs["epsInside"])) {}

  void operator()(const V (&x)[4 + kAmsgrad], V (&y)[3 + kAmsgrad]) const {
    const V g = gradient(x[0], x[1]);
    y[1] = first(g, x[2]);
    y[2] = second(g, x[3]);
    V square = y[2];
    if constexpr (kAmsgrad) square = y[3] = vmax(x[4], square);
    y[0] = keep * x[0] - rate * y[1] / root(square);
  }
};

Cost prepare_adam(const Call& c) { return prepare_groups(c, adam_groups(c), 16); }

void run_adam(const Call& c) {
  if (flag(c, kAdamAttrs["amsgrad"])) {
    apply_rule<5, 4>(adam_groups(c), 30, Adam<true>(c));
  } else {
    apply_rule<4, 3>(adam_groups(c), 30, Adam<false>(c));
  }
}

constexpr AttrNames kNadamAttrs{"decoupled", "epsInside", "hasScale"};

Groups nadam_groups(const Call& c) { return {c, 8, flag(c, kNadamAttrs["hasScale"]), 7}; }

// Scalars lr, g_share, m_share, beta1, beta2, eps, weight_decay, step. The shares are what the schedule of
// the momentum makes of g and of m in this step.
struct Nadam : Decayed, Moments {
  V g_rate, m_rate;
  Root root;

  explicit Nadam(const Call& c)
      : Decayed(scalar(c.t[0]), scalar(c.t[6]), flag(c, kNadamAttrs["decoupled"]), nadam_groups(c).scale()),
        Moments(scalar(c.t[3]), scalar(c.t[4])),
        g_rate(spread(scalar(c.t[0]) * scalar(c.t[1]))),
        m_rate(spread(scalar(c.t[0]) * scalar(c.t[2]))),
        root(1 - whole_power(scalar(c.t[4]), scalar(c.t[7])), scalar(c.t[5]),
             flag(c, kNadamAttrs["epsInside"])) {}

  void operator()(const V (&x)[4], V (&y)[3]) const {
    const V g = gradient(x[0], x[1]);
    y[1] = first(g, x[2]);
    y[2] = second(g, x[3]);
    y[0] = keep * x[0] - fma(g_rate, g, m_rate * y[1]) / root(y[2]);
  }
};

Cost prepare_nadam(const Call& c) { return prepare_groups(c, nadam_groups(c), 18); }

void run_nadam(const Call& c) { apply_rule<4, 3>(nadam_groups(c), 30, Nadam(c)); }

TENON_KERNEL(adagrad, prepare_adagrad, run_adagrad, kAdagradAttrs)
TENON_KERNEL(rmsprop, prepare_rmsprop, run_rmsprop, kRmspropAttrs)
TENON_KERNEL(adam, prepare_adam, run_adam, kAdamAttrs)
TENON_KERNEL(nadam, prepare_nadam, run_nadam, kNadamAttrs)
#endif
