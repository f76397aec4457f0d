// LARS (You et al. 2017) and LAMB (You et al. 2020): each tensor has a rate of its own, by the ratio of the
// norm of its weights to the norm of its update. One call for all parameters of a group: a pass over all
// tensors for the norms (and LAMB's moments), and one that updates.
//
// A block is at most kChunk elements of one tensor; blocks' sums are added in order. Norms are
// summed in double.
#define TENON_KERNEL_FILE "kernels/trust_ratio.cc"
#include "base/power.h"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"
  #include "kernels/update_groups.h"

  #include "kernels/sgd_rule.h"

constexpr int kLanes = 16;      // sums kept apart: the same number on every target
constexpr int64_t kTile = 512;  // elements of an update that are held at a time

double sum_squares(int64_t n, const real* x) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; ++k)
      lanes[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  for (; i < n; ++i) lanes[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  double total = 0;
  for (const double lane : lanes) total += lane;
  return total;
}

struct Squares {
  double weight = 0, update = 0;
};

int64_t blocks_of(const Groups& t, int i) { return ceil_div(t.at(0, i).numel(), kChunk); }

int64_t all_blocks(const Groups& t) {
  int64_t sum = 0;
  for (int i = 0; i < t.n; ++i) sum += blocks_of(t, i);
  return sum;
}

// Workspace: the sums of all blocks, then a ratio for each tensor.
size_t workspace_of(const Groups& t) {
  return static_cast<size_t>(all_blocks(t)) * sizeof(Squares) + static_cast<size_t>(t.n) * sizeof(double);
}

// Calls fn(block, i, begin, end) for the blocks of all tensors.
template <class Fn>
void for_blocks(const Groups& t, double operations, Fn&& fn) {
  const double cost = static_cast<double>(t.total()) * operations;
  parallel_for(all_blocks(t), cost, [&](int64_t block) {
    int i = 0;
    int64_t at = block;
    for (; at >= blocks_of(t, i); ++i) at -= blocks_of(t, i);
    const int64_t begin = at * kChunk;
    fn(block, i, begin, std::min(begin + kChunk, t.at(0, i).numel()));
  });
}

// `of(weight norm, update norm)` for each tensor, behind the sums in the workspace.
template <class Of>
const double* ratios(const Groups& t, Squares* sums, Of&& of) {
  double* ratio = reinterpret_cast<double*>(sums + all_blocks(t));
  for (int i = 0; i < t.n; ++i) {
    Squares total;
    for (int64_t block = 0; block < blocks_of(t, i); ++block, ++sums) {
      total.weight += sums->weight;
      total.update += sums->update;
    }
    ratio[i] = of(std::sqrt(total.weight), std::sqrt(total.update));
  }
  return ratio;
}

constexpr AttrNames kLarsAttrs{"nesterov", "momentum", "steps", "hasScale"};

// Scalars lr, momentum, dampening, weight_decay, step, trust, eps, adapt.
Groups lars_groups(const Call& c) {
  return {c, 8, flag(c, kLarsAttrs["hasScale"]), flag(c, kLarsAttrs["momentum"]) ? 5 : 3};
}

Cost prepare_lars(const Call& c) {
  const Groups t = lars_groups(c);
  Cost cost = prepare_groups(c, t, 10);
  cost.workspace = workspace_of(t);
  cost.bytes += 2.0 * static_cast<double>(t.total()) * sizeof(real);
  return cost;
}

void run_lars(const Call& c) {
  const bool stateful = flag(c, kLarsAttrs["momentum"]);
  const Groups t = lars_groups(c);
  const real scale = t.scale();
  const double decay = scalar(c.t[3]), trust = scalar(c.t[5]), eps = scalar(c.t[6]);
  const bool adapt = scalar(c.t[7]) != 0;
  Squares* sums = reinterpret_cast<Squares*>(c.workspace);
  for_blocks(t, 8, [&](int64_t block, int i, int64_t begin, int64_t end) {
    sums[block] = {sum_squares(end - begin, t.at(0, i).as<real>() + begin),
                   sum_squares(end - begin, t.at(1, i).as<real>() + begin)};
  });
  const double* ratio = ratios(t, sums, [=](double w, double g) {
    const double size = std::fabs(static_cast<double>(scale)) * g;
    return adapt && w > 0 && size > 0 ? trust * w / (size + decay * w + eps) : 1;
  });
  const SgdFlags flags = {
      .nesterov = flag(c, kLarsAttrs["nesterov"]), .steps = flag(c, kLarsAttrs["steps"]), .decoupled = false};
  const Sgd rule(c, flags, scale);
  for_blocks(t, 20, [&](int64_t, int i, int64_t begin, int64_t end) {
    Sgd sgd = rule;
    sgd.gain *= spread(ratio[i]);
    const auto at = [&](int group) { return t.at(group, i).as<real>() + begin; };
    if (stateful) {
      update<3, 2>(end - begin, {at(0), at(1), at(2)}, {at(3), at(4)}, [sgd](const V(&x)[3], V(&y)[2]) {
        const V g = sgd.gradient(x[0], x[1]);
        y[1] = sgd.velocity(g, x[2]);
        y[0] = sgd.step(x[0], sgd.direction(g, y[1]));
      });
    } else {
      update<2, 1>(end - begin, {at(0), at(1)}, {at(2)},
                   [sgd](const V(&x)[2], V(&y)[1]) { y[0] = sgd.step(x[0], sgd.gradient(x[0], x[1])); });
    }
  });
}

constexpr AttrNames kLambAttrs{"uncorrected", "hasScale"};

Groups lamb_groups(const Call& c) { return {c, 7, flag(c, kLambAttrs["hasScale"]), 7}; }

// Scalars lr, beta1, beta2, eps, weight_decay, step, adapt. States m, v.
struct Lamb {
  V scale, decay, one_minus_beta1, beta2, one_minus_beta2, first, second, eps;

  static double correction(const Call& c, int beta) {
    return flag(c, kLambAttrs["uncorrected"]) ? 1 : 1 - whole_power(scalar(c.t[beta]), scalar(c.t[5]));
  }
  explicit Lamb(const Call& c)
      : scale(splat(lamb_groups(c).scale())),
        decay(scalar_vector(c.t[4])),
        one_minus_beta1(spread(1 - scalar(c.t[1]))),
        beta2(scalar_vector(c.t[2])),
        one_minus_beta2(spread(1 - scalar(c.t[2]))),
        first(spread(1 / correction(c, 1))),
        second(spread(1 / std::sqrt(correction(c, 2)))),
        eps(scalar_vector(c.t[3])) {}

  V direction(V w, V m, V v) const { return fma(decay, w, first * m / fma(vsqrt(v), second, eps)); }
  // x: w, g, m, v; y: the update, m', v'.
  void moments(const V (&x)[4], V (&y)[3]) const {
    const V g = scale * x[1];
    y[1] = fma(one_minus_beta1, g - x[2], x[2]);
    y[2] = fma(beta2, x[3], one_minus_beta2 * g * g);
    y[0] = direction(x[0], y[1], y[2]);
  }
};

Cost prepare_lamb(const Call& c) {
  const Groups t = lamb_groups(c);
  Cost cost = prepare_groups(c, t, 30);
  cost.workspace = workspace_of(t);
  cost.bytes += 3.0 * static_cast<double>(t.total()) * sizeof(real);
  return cost;
}

// The moments of a block, and the squares of its weights and its update.
Squares lamb_block(const Groups& t, const Lamb& lamb, int i, int64_t begin, int64_t end) {
  Squares sums;
  real tile[kTile];
  for (int64_t from = begin; from < end; from += kTile) {
    const int64_t n = std::min(kTile, end - from);
    const auto at = [&](int group) { return t.at(group, i).as<real>() + from; };
    sums.weight += sum_squares(n, at(0));
    update<4, 3>(n, {at(0), at(1), at(2), at(3)}, {tile, at(5), at(6)},
                 [&lamb](const V(&x)[4], V(&y)[3]) { lamb.moments(x, y); });
    sums.update += sum_squares(n, tile);
  }
  return sums;
}

void run_lamb(const Call& c) {
  const Groups t = lamb_groups(c);
  const Lamb lamb(c);
  const double lr = scalar(c.t[0]);
  const bool adapt = scalar(c.t[6]) != 0;
  Squares* sums = reinterpret_cast<Squares*>(c.workspace);
  for_blocks(t, 40, [&](int64_t block, int i, int64_t begin, int64_t end) {
    sums[block] = lamb_block(t, lamb, i, begin, end);
  });
  const double* ratio =
      ratios(t, sums, [=](double w, double u) { return adapt && w > 0 && u > 0 ? w / u : 1; });
  for_blocks(t, 20, [&](int64_t, int i, int64_t begin, int64_t end) {
    const auto at = [&](int group) { return t.at(group, i).as<real>() + begin; };
    const V rate = spread(-lr * ratio[i]);
    update<3, 1>(end - begin, {at(0), at(5), at(6)}, {at(4)},
                 [&](const V(&x)[3], V(&y)[1]) { y[0] = fma(rate, lamb.direction(x[0], x[1], x[2]), x[0]); });
  });
}

TENON_KERNEL(lars, prepare_lars, run_lars, kLarsAttrs)
TENON_KERNEL(lamb, prepare_lamb, run_lamb, kLambAttrs)
#endif
