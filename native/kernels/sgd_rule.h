// One step of stochastic gradient descent for a vector of elements, by torch.optim.SGD's formulas. Included
// once per target after update_groups.h (no include guard on purpose): the bits are the same whichever kernel
// applies the rule.
//
// The velocity holds gradients, v = momentum v + g and w -= lr v, or steps, v = momentum v - lr g and w += v:
// one formula with the rate at either place. Multiplying by 1 changes no bit.
struct SgdFlags {
  bool nesterov, steps, decoupled;
};

struct Sgd : Decayed {
  V momentum, undamped, gain, rate;
  bool nesterov, first_step;

  // The first operands of the call: lr, momentum, dampening, weight_decay, step.
  Sgd(const Call& c, SgdFlags flags, real scale_)
      : Decayed(scalar(c.t[0]), scalar(c.t[3]), flags.decoupled, scale_),
        momentum(scalar_vector(c.t[1])),
        undamped(spread(1 - scalar(c.t[2]))),
        gain(spread(flags.steps ? -scalar(c.t[0]) : 1)),
        rate(spread(flags.steps ? 1 : -scalar(c.t[0]))),
        nesterov(flags.nesterov),
        first_step(scalar(c.t[4]) == 1) {}

  V gradient(V w, V g) const { return gain * Decayed::gradient(w, g); }
  // The state before the first step counts for nothing, not even as 0 * NaN.
  V velocity(V g, V v) const { return first_step ? g : fma(momentum, v, undamped * g); }
  V direction(V g, V v) const { return nesterov ? fma(momentum, v, g) : v; }
  V step(V w, V direction) const { return fma(rate, direction, keep * w); }
};
