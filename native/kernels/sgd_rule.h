// One step of stochastic gradient descent for a vector of elements, by torch.optim.SGD's formulas. Included
// once per target after vec.h (no include guard on purpose): whichever kernel applies the rule gives the same
// bits.
inline bool flag(const Call& c, int i) { return c.attrs[i] != 0; }
inline V scalar_vector(const TensorView& t) { return splat(static_cast<real>(scalar(t))); }

struct Sgd {
  V lr, momentum, undamped, decay, scale;
  bool nesterov, first_step;

  // The first operands of the call: lr, momentum, dampening, weight_decay, step.
  Sgd(const Call& c, bool nesterov_, real scale_)
      : lr(scalar_vector(c.t[0])),
        momentum(scalar_vector(c.t[1])),
        undamped(splat(static_cast<real>(1 - scalar(c.t[2])))),
        decay(scalar_vector(c.t[3])),
        scale(splat(scale_)),
        nesterov(nesterov_),
        first_step(scalar(c.t[4]) == 1) {}

  V gradient(V w, V g) const { return fma(decay, w, scale * g); }
  // The state before the first step counts for nothing, not even as 0 * NaN.
  V velocity(V g, V v) const { return first_step ? g : fma(momentum, v, undamped * g); }
  V direction(V g, V v) const { return nesterov ? fma(momentum, v, g) : v; }
  V step(V w, V direction) const { return fma(-lr, direction, w); }
};
