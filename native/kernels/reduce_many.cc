// Reductions that are not along broadcast axes: the sum of squares of many tensors (gradient norm), argmax of
// rows, and the accumulators of metrics.
#define TENON_KERNEL_FILE "kernels/reduce_many.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

constexpr int64_t kChunk = 16384;
constexpr int kLanes = 16;  // sums kept apart inside a chunk: the same number on every target

// In double: squares of floats are exact there, and cannot overflow.
double sum_squares_run(int64_t n, const real* x) {
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

int64_t chunks_of(const TensorView& x) { return ceil_div(x.numel(), kChunk); }

Cost prepare_sum_squares(const Call& c) {
  require(c.count >= 2, "sum_squares: needs an input and an output");
  const TensorView& y = c.t[c.count - 1];
  require(y.dtype == kReal && y.rank == 0, "sum_squares: y must be real of rank 0");
  Cost cost;
  for (int k = 0; k + 1 < c.count; ++k) {
    require_dtype(c.t[k], kReal, "sum_squares: operands must be real");
    cost.workspace += static_cast<size_t>(chunks_of(c.t[k])) * sizeof(double);
    cost.flops += 2.0 * static_cast<double>(c.t[k].numel());
    cost.bytes += static_cast<double>(c.t[k].bytes());
  }
  return cost;
}

// One chunk never crosses from one tensor to the next; their sums are added in the order of the operands.
void run_sum_squares(const Call& c) {
  double* partials = reinterpret_cast<double*>(c.workspace);
  int64_t blocks = 0;
  double cost = 0;
  for (int k = 0; k + 1 < c.count; ++k) {
    blocks += chunks_of(c.t[k]);
    cost += static_cast<double>(c.t[k].bytes());
  }
  parallel_for(blocks, cost, [&](int64_t block) {
    int k = 0;
    int64_t chunk = block;
    for (; chunk >= chunks_of(c.t[k]); ++k) chunk -= chunks_of(c.t[k]);
    const int64_t begin = chunk * kChunk;
    partials[block] = sum_squares_run(std::min(kChunk, c.t[k].numel() - begin), c.t[k].as<real>() + begin);
  });
  double total = 0;
  for (int64_t block = 0; block < blocks; ++block) total += partials[block];
  *c.t[c.count - 1].as<real>() = static_cast<real>(total);
}

Cost prepare_argmax(const Call& c) {
  require_operands(c, 2);
  const TensorView &x = c.t[0], &y = c.t[1];
  require(x.dtype == kReal && y.dtype == DType::i32, "argmax: x must be real, y i32");
  require(x.rank >= 1 && y.rank == x.rank - 1, "argmax: y has one axis less than x");
  for (int i = 0; i < y.rank; ++i) require(x.dims[i] == y.dims[i], "argmax: shapes differ");
  require(x.last() >= 1 && x.last() <= std::numeric_limits<int32_t>::max(),
          "argmax: the last axis is empty or too long");
  return {0, static_cast<double>(x.numel()), static_cast<double>(x.bytes() + y.bytes())};
}

// The first of the largest; NaN counts as largest, as in PyTorch.
int32_t argmax_row(int64_t n, const real* x) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; ++i) {
    const bool larger = x[i] > x[best] || (x[i] != x[i] && x[best] == x[best]);
    if (larger) best = i;
  }
  return static_cast<int32_t>(best);
}

void run_argmax(const Call& c) {
  const int64_t length = c.t[0].last(), rows = c.t[1].numel();
  const real* x = c.t[0].as<real>();
  int32_t* y = c.t[1].as<int32_t>();
  const int64_t grain = std::max<int64_t>(1, kChunk / length);
  parallel_chunks(rows, grain, static_cast<double>(rows * length) * sizeof(real),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t row = begin; row < end; ++row) y[row] = argmax_row(length, x + row * length);
                  });
}

Cost prepare_accumulate(const Call& c) {
  require_operands(c, 3);
  require(c.t[0].dtype == DType::f64 && c.t[2].dtype == DType::f64, "accumulate: acc must be f64");
  require_dtype(c.t[1], kReal, "accumulate: x must be real");
  require(c.t[0].numel() == c.t[1].numel() && c.t[0].numel() == c.t[2].numel(), "accumulate: sizes differ");
  return {0, static_cast<double>(c.t[1].numel()), static_cast<double>(2 * c.t[0].bytes() + c.t[1].bytes())};
}

void run_accumulate(const Call& c) {
  const double* acc = c.t[0].as<double>();
  const real* x = c.t[1].as<real>();
  double* sum = c.t[2].as<double>();
  const int64_t n = c.t[1].numel();
  for (int64_t i = 0; i < n; ++i) sum[i] = acc[i] + static_cast<double>(x[i]);
}

TENON_KERNEL(sum_squares, prepare_sum_squares, run_sum_squares)
TENON_KERNEL(argmax, prepare_argmax, run_argmax)
TENON_KERNEL(accumulate, prepare_accumulate, run_accumulate)
#endif
