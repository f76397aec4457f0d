// Softmax and log-softmax over the last axis, forward and backward. All operands are [rows, K], dense. Rows
// are independent: parallel over chunks of rows; inside a row vectors run over K and lanes.h masks the last
// one. The row's maximum is subtracted first, so that nothing overflows.
#define TENON_KERNEL_FILE "kernels/softmax.cc"
#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"

  #include "kernels/lanes.h"

  #include "kernels/log_sum_exp.h"

void softmax_row(int64_t n, const real* x, real* y) {
  const V max = splat(row_max(x, n));
  V sum = {};
  for_vectors(n, [&](int64_t k, auto lanes) {
    const V e = vexp(lanes.load(x + k) - max);
    lanes.store(y + k, e);
    sum += lanes.keep(e, 0);
  });
  const V scale = splat(1 / hsum(sum));
  for_vectors(n, [&](int64_t k, auto lanes) { lanes.store(y + k, lanes.load(y + k) * scale); });
}

void log_softmax_row(int64_t n, const real* x, real* y) {
  const real max = row_max(x, n);
  const V log_sum = splat(scalar_log(row_exp_sum(x, n, max)));
  for_vectors(n,
              [&](int64_t k, auto lanes) { lanes.store(y + k, lanes.load(x + k) - splat(max) - log_sum); });
}

// dx = y (dy - sum dy y)
void softmax_backward_row(int64_t n, const real* dy, const real* y, real* dx) {
  V sum = {};
  for_vectors(n, [&](int64_t k, auto lanes) { sum = fma(lanes.load(dy + k), lanes.load(y + k), sum); });
  const V dot = splat(hsum(sum));
  for_vectors(
      n, [&](int64_t k, auto lanes) { lanes.store(dx + k, lanes.load(y + k) * (lanes.load(dy + k) - dot)); });
}

// dx = dy - exp(y) sum dy
void log_softmax_backward_row(int64_t n, const real* dy, const real* y, real* dx) {
  V sum = {};
  for_vectors(n, [&](int64_t k, auto lanes) { sum += lanes.load(dy + k); });
  const V total = splat(hsum(sum));
  for_vectors(n, [&](int64_t k, auto lanes) {
    lanes.store(dx + k, lanes.load(dy + k) - vexp(lanes.load(y + k)) * total);
  });
}

template <int kOperands>
Cost prepare(const Call& call) {
  require_operands(call, kOperands);
  require(call.t[0].rank >= 1, "softmax: x must have at least one axis");
  for (int i = 0; i < kOperands; ++i) {
    require(call.t[i].dtype == kReal, "softmax: operand of wrong dtype");
    require_same_dims(call.t[0], call.t[i], "softmax: operands of differing shapes");
  }
  return {0, 12.0 * call.t[0].numel(), static_cast<double>(kOperands) * call.t[0].bytes()};
}

// Calls row(offset) for every row.
template <class Row>
void for_rows(const TensorView& x, Row&& row) {
  const int64_t n = x.last();
  if (n == 0) return;
  const double cost = 16.0 * static_cast<double>(x.numel());
  parallel_chunks(x.numel() / n, row_chunk(n), cost, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) row(r * n);
  });
}

template <void (*kRow)(int64_t, const real*, real*)>
void forward(const Call& call) {
  const TensorView &x = call.t[0], &y = call.t[1];
  for_rows(x, [&](int64_t i) { kRow(x.last(), x.as<real>() + i, y.as<real>() + i); });
}

template <void (*kRow)(int64_t, const real*, const real*, real*)>
void backward(const Call& call) {
  const TensorView &dy = call.t[0], &y = call.t[1], &dx = call.t[2];
  for_rows(dy, [&](int64_t i) { kRow(y.last(), dy.as<real>() + i, y.as<real>() + i, dx.as<real>() + i); });
}

TENON_KERNEL(softmax, prepare<2>, forward<softmax_row>)
TENON_KERNEL(log_softmax, prepare<2>, forward<log_softmax_row>)
TENON_KERNEL(softmax_backward, prepare<3>, backward<softmax_backward_row>)
TENON_KERNEL(log_softmax_backward, prepare<3>, backward<log_softmax_backward_row>)
#endif
