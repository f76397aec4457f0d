// Cross entropy of probabilities p with targets t in [0, 1], element by element, each logarithm held at -100
// or above as in PyTorch, so that the loss is finite at p = 0 and p = 1:
//   binary_cross_entropy           p, t -> y    y = -(t max(log p, -100) + (1 - t) max(log(1 - p), -100))
//   binary_cross_entropy_backward  dy, p, t -> dp    dp = dy (p - t) / max(p (1 - p), 1e-12)
// Dense, any shape, no attributes. Where p is outside of [0, 1], the result is NaN. Tails are handled by the
// mask of map.
#define TENON_KERNEL_FILE "kernels/binary_cross_entropy.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"

constexpr int64_t kChunk = 8192;
constexpr int kCost = 60;          // roughly the arithmetic per element
constexpr int kBackwardCost = 10;  // likewise

V loss_of(V p, V t) {
  const V least = splat(-100);
  const V hit = t * vmax(vlog(p), least);
  return -fma(splat(1) - t, vmax(vlog1p(-p), least), hit);
}

V gradient_of(V dy, V p, V t) {
  const V variance = vmax(p * (splat(1) - p), splat(static_cast<real>(1e-12)));
  return dy * (p - t) / variance;
}

Cost prepare_all(const Call& c, int inputs, int cost) {
  require_operands(c, inputs + 1);
  for (int i = 0; i <= inputs; ++i) {
    require_dtype(c.t[i], kReal, "binary_cross_entropy: operands must be real");
    require_same_dims(c.t[i], c.t[0], "binary_cross_entropy: shapes differ");
  }
  const double n = static_cast<double>(c.t[0].numel());
  return {0, n * cost, n * (inputs + 1) * sizeof(real)};
}

Cost prepare_loss(const Call& c) { return prepare_all(c, 2, kCost); }
Cost prepare_gradient(const Call& c) { return prepare_all(c, 3, kBackwardCost); }

void run_loss(const Call& c) {
  const int64_t n = c.t[0].numel();
  const real *p = c.t[0].as<real>(), *t = c.t[1].as<real>();
  real* y = c.t[2].as<real>();
  parallel_chunks(n, kChunk, static_cast<double>(n) * kCost, [&](int64_t begin, int64_t end) {
    map(end - begin, y + begin, loss_of, p + begin, t + begin);
  });
}

void run_gradient(const Call& c) {
  const int64_t n = c.t[0].numel();
  const real *dy = c.t[0].as<real>(), *p = c.t[1].as<real>(), *t = c.t[2].as<real>();
  real* dp = c.t[3].as<real>();
  parallel_chunks(n, kChunk, static_cast<double>(n) * kBackwardCost, [&](int64_t begin, int64_t end) {
    map(end - begin, dp + begin, gradient_of, dy + begin, p + begin, t + begin);
  });
}

TENON_KERNEL(binary_cross_entropy, prepare_loss, run_loss)
TENON_KERNEL(binary_cross_entropy_backward, prepare_gradient, run_gradient)
#endif
