// Optimizer updates of all parameters of a group in one call, and the guard against numbers that are not
// finite. The tensors count as one concatenated range of elements, cut in chunks of equal size: many small
// tensors (biases, norms) and a few large ones balance alike. New weights and states may be the same memory
// as the old. Formulas: torch.optim.SGD, Adam, AdamW.
#define TENON_KERNEL_FILE "kernels/optim.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"
  #include "kernels/sgd_rule.h"

constexpr int64_t kChunk = 8192;

// The operands of an optimizer call: `scalars` runtime scalars, an optional gradient scale, and groups of n
// tensors of equal sizes.
struct Groups {
  int n = 0, first = 0, groups = 0;
  const TensorView* t = nullptr;

  Groups(const Call& c, int scalars, bool scaled, int count)
      : n(static_cast<int>(c.attr(0))), first(scalars + (scaled ? 1 : 0)), groups(count), t(c.t) {}

  const TensorView& at(int group, int i) const { return t[first + group * n + i]; }
  int64_t total() const {
    int64_t sum = 0;
    for (int i = 0; i < n; ++i) sum += at(0, i).numel();
    return sum;
  }
};

Cost prepare_groups(const Call& c, int scalars, bool scaled, int groups, double operations) {
  const int64_t n = integer_attr(c, 0, "optimizer: n must be an integer");
  const int first = scalars + (scaled ? 1 : 0);
  require(n >= 1 && n <= c.count, "optimizer: n must be the number of parameters");
  require(c.count == first + groups * n, "optimizer: wrong number of operands");
  for (int i = 0; i < scalars; ++i)
    require_scalar(c.t[i], "optimizer: hyper-parameters must be runtime scalars");
  if (scaled)
    require(c.t[scalars].dtype == kReal && c.t[scalars].rank == 0, "optimizer: scale must be real of rank 0");
  const Groups tensors(c, scalars, scaled, groups);
  for (int i = 0; i < n; ++i) {
    for (int group = 0; group < groups; ++group) {
      require_dtype(tensors.at(group, i), kReal, "optimizer: parameters and states must be real");
      require_same_dims(tensors.at(0, i), tensors.at(group, i),
                        "optimizer: shapes of a parameter's tensors differ");
    }
  }
  const double total = static_cast<double>(tensors.total());
  return {0, total * operations, total * groups * sizeof(real)};
}

// Calls fn(i, begin, end) for pieces of tensor i until all elements of all tensors had their turn.
template <class Fn>
void for_elements(const Groups& tensors, double operations, Fn&& fn) {
  const int64_t total = tensors.total();
  parallel_chunks(total, kChunk, static_cast<double>(total) * operations, [&](int64_t begin, int64_t end) {
    int64_t start = 0;  // of tensor i in the concatenated range
    for (int i = 0; i < tensors.n && start < end; ++i) {
      const int64_t size = tensors.at(0, i).numel();
      const int64_t from = std::max<int64_t>(0, begin - start), to = std::min(size, end - start);
      if (from < to) fn(i, from, to);
      start += size;
    }
  });
}

// out = f(in) over n elements of several tensors: all inputs of a vector are read before an output is
// written, so they may be the same memory.
template <int In, int Out, class F>
void update(int64_t n, const real* const (&in)[In], real* const (&out)[Out], F&& f) {
  V x[In], y[Out];
  int64_t i = 0;
  for (; i + W <= n; i += W) {
    for (int k = 0; k < In; ++k) x[k] = load(in[k] + i);
    f(x, y);
    for (int k = 0; k < Out; ++k) store(out[k] + i, y[k]);
  }
  if (i == n) return;
  for (int k = 0; k < In; ++k) x[k] = load_n(in[k] + i, n - i);
  f(x, y);
  for (int k = 0; k < Out; ++k) store_n(out[k] + i, y[k], n - i);
}

Cost prepare_sgd(const Call& c) {
  require_counts(c, -1, 4);
  return prepare_groups(c, 5, flag(c, 3), flag(c, 2) ? 5 : 3, 6);
}

void run_sgd(const Call& c) {
  const Sgd sgd(c, flag(c, 1), flag(c, 3) ? *c.t[5].as<real>() : real{1});
  const bool stateful = flag(c, 2);
  const Groups t(c, 5, flag(c, 3), stateful ? 5 : 3);
  for_elements(t, 20, [&](int i, int64_t begin, int64_t end) {
    const auto at = [&](int group) { return t.at(group, i).as<real>() + begin; };
    if (stateful) {
      update<3, 2>(end - begin, {at(0), at(1), at(2)}, {at(3), at(4)}, [sgd](const V(&in)[3], V(&out)[2]) {
        const V g = sgd.gradient(in[0], in[1]);
        const V v = sgd.velocity(g, in[2]);
        out[0] = sgd.step(in[0], sgd.direction(g, v));
        out[1] = v;
      });
    } else {
      map(
          end - begin, at(2), [sgd](V w, V g) { return sgd.step(w, sgd.gradient(w, g)); }, at(0), at(1));
    }
  });
}

struct Adam {
  V one_minus_beta1, beta2, one_minus_beta2, eps, decay, keep, rate, root, scale;

  explicit Adam(const Call& c) {
    const double lr = scalar(c.t[0]), b1 = scalar(c.t[1]), b2 = scalar(c.t[2]), wd = scalar(c.t[4]),
                 step = scalar(c.t[5]);
    const bool decoupled = flag(c, 1);
    const auto spread = [](double x) { return splat(static_cast<real>(x)); };
    one_minus_beta1 = spread(1 - b1);
    beta2 = spread(b2);
    one_minus_beta2 = spread(1 - b2);
    eps = spread(scalar(c.t[3]));
    decay = spread(decoupled ? 0 : wd);
    keep = spread(decoupled ? 1 - lr * wd : 1);
    rate = spread(lr / (1 - std::pow(b1, step)));
    root = spread(1 / std::sqrt(1 - std::pow(b2, step)));
    scale = flag(c, 2) ? splat(*c.t[6].as<real>()) : splat(1);
  }

  // in: w, g, m, v; out: w, m, v.
  void step(const V (&in)[4], V (&out)[3]) const {
    const V w = in[0], m = in[2];
    const V g = fma(decay, w, scale * in[1]);
    const V new_m = fma(one_minus_beta1, g - m, m);
    const V new_v = fma(beta2, in[3], one_minus_beta2 * g * g);
    const V denominator = fma(vsqrt(new_v), root, eps);
    out[0] = keep * w - rate * new_m / denominator;
    out[1] = new_m;
    out[2] = new_v;
  }
};

Cost prepare_adam(const Call& c) {
  require_counts(c, -1, 3);
  return prepare_groups(c, 6, flag(c, 2), 7, 16);
}

void run_adam(const Call& c) {
  const Adam adam(c);
  const Groups t(c, 6, flag(c, 2), 7);
  for_elements(t, 30, [&](int i, int64_t begin, int64_t end) {
    const auto at = [&](int group) { return t.at(group, i).as<real>() + begin; };
    update<4, 3>(end - begin, {at(0), at(1), at(2), at(3)}, {at(4), at(5), at(6)},
                 [adam](const V(&in)[4], V(&out)[3]) { adam.step(in, out); });
  });
}

Cost prepare_guard(const Call& c) {
  require(c.count >= 2, "finite_guard: needs guard and guard'");
  require_counts(c, -1, 0);
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

TENON_KERNEL(sgd, prepare_sgd, run_sgd)
TENON_KERNEL(adam, prepare_adam, run_adam)
TENON_KERNEL(finite_guard, prepare_guard, run_guard)
#endif
