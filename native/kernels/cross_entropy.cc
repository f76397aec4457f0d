// Cross entropy of logits x [B, K] with hard (i32 [B]) or soft (real [B, K]) targets and label smoothing:
// q = (1 - smoothing) target + smoothing / K,  loss = -sum_k q_k log softmax(x)_k,  dx = dloss (softmax(x)
// sum q - q).
// Everything is relative to the row's maximum m: loss = sum_k q_k (log sum exp(x - m) - (x_k - m)), which
// does not cancel where logits are large. lse = m + log sum exp(x - m) is kept for the backward pass. A label
// outside of [0, K) is a Fault; its row is then 0. Parallel over chunks of rows; lanes.h masks the last
// vector of a row.
#define TENON_KERNEL_FILE "kernels/cross_entropy.cc"
#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"

  #include "kernels/lanes.h"

  #include "kernels/log_sum_exp.h"

constexpr AttrNames kAttrs{"smoothing"};

struct Targets {
  Targets(const TensorView& target, int64_t k, double smoothing)
      : labels(target.dtype == DType::i32 ? target.as<int32_t>() : nullptr),
        soft(target.dtype == DType::i32 ? nullptr : target.as<real>()),
        classes(k),
        hit(static_cast<real>(1 - smoothing)),
        floor(static_cast<real>(smoothing / static_cast<double>(k))) {}

  // Whether row b has a target; a label out of range is reported.
  bool good(int64_t b, RunState* run) const {
    if (labels == nullptr || (labels[b] >= 0 && labels[b] < classes)) return true;
    run->fault(Fault::label_out_of_range, b);
    return false;
  }

  const int32_t* labels;
  const real* soft;
  int64_t classes;
  real hit;    // 1 - smoothing
  real floor;  // smoothing / K
};

// The loss of a row with maximum max and log_sum = log sum exp(x - max).
inline real row_loss(const Targets& t, int64_t b, const real* x, real max, real log_sum) {
  V sum = {};
  if (t.soft != nullptr) {
    const real* target = t.soft + b * t.classes;
    for_vectors(t.classes, [&](int64_t k, auto lanes) {
      const V q = fma(lanes.load(target + k), splat(t.hit), splat(t.floor));
      sum += lanes.keep(q * (splat(log_sum) - (lanes.load(x + k) - splat(max))), 0);
    });
    return hsum(sum);
  }
  const real loss = t.hit * (log_sum - (x[t.labels[b]] - max));
  if (t.floor == 0) return loss;  // also keeps 0 times infinity out
  for_vectors(t.classes, [&](int64_t k, auto lanes) {
    sum += lanes.keep(splat(log_sum) - (lanes.load(x + k) - splat(max)), 0);
  });
  return loss + t.floor * hsum(sum);
}

inline void backward_row(const Targets& t, int64_t b, real dloss, const real* x, real lse, real* dx) {
  if (t.soft == nullptr) {
    for_vectors(t.classes, [&](int64_t k, auto lanes) {
      lanes.store(dx + k, splat(dloss) * (vexp(lanes.load(x + k) - splat(lse)) - splat(t.floor)));
    });
    dx[t.labels[b]] -= dloss * t.hit;
    return;
  }
  const real* target = t.soft + b * t.classes;
  V sum = {};
  for_vectors(t.classes, [&](int64_t k, auto lanes) {
    sum += lanes.keep(fma(lanes.load(target + k), splat(t.hit), splat(t.floor)), 0);
  });
  const V mass = splat(hsum(sum));
  for_vectors(t.classes, [&](int64_t k, auto lanes) {
    const V q = fma(lanes.load(target + k), splat(t.hit), splat(t.floor));
    lanes.store(dx + k, splat(dloss) * (vexp(lanes.load(x + k) - splat(lse)) * mass - q));
  });
}

// Operands of both directions, by index.
void check(const Call& call, int x, int target, int loss, int lse) {
  const TensorView* t = call.t;
  require(t[x].rank == 2 && t[x].dims[1] >= 1 && t[x].dtype == kReal, "cross_entropy: x must be real [B, K]");
  for (const int i : {loss, lse}) {
    require(t[i].rank == 1 && t[i].dims[0] == t[x].dims[0] && t[i].dtype == kReal,
            "cross_entropy: loss and lse must be real [B]");
  }
  const TensorView& q = t[target];
  const bool hard = q.dtype == DType::i32 && q.rank == 1 && q.dims[0] == t[x].dims[0];
  const bool soft = q.dtype == kReal && q.rank == 2 && q.dims[0] == t[x].dims[0] && q.dims[1] == t[x].dims[1];
  require(hard || soft, "cross_entropy: target must be i32 [B] or real [B, K]");
  const double smoothing = call.attrs[kAttrs["smoothing"]];
  require(smoothing >= 0 && smoothing <= 1, "cross_entropy: smoothing must be between 0 and 1");
}

Cost prepare_forward(const Call& call) {
  require_operands(call, 4);
  check(call, 0, 1, 2, 3);
  return {0, 12.0 * call.t[0].numel(), static_cast<double>(call.t[0].bytes() + call.t[1].bytes())};
}

void run_forward(const Call& call) {
  const int64_t n = call.t[0].dims[0], k = call.t[0].dims[1];
  const Targets targets(call.t[1], k, call.attrs[kAttrs["smoothing"]]);
  real* loss = call.t[2].as<real>();
  real* lse = call.t[3].as<real>();
  parallel_chunks(n, row_chunk(k), 16.0 * n * k, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const real* x = call.t[0].as<real>() + b * k;
      const real max = row_max(x, k);
      const real log_sum = scalar_log(row_exp_sum(x, k, max));
      lse[b] = max + log_sum;
      loss[b] = targets.good(b, call.run) ? row_loss(targets, b, x, max, log_sum) : 0;
    }
  });
}

Cost prepare_backward(const Call& call) {
  require_operands(call, 5);
  check(call, 1, 2, 0, 3);
  require(call.t[4].dtype == kReal, "cross_entropy_backward: dx has the wrong dtype");
  require_same_dims(call.t[1], call.t[4], "cross_entropy_backward: dx has another shape than x");
  return {0, 10.0 * call.t[1].numel(), 2.0 * call.t[1].bytes() + call.t[2].bytes()};
}

void run_backward(const Call& call) {
  const int64_t n = call.t[1].dims[0], k = call.t[1].dims[1];
  const Targets targets(call.t[2], k, call.attrs[kAttrs["smoothing"]]);
  const real* dloss = call.t[0].as<real>();
  const real* lse = call.t[3].as<real>();
  parallel_chunks(n, row_chunk(k), 16.0 * n * k, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const real* x = call.t[1].as<real>() + b * k;
      real* dx = call.t[4].as<real>() + b * k;
      if (targets.good(b, call.run)) {
        backward_row(targets, b, dloss[b], x, lse[b], dx);
      } else {
        std::fill_n(dx, k, real{0});
      }
    }
  });
}

TENON_KERNEL(cross_entropy, prepare_forward, run_forward, kAttrs)
TENON_KERNEL(cross_entropy_backward, prepare_backward, run_backward, kAttrs)
#endif
