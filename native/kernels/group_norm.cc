// Layer, instance and group normalization, forward: y = gamma (x - mean) / sqrt(var + eps) + beta, with mean
// and biased variance over each group of channels of each sample (base/group_geom.h).
//
// x and y are [N, positions..., C], dense, real or bf16; y may be x. Where a group has at least W channels,
// vectors run along the channels of one group at a time ("runs"); where it has fewer, along all channels, and
// the columns of a group are merged afterwards ("columns"). lanes.h masks the last vector either way.
//
// Statistics are (mean, M2) with M2 = sum (x - mean)^2: a block is summed for its center, then read
// again, from cache, for its deviations from that. Blocks are merged in double, in order (Chan, Golub
// and LeVeque 1979).
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/group_norm.cc"
#include "kernels/group_norm_operands.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/group_norm.h"

// Mean and M2 of `run` channels at `positions` positions, from x on.
template <class T>
Moments piece_moments(const T* x, int64_t positions, int64_t stride, int64_t run) {
  const double n = static_cast<double>(positions * run);
  V sum = {};
  for (int64_t p = 0; p < positions; ++p) {
    for_vectors(run, [&](int64_t c, auto lanes) { sum += lanes.load(x + p * stride + c); });
  }
  const real center = static_cast<real>(hsum(sum) / n);
  V deviations = {}, squares = {};
  for (int64_t p = 0; p < positions; ++p) {
    for_vectors(run, [&](int64_t c, auto lanes) {
      const V d = lanes.keep(lanes.load(x + p * stride + c) - splat(center), 0);
      deviations += d;
      squares = fma(d, d, squares);
    });
  }
  return moments_about(center, hsum(deviations), hsum(squares), n);
}

// The same in pieces, so that no lane adds up more than some hundred values of a long run.
template <class T>
Moments run_moments(const T* x, int64_t positions, int64_t stride, int64_t run) {
  constexpr int64_t kPiece = 256 * W;
  if (run <= kPiece) return piece_moments(x, positions, stride, run);
  Moments all;
  for (int64_t c = 0; c < run; c += kPiece)
    all.merge(piece_moments(x + c, positions, stride, std::min(kPiece, run - c)));
  return all;
}

// The same for every column of a block: sums of deviations and of their squares about `center`.
template <class T>
void column_sums(const T* x, int64_t positions, int64_t channels, const Columns& to) {
  const V inverse = splat(1 / static_cast<real>(positions));
  for_vectors(channels, [&](int64_t c, auto lanes) {
    V sum = {}, deviations = {}, squares = {};
    for (int64_t p = 0; p < positions; ++p) sum += lanes.load(x + p * channels + c);
    const V center = sum * inverse;
    for (int64_t p = 0; p < positions; ++p) {
      const V d = lanes.load(x + p * channels + c) - center;
      deviations += d;
      squares = fma(d, d, squares);
    }
    lanes.store(to[0] + c, center);
    lanes.store(to[1] + c, deviations);
    lanes.store(to[2] + c, squares);
  });
}

// Mean and M2 of every group of a task.
template <class T>
void task_moments(const GroupForward& op, int64_t task, const Columns& columns, Moments* moments) {
  const GroupGeom& g = op.geom;
  const T* x = op.x.as<T>() + g.offset(task);
  const int64_t positions = g.task_positions(task), run = g.run();
  if (in_runs(g)) {
    for (int64_t i = 0; i < g.groups(); ++i)
      moments[i] = run_moments(x + i * run, positions, g.channels(), run);
    return;
  }
  column_sums(x, positions, g.channels(), columns);
  const double n = static_cast<double>(positions);
  for (int64_t i = 0; i < g.groups(); ++i) {
    Moments all;
    for (int64_t c = i * run; c < (i + 1) * run; ++c)
      all.merge(moments_about(columns[0][c], columns[1][c], columns[2][c], n));
    moments[i] = all;
  }
}

// Mean and variance of a sample's groups, from those of its blocks in order.
void merge_sample(const GroupForward& op, int64_t sample, const Moments* partial) {
  const GroupGeom& g = op.geom;
  for (int64_t i = 0; i < g.groups(); ++i) {
    Moments all;
    for (int64_t b = 0; b < g.blocks(); ++b) all.merge(partial[(sample * g.blocks() + b) * g.groups() + i]);
    op.mean.as<real>()[sample * g.groups() + i] = static_cast<real>(all.mean);
    op.var.as<real>()[sample * g.groups() + i] = static_cast<real>(all.m2 / all.count);
  }
}

// y of one run or one row: (x - mean) scale + beta, where scale is rstd gamma.
template <class T>
void apply_runs(const GroupForward& op, const Affine& affine, int64_t task) {
  const GroupGeom& g = op.geom;
  const int64_t run = g.run(), at = g.sample(task) * g.groups();
  for (int64_t p = 0; p < g.task_positions(task); ++p) {
    const int64_t row = g.offset(task) + p * g.channels();
    for (int64_t i = 0; i < g.groups(); ++i) {
      const V mean = splat(op.mean.as<real>()[at + i]), rstd = splat(rstd_of(op, at + i));
      const T* x = op.x.as<T>() + row + i * run;
      T* y = op.y.as<T>() + row + i * run;
      const real *gamma = affine.gamma + i * run, *beta = affine.beta + i * run;
      for_vectors(run, [&](int64_t c, auto lanes) {
        lanes.store(y + c, fma(lanes.load(x + c) - mean, rstd * lanes.load(gamma + c), lanes.load(beta + c)));
      });
    }
  }
}

template <class T>
void apply_columns(const GroupForward& op, const Affine& affine, int64_t task, const Columns& columns) {
  const GroupGeom& g = op.geom;
  const int64_t at = g.sample(task) * g.groups();
  for (int64_t i = 0; i < g.groups(); ++i) {
    const real mean = op.mean.as<real>()[at + i], rstd = rstd_of(op, at + i);
    for (int64_t c = i * g.run(); c < (i + 1) * g.run(); ++c) {
      columns[0][c] = mean;
      columns[1][c] = rstd * affine.gamma[c];
    }
  }
  for (int64_t p = 0; p < g.task_positions(task); ++p) {
    const T* x = op.x.as<T>() + g.offset(task) + p * g.channels();
    T* y = op.y.as<T>() + g.offset(task) + p * g.channels();
    for_vectors(g.channels(), [&](int64_t c, auto lanes) {
      const V centered = lanes.load(x + c) - lanes.load(columns[0] + c);
      lanes.store(y + c, fma(centered, lanes.load(columns[1] + c), lanes.load(affine.beta + c)));
    });
  }
}

// The bits are the same both ways. By columns, each group's scale is computed once a task instead of once a
// position, which counts where runs are short.
template <class T>
void apply(const GroupForward& op, const Affine& affine, int64_t task, const Columns& columns) {
  constexpr int64_t kFewPositions = 4, kLongRun = 16 * W;
  const bool rarely = op.geom.task_positions(task) < kFewPositions || op.geom.run() >= kLongRun;
  if (in_runs(op.geom) && rarely) {
    apply_runs<T>(op, affine, task);
  } else {
    apply_columns<T>(op, affine, task, columns);
  }
}

constexpr int kColumns = 3;

Cost prepare_forward(const Call& call) {
  const GroupForward op(call, kReal);
  return {workspace_bytes(op.geom, kColumns), 8.0 * op.x.numel(), 3.0 * op.x.bytes()};
}

// A sample of one block is normalized while it is in cache; otherwise all statistics come first.
template <class T>
void forward(const GroupForward& op, std::byte* memory) {
  const GroupGeom& g = op.geom;
  const Workspace<Moments> w(g, kColumns, memory);
  const Affine affine = w.affine_of(op);
  const double cost = 8.0 * static_cast<double>(op.x.numel());
  const bool at_once = g.blocks() == 1;
  for_chunks(g, cost, [&](int64_t chunk, int64_t task) {
    task_moments<T>(op, task, w.columns(chunk), w.partial(task));
    if (!at_once) return;
    merge_sample(op, task, w.partial(0));
    apply<T>(op, affine, task, w.columns(chunk));
  });
  if (at_once) return;
  parallel_for(g.samples(), cost, [&](int64_t sample) { merge_sample(op, sample, w.partial(0)); });
  for_chunks(g, cost, [&](int64_t chunk, int64_t task) { apply<T>(op, affine, task, w.columns(chunk)); });
}

void run_forward(const Call& call) {
  const GroupForward op(call, kReal);
  with_storage(op.x.dtype, [&](auto stored) { forward<decltype(stored)>(op, call.workspace); });
}

TENON_KERNEL(group_norm, prepare_forward, run_forward, kGroupNormAttrs)
#endif
