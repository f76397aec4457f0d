// Layer, instance and group normalization, backward. With r = 1 / sqrt(var + eps), xhat = (x - mean) r, d =
// dy gamma and n values in a group of one sample:
//   dbeta = sum dy,  dgamma = sum dy xhat         (per channel, over samples and positions)
//   dx = r (d - sum d / n - xhat sum (d xhat) / n) (sums over the group)
// Operands are laid out as in the forward pass (group_norm.cc), and cut and vectorized alike; dx may be dy.
// Sums per channel are kept by chunk, those per group by task, and both are merged in double, in order.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/group_norm_backward.cc"
#include "kernels/group_norm_operands.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/group_norm.h"

constexpr int64_t kMergeColumns = 64;

// Columns of a chunk: the sums over its tasks, and scratch of the task at hand.
constexpr int kColumns = 6;
constexpr int kDGamma = 0, kDBeta = 1, kScratch = 2;

// Sums of d and d xhat over a group.
struct Sums {
  double d = 0, dot = 0;
};

// Sums over one group's channels; adds to the chunk's sums of those channels on the way.
template <class T>
Sums run_sums(const GroupBackward& op, const Affine& affine, int64_t task, int64_t group,
              const Columns& columns) {
  const GroupGeom& g = op.geom;
  const int64_t at = g.sample(task) * g.groups() + group, first = group * g.run();
  const V mean = splat(op.mean.as<real>()[at]), rstd = splat(rstd_of(op, at));
  real *dgamma = columns[kDGamma] + first, *dbeta = columns[kDBeta] + first;
  V sum = {}, dot = {};
  for (int64_t p = 0; p < g.task_positions(task); ++p) {
    const int64_t row = g.offset(task) + p * g.channels() + first;
    const T *x = op.x.as<T>() + row, *dy = op.dy.as<T>() + row;
    for_vectors(g.run(), [&](int64_t c, auto lanes) {
      const V v = lanes.load(dy + c), xhat = (lanes.load(x + c) - mean) * rstd;
      lanes.store(dbeta + c, lanes.load(dbeta + c) + v);
      lanes.store(dgamma + c, fma(v, xhat, lanes.load(dgamma + c)));
      const V d = v * lanes.load(affine.gamma + first + c);
      sum += d;
      dot = fma(d, xhat, dot);  // d is 0 past the end
    });
  }
  return {hsum(sum), hsum(dot)};
}

// Each group's mean, and what `value` returns for it, in all of its channels.
template <class Value>
void spread(const GroupBackward& op, int64_t task, const Columns& columns, Value&& value) {
  const GroupGeom& g = op.geom;
  const int64_t at = g.sample(task) * g.groups();
  for (int64_t i = 0; i < g.groups(); ++i) {
    for (int64_t c = i * g.run(); c < (i + 1) * g.run(); ++c) {
      columns[kScratch][c] = op.mean.as<real>()[at + i];
      value(at + i, i, c);
    }
  }
}

// Sums of dy and dy xhat over the positions, for all channels; then the groups' from them.
template <class T>
void column_sums(const GroupBackward& op, const Affine& affine, int64_t task, const Columns& columns,
                 Sums* sums) {
  const GroupGeom& g = op.geom;
  const int64_t channels = g.channels(), offset = g.offset(task), positions = g.task_positions(task);
  real *mean = columns[kScratch], *rstd = columns[kScratch + 1];
  real *sum = columns[kScratch + 2], *dot = columns[kScratch + 3];
  spread(op, task, columns, [&](int64_t at, int64_t, int64_t c) { rstd[c] = rstd_of(op, at); });
  for_vectors(channels, [&](int64_t c, auto lanes) {
    const T *x = op.x.as<T>() + offset + c, *dy = op.dy.as<T>() + offset + c;
    const V m = lanes.load(mean + c), r = lanes.load(rstd + c);
    V s = {}, t = {};
    for (int64_t p = 0; p < positions; ++p) {
      const V v = lanes.load(dy + p * channels);
      s += v;
      t = fma(v, (lanes.load(x + p * channels) - m) * r, t);
    }
    lanes.store(sum + c, s);
    lanes.store(dot + c, t);
    lanes.store(columns[kDBeta] + c, lanes.load(columns[kDBeta] + c) + s);
    lanes.store(columns[kDGamma] + c, lanes.load(columns[kDGamma] + c) + t);
  });
  for (int64_t i = 0; i < g.groups(); ++i) {
    sums[i] = {};
    for (int64_t c = i * g.run(); c < (i + 1) * g.run(); ++c) {
      sums[i].d += static_cast<double>(affine.gamma[c]) * sum[c];
      sums[i].dot += static_cast<double>(affine.gamma[c]) * dot[c];
    }
  }
}

// dx = r ((d - a) + b (x - mean)): the mean of d comes off first, so that dx of a single value is exactly 0.
struct Slopes {
  real a, b;
};

// Adds up a sample's sums over its blocks, in order, in those of its first block.
void merge_blocks(const GroupGeom& g, int64_t sample, const Workspace<Sums>& w) {
  Sums* all = w.partial(sample * g.blocks());
  for (int64_t b = 1; b < g.blocks(); ++b) {
    const Sums* block = w.partial(sample * g.blocks() + b);
    for (int64_t i = 0; i < g.groups(); ++i) {
      all[i].d += block[i].d;
      all[i].dot += block[i].dot;
    }
  }
}

// From a sample's sums, in those of its first block.
Slopes slopes_of(const GroupBackward& op, int64_t sample, int64_t group, const Sums* partial) {
  const GroupGeom& g = op.geom;
  const Sums& all = partial[sample * g.blocks() * g.groups() + group];
  const double rstd = rstd_of(op, sample * g.groups() + group), n = static_cast<double>(g.count());
  return {static_cast<real>(all.d / n), static_cast<real>(-rstd * all.dot / n)};
}

template <class T>
void write_runs(const GroupBackward& op, const Affine& affine, int64_t task, const Sums* partial) {
  const GroupGeom& g = op.geom;
  const int64_t sample = g.sample(task);
  for (int64_t i = 0; i < g.groups(); ++i) {
    const int64_t at = sample * g.groups() + i, first = i * g.run();
    const Slopes k = slopes_of(op, sample, i, partial);
    const V mean = splat(op.mean.as<real>()[at]), rstd = splat(rstd_of(op, at)), a = splat(k.a),
            b = splat(k.b);
    for (int64_t p = 0; p < g.task_positions(task); ++p) {
      const int64_t row = g.offset(task) + p * g.channels() + first;
      const T *x = op.x.as<T>() + row, *dy = op.dy.as<T>() + row;
      T* dx = op.dx.as<T>() + row;
      for_vectors(g.run(), [&](int64_t c, auto lanes) {
        const V d = lanes.load(affine.gamma + first + c) * lanes.load(dy + c);
        lanes.store(dx + c, rstd * fma(b, lanes.load(x + c) - mean, d - a));
      });
    }
  }
}

template <class T>
void write_columns(const GroupBackward& op, const Affine& affine, int64_t task, const Sums* partial,
                   const Columns& columns) {
  const GroupGeom& g = op.geom;
  real *mean = columns[kScratch], *rstd = columns[kScratch + 1];
  real *a = columns[kScratch + 2], *b = columns[kScratch + 3];
  Slopes k{};
  spread(op, task, columns, [&](int64_t at, int64_t group, int64_t c) {
    if (c == group * g.run()) k = slopes_of(op, g.sample(task), group, partial);
    rstd[c] = rstd_of(op, at);
    a[c] = k.a;
    b[c] = k.b;
  });
  for (int64_t p = 0; p < g.task_positions(task); ++p) {
    const int64_t row = g.offset(task) + p * g.channels();
    const T *x = op.x.as<T>() + row, *dy = op.dy.as<T>() + row;
    T* dx = op.dx.as<T>() + row;
    for_vectors(g.channels(), [&](int64_t c, auto lanes) {
      const V d = lanes.load(affine.gamma + c) * lanes.load(dy + c),
              centered = lanes.load(x + c) - lanes.load(mean + c);
      lanes.store(dx + c, lanes.load(rstd + c) * fma(lanes.load(b + c), centered, d - lanes.load(a + c)));
    });
  }
}

template <class T>
void task_sums(const GroupBackward& op, const Affine& affine, int64_t task, const Columns& columns,
               Sums* sums) {
  if (!in_runs(op.geom)) return column_sums<T>(op, affine, task, columns, sums);
  for (int64_t i = 0; i < op.geom.groups(); ++i) sums[i] = run_sums<T>(op, affine, task, i, columns);
}

template <class T>
void write(const GroupBackward& op, const Affine& affine, int64_t task, const Sums* partial,
           const Columns& columns) {
  if (!in_runs(op.geom)) return write_columns<T>(op, affine, task, partial, columns);
  write_runs<T>(op, affine, task, partial);
}

// dgamma and dbeta of channels [c0, c1).
void merge_chunks(const GroupBackward& op, const Workspace<Sums>& w, int64_t c0, int64_t c1) {
  double dgamma[kMergeColumns] = {}, dbeta[kMergeColumns] = {};
  for (int64_t chunk = 0; chunk < op.geom.chunks(); ++chunk) {
    const Columns columns = w.columns(chunk);
    for (int64_t c = c0; c < c1; ++c) {
      dgamma[c - c0] += columns[kDGamma][c];
      dbeta[c - c0] += columns[kDBeta][c];
    }
  }
  for (int64_t c = c0; c < c1; ++c) {
    op.dgamma.as<real>()[c] = static_cast<real>(dgamma[c - c0]);
    op.dbeta.as<real>()[c] = static_cast<real>(dbeta[c - c0]);
  }
}

Cost prepare_backward(const Call& call) {
  const GroupBackward op(call, kReal);
  return {workspace_bytes<Sums>(op.geom, kColumns), 12.0 * op.x.numel(), 5.0 * op.x.bytes()};
}

template <class T>
void backward(const GroupBackward& op, std::byte* memory) {
  const GroupGeom& g = op.geom;
  const Workspace<Sums> w(g, kColumns, memory);
  const Affine affine = w.affine_of(op);
  const double cost = 12.0 * static_cast<double>(op.x.numel());
  const bool at_once = g.blocks() == 1;
  for_chunks(g, cost, [&](int64_t chunk, int64_t task) {
    const Columns columns = w.columns(chunk);
    if (task == chunk * g.chunk()) std::fill_n(columns[kDGamma], kScratch * g.channels(), real{0});
    task_sums<T>(op, affine, task, columns, w.partial(task));
    if (at_once) write<T>(op, affine, task, w.partial(0), columns);
  });
  if (!at_once) {
    parallel_for(g.samples(), cost, [&](int64_t sample) { merge_blocks(g, sample, w); });
    for_chunks(g, cost, [&](int64_t chunk, int64_t task) {
      write<T>(op, affine, task, w.partial(0), w.columns(chunk));
    });
  }
  if (!op.affine) return;
  const double merge_cost = 4.0 * static_cast<double>(g.chunks() * g.channels());
  parallel_chunks(g.channels(), kMergeColumns, merge_cost,
                  [&](int64_t c0, int64_t c1) { merge_chunks(op, w, c0, c1); });
}

void run_backward(const Call& call) {
  const GroupBackward op(call, kReal);
  with_storage(op.x.dtype, [&](auto stored) { backward<decltype(stored)>(op, call.workspace); });
}

TENON_KERNEL(group_norm_backward, prepare_backward, run_backward, kGroupNormAttrs)
#endif
