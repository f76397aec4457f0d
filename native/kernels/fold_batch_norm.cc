// fold_batch_norm: w [O, ...], (bias [O]), gamma, beta, mean, var -> w', bias'.
//
// A layer followed by batch norm with fixed statistics is a layer with other weights:
// w' = s w, bias' = beta + (bias - mean) s, with s = gamma / sqrt(var + eps) for each output channel.
// s is computed in double and rounded once.
#define TENON_KERNEL_FILE "kernels/fold_batch_norm.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

constexpr AttrNames kAttrs{"eps", "hasBias"};

struct Fold {
  explicit Fold(const Call& c)
      : eps(c.attrs[kAttrs["eps"]]),
        has_bias(flag_attr(c, kAttrs["hasBias"], "fold_batch_norm: hasBias must be 0 or 1")) {
    require(eps > 0, "fold_batch_norm: eps must be above 0");
    require_operands(c, 7 + has_bias);
    w = c.t[0], bias = c.t[1], folded = c.t[5 + has_bias], folded_bias = c.t[6 + has_bias];
    gamma = c.t[1 + has_bias], beta = c.t[2 + has_bias], mean = c.t[3 + has_bias], var = c.t[4 + has_bias];
    require(w.rank >= 1, "fold_batch_norm: w has no channels");
    for (int i = 0; i < c.count; ++i) require_dtype(c.t[i], kReal, "fold_batch_norm: operands must be real");
    require_same_dims(w, folded, "fold_batch_norm: w and w' differ");
    for (int i = 1; i < c.count; ++i) {
      if (i == 5 + has_bias) continue;
      require(c.t[i].rank == 1 && c.t[i].dims[0] == w.dims[0], "fold_batch_norm: not one value per channel");
    }
  }

  double eps;
  bool has_bias;
  TensorView w, bias, gamma, beta, mean, var, folded, folded_bias;
};

Cost prepare_fold_batch_norm(const Call& c) {
  const double n = static_cast<double>(Fold(c).w.numel());
  return {0, n, 2 * n * sizeof(real)};
}

void run_fold_batch_norm(const Call& c) {
  const Fold f(c);
  const int64_t channels = f.w.dims[0];
  if (f.w.numel() == 0 && channels == 0) return;
  const int64_t row = f.w.numel() / channels;
  parallel_for(channels, static_cast<double>(f.w.numel()), [&](int64_t o) {
    const double scale = static_cast<double>(f.gamma.as<real>()[o]) /
                         std::sqrt(static_cast<double>(f.var.as<real>()[o]) + f.eps);
    const double bias = f.has_bias ? static_cast<double>(f.bias.as<real>()[o]) : 0;
    f.folded_bias.as<real>()[o] =
        static_cast<real>(static_cast<double>(f.beta.as<real>()[o]) +
                          (bias - static_cast<double>(f.mean.as<real>()[o])) * scale);
    const real s = static_cast<real>(scale);
    const real* x = f.w.as<real>() + o * row;
    real* y = f.folded.as<real>() + o * row;
    for (int64_t i = 0; i < row; ++i) y[i] = s * x[i];
  });
}

TENON_KERNEL(fold_batch_norm, prepare_fold_batch_norm, run_fold_batch_norm, kAttrs)
#endif
