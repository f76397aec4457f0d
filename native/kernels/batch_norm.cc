// Batch normalization, forward (Ioffe and Szegedy 2015): y = act(gamma (x - mean) / sqrt(var + eps) +
// beta + residual).
// batch_norm_moments takes the statistics of a shard alone, as (mean, M2).
//
// x, residual and y are [rows, C], dense, real or bf16; the kernels see them as wide rows
// (base/norm_geom.h), so that a vector of columns is nearly always whole; where it is not, lanes.h masks the
// last one. Training reads x twice: once for the statistics, and once to apply them, last block first, while
// that is still in cache.
//
// Statistics are (mean, M2) with M2 = sum (x - mean)^2, never sums of squares: groups of 16 rows are
// reduced against their own mean, and groups, then blocks, are merged by Chan, Golub and LeVeque 1979. A
// group's mean is its first row plus the mean of the differences from that: exact where a channel is
// constant, whose variance is then 0 and whose output is beta. Partial results of blocks are real, merged
// in double in block order.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/batch_norm.cc"
#include "kernels/norm_operands.h"
#include "kernels/streamed_bytes.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/streaming.h"

constexpr int64_t kRowGroup = 16;
constexpr int64_t kStripColumns = 128;  // whose group of rows fits in half of L1
constexpr int64_t kMergeColumns = 64;

// Merges the statistics of `rows` rows at x, `stride` elements apart, into those of the `seen` rows before
// them, column by column: along the rows (see sums_by_rows). The second sum finds the group in L1 and fetches
// the next one.
template <class T>
inline void merge_rows(int64_t rows, const T* x, int64_t stride, int64_t width, int64_t seen, real* mean,
                       real* m2) {
  alignas(64) real center[kStripColumns];
  alignas(64) real squares[kStripColumns];
  const real n = static_cast<real>(rows);
  const V inverse = splat(1 / n);
  const V weight = splat(n / (static_cast<real>(seen) + n));
  const V cross = splat(static_cast<real>(seen) * n / (static_cast<real>(seen) + n));
  for_vectors(width, [&](int64_t c, auto lanes) { lanes.store(center + c, V{}); });
  for (int64_t r = 1; r < rows; ++r) {
    const T* row = x + r * stride;
    for_vectors(width, [&](int64_t c, auto lanes) {
      lanes.store(center + c, lanes.load(center + c) + (lanes.load(row + c) - lanes.load(x + c)));
    });
  }
  for_vectors(width, [&](int64_t c, auto lanes) {
    lanes.store(center + c, fma(lanes.load(center + c), inverse, lanes.load(x + c)));
    lanes.store(squares + c, V{});
  });
  for (int64_t r = 0; r < rows; ++r) {
    const T* row = x + r * stride;
    prefetch_row(row + kRowGroup * stride, width);
    for_vectors(width, [&](int64_t c, auto lanes) {
      const V d = lanes.load(row + c) - lanes.load(center + c);
      lanes.store(squares + c, fma(d, d, lanes.load(squares + c)));
    });
  }
  for_vectors(width, [&](int64_t c, auto lanes) {
    const V old = lanes.load(mean + c);
    const V delta = lanes.load(center + c) - old;
    lanes.store(mean + c, fma(delta, weight, old));
    lanes.store(m2 + c, fma(delta * delta, cross, lanes.load(m2 + c) + lanes.load(squares + c)));
  });
}

// The same down the columns. Count is an integral constant in
// the main loop, so that the rows of a group stay in registers between the two sums.
template <class Count, class T>
inline void merge_columns(Count rows, const T* x, int64_t width, int64_t seen, real* mean, real* m2) {
  const real n = static_cast<real>(rows);
  const V inverse = splat(1 / n);
  const V weight = splat(n / (static_cast<real>(seen) + n));
  const V cross = splat(static_cast<real>(seen) * n / (static_cast<real>(seen) + n));
  for_vectors(width, [&](int64_t c, auto lanes) {
    const V first = lanes.load(x + c);
    V sum = {}, squares = {};
    for (int64_t r = 0; r < rows; ++r) {
      __builtin_prefetch(x + (r + kRowGroup) * width + c);  // of the next group; harmless past the end
      sum += lanes.load(x + r * width + c) - first;
    }
    const V center = fma(sum, inverse, first);
    for (int64_t r = 0; r < rows; ++r) {
      const V d = lanes.load(x + r * width + c) - center;
      squares = fma(d, d, squares);
    }
    const V old = lanes.load(mean + c);
    const V delta = center - old;
    lanes.store(mean + c, fma(delta, weight, old));
    lanes.store(m2 + c, fma(delta * delta, cross, lanes.load(m2 + c) + squares));
  });
}

// mean and M2 of every column over wide rows [begin, end).
template <class T>
inline void block_statistics(bool by_rows, const T* x, int64_t width, int64_t begin, int64_t end, real* mean,
                             real* m2) {
  std::memset(mean, 0, sizeof(real) * width);
  std::memset(m2, 0, sizeof(real) * width);
  int64_t r = begin;
  for (; by_rows && r < end; r += kRowGroup) {
    for (int64_t c = 0; c < width; c += kStripColumns) {
      merge_rows(std::min(kRowGroup, end - r), x + r * width + c, width, std::min(kStripColumns, width - c),
                 r - begin, mean + c, m2 + c);
    }
  }
  for (; r + kRowGroup <= end; r += kRowGroup) {
    merge_columns(std::integral_constant<int64_t, kRowGroup>{}, x + r * width, width, r - begin, mean, m2);
  }
  if (r < end) merge_columns(end - r, x + r * width, width, r - begin, mean, m2);
}

// Where statistics go: the mean, and the variance or M2.
struct Statistics {
  real* mean;
  real* spread;
  bool is_m2;
};

// Merges the blocks' statistics of channels [c0, c1), in block order and, inside a block, in the order
// of its folds.
void merge_blocks(const NormGeom& g, const real* partial, const Statistics& out, int64_t c0, int64_t c1) {
  double mean[kMergeColumns] = {}, m2[kMergeColumns] = {};
  double seen = 0;
  for (int64_t block = 0; block < g.blocks(); ++block) {
    const double n = static_cast<double>(g.count(block));
    for (int64_t j = 0; j < g.fold(); ++j, seen += n) {
      const real* block_mean = partial + 2 * block * g.width() + j * g.channels();
      const real* block_m2 = block_mean + g.width();
      const double weight = n / (seen + n), cross = seen * weight;
      for (int64_t c = c0; c < c1; ++c) {
        const double delta = block_mean[c] - mean[c - c0];
        mean[c - c0] += delta * weight;
        m2[c - c0] += block_m2[c] + delta * delta * cross;
      }
    }
  }
  for (int64_t c = c0; c < c1; ++c) {
    out.mean[c] = static_cast<real>(mean[c - c0]);
    out.spread[c] = static_cast<real>(out.is_m2 ? m2[c - c0] : m2[c - c0] / seen);
  }
}

// Per column of a wide row: y = (x - mean) scale + beta. x - mean comes first: folding the mean into the
// shift would cancel.
struct Coefficients {
  real* mean;
  real* scale;
  real* beta;
};

Coefficients make_coefficients(const NormForward& op, real* storage) {
  const NormGeom& g = op.geom;
  const Coefficients to{storage, storage + g.width(), storage + 2 * g.width()};
  for (int64_t c = 0; c < g.channels(); ++c) {
    const real mean = op.mean.as<real>()[c], beta = op.beta.as<real>()[c];
    const real scale = static_cast<real>(norm_scale(op.gamma.as<real>()[c], op.var.as<real>()[c], op.eps));
    for (int64_t i = c; i < g.width(); i += g.channels()) {
      to.mean[i] = mean;
      to.scale[i] = scale;
      to.beta[i] = beta;
    }
  }
  return to;
}

template <class T, NormActivation kActivation, bool kResidual>
void apply_rows(const NormForward& op, const Coefficients& k, bool stream, int64_t begin, int64_t end) {
  const int64_t width = op.geom.width();
  for (int64_t r = begin; r < end; ++r) {
    const T* x = op.x.as<T>() + r * width;
    const T* residual = kResidual ? op.residual.as<T>() + r * width : nullptr;
    T* y = op.y.as<T>() + r * width;
    if (!stream) prefetch_row_to_write(y + kRowGroup * width, width);
    for_vectors(width, [&](int64_t c, auto lanes) {
      V v = fma(lanes.load(x + c) - lanes.load(k.mean + c), lanes.load(k.scale + c), lanes.load(k.beta + c));
      if constexpr (kResidual)
        v = as_stored<T>(v) + lanes.load(residual + c);  // as the unfused addition has it
      if constexpr (kActivation != NormActivation::none) v = vmax(v, V{});
      if constexpr (kActivation == NormActivation::relu6) v = vmin(v, splat(6));
      put(y + c, v, lanes, stream);
    });
  }
  if (stream) end_streaming();
}

template <class T, bool kResidual>
auto rows_with(NormActivation activation) {
  switch (activation) {
    case NormActivation::relu:
      return apply_rows<T, NormActivation::relu, kResidual>;
    case NormActivation::relu6:
      return apply_rows<T, NormActivation::relu6, kResidual>;
    default:
      return apply_rows<T, NormActivation::none, kResidual>;
  }
}

template <class T>
auto choose_rows(const NormForward& op) {
  return op.has_residual ? rows_with<T, true>(op.activation) : rows_with<T, false>(op.activation);
}

template <class T>
void apply(const NormForward& op, real* storage) {
  const Coefficients k = make_coefficients(op, storage);
  const NormGeom& g = op.geom;
  // In place the lines are in cache already.
  const bool in_place = op.y.data == op.x.data || (op.has_residual && op.y.data == op.residual.data);
  const bool stream = !in_place && streams(op.y.as<T>(), g.width(), op.y.bytes());
  const auto rows = choose_rows<T>(op);
  parallel_for(g.blocks(), static_cast<double>(op.x.bytes()), [&](int64_t i) {
    const int64_t block = g.blocks() - 1 - i;
    rows(op, k, stream, g.begin(block), g.end(block));
  });
}

Cost prepare_train(const Call& call) {
  const NormForward op(call, true, kReal, W);
  const double n = static_cast<double>(op.x.numel());
  const size_t wide_rows = static_cast<size_t>(2 * op.geom.blocks() + 3);
  return {wide_rows * op.geom.width() * sizeof(real), 10 * n, (3.0 + op.has_residual) * op.x.bytes()};
}

template <class T>
void statistics(const NormGeom& g, const TensorView& x, real* partial, const Statistics& out) {
  const bool by_rows = sums_by_rows(x, g);
  parallel_for(g.blocks(), static_cast<double>(x.bytes()), [&](int64_t block) {
    real* mean = partial + 2 * block * g.width();
    block_statistics(by_rows, x.as<T>(), g.width(), g.begin(block), g.end(block), mean, mean + g.width());
  });
  const double merge_cost = 32.0 * g.blocks() * g.width();
  parallel_chunks(g.channels(), kMergeColumns, merge_cost,
                  [&](int64_t c0, int64_t c1) { merge_blocks(g, partial, out, c0, c1); });
}

template <class T>
void train(const NormForward& op, real* partial) {
  const NormGeom& g = op.geom;
  statistics<T>(g, op.x, partial, {op.mean.as<real>(), op.var.as<real>(), false});
  apply<T>(op, partial + 2 * g.blocks() * g.width());
}

void run_train(const Call& call) {
  const NormForward op(call, true, kReal, W);
  real* partial = reinterpret_cast<real*>(call.workspace);
  with_storage(op.x.dtype, [&](auto stored) { train<decltype(stored)>(op, partial); });
}

Cost prepare_moments(const Call& call) {
  const NormMoments op(call, kReal, W);
  const size_t wide_rows = static_cast<size_t>(2 * op.geom.blocks());
  return {wide_rows * op.geom.width() * sizeof(real), 6.0 * op.x.numel(), static_cast<double>(op.x.bytes())};
}

void run_moments(const Call& call) {
  const NormMoments op(call, kReal, W);
  real* partial = reinterpret_cast<real*>(call.workspace);
  with_storage(op.x.dtype, [&](auto stored) {
    statistics<decltype(stored)>(op.geom, op.x, partial, {op.mean.as<real>(), op.m2.as<real>(), true});
  });
}

Cost prepare_eval(const Call& call) {
  const NormForward op(call, false, kReal, W);
  const double n = static_cast<double>(op.x.numel());
  return {3 * op.geom.width() * sizeof(real), 4 * n, (2.0 + op.has_residual) * op.x.bytes()};
}

void run_eval(const Call& call) {
  const NormForward op(call, false, kReal, W);
  real* storage = reinterpret_cast<real*>(call.workspace);
  with_storage(op.x.dtype, [&](auto stored) { apply<decltype(stored)>(op, storage); });
}

Cost prepare_running(const Call& call) {
  const NormRunning op(call, kReal);
  return {0, 8.0 * op.channels, 6.0 * op.channels * sizeof(real)};
}

void run_running(const Call& call) {
  const NormRunning op(call, kReal);
  const double momentum = *op.t[4].as<double>();
  for (int i : {0, 1}) {
    const real* running = op.t[i].as<real>();
    const real* batch = op.t[i + 2].as<real>();
    real* out = op.t[i + 5].as<real>();
    const double scale = momentum * (i == 1 ? op.unbias : 1);
    for (int64_t c = 0; c < op.channels; ++c) {
      out[c] = static_cast<real>((1 - momentum) * running[c] + scale * batch[c]);
    }
  }
}

TENON_KERNEL(batch_norm_train, prepare_train, run_train, kNormForwardAttrs)
TENON_KERNEL(batch_norm_moments, prepare_moments, run_moments)
TENON_KERNEL(batch_norm_eval, prepare_eval, run_eval, kNormForwardAttrs)
TENON_KERNEL(batch_norm_running, prepare_running, run_running, kNormRunningAttrs)
#endif
