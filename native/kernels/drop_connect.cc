// A linear layer whose connections are dropped anew for each example (Wan et al. 2013, "Regularization of
// neural networks using DropConnect"). With m(n, o, i) 1 / (1 - p), or 0 with probability p, drawn by Philox
// (kernels/draws.h) as draw (n O + o) I + i:
//   drop_connect:                  x [N,I], w [O,I]  -> y [N,O],  y = sum over i of x m w
//   drop_connect_backward_data:    dy [N,O], w [O,I] -> dx [N,I], dx = sum over o of dy m w
//   drop_connect_backward_weights: dy [N,O], x [N,I] -> dw [O,I], dw = sum over n of dy m x
// each behind its two tensors with p, step, example. All real. Sums are cut into blocks that start from zero.
#define TENON_KERNEL_FILE "kernels/drop_connect.cc"
#include "kernels/checks.h"
#include "kernels/draws.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/philox_vec.h"

  #include "kernels/uniforms.h"

constexpr AttrNames kAttrs{"key[2]", "ordinal", "perExample"};
constexpr int64_t kPiece = 512;
constexpr int64_t kBlock = 64;
constexpr double kCost = 12;  // of a connection

struct Connections {
  int64_t examples, outputs, inputs;
  Draws draws;
  Threshold kept;
  real scale;

  Connections(const Call& c, int64_t n, int64_t o, int64_t i)
      : examples(n),
        outputs(o),
        inputs(i),
        draws(c, c.t[3], c.t[4]),
        kept(scalar(c.t[2])),
        scale(static_cast<real>(kept.scale(true))) {}

  int64_t pieces() const { return ceil_div(inputs, kPiece); }
  double work() const {
    return kCost * static_cast<double>(examples) * static_cast<double>(outputs * inputs);
  }

  // m of (n, o, i .. i + count), count at most kPiece.
  void masks(int64_t n, int64_t o, int64_t i, int64_t count, real* m) const {
    uint32_t buffer[kPiece + 4];
    const uint32_t* words = draw_words(draws, (n * outputs + o) * inputs + i, count, buffer);
    const int32_t limit = kept.limit;
    const real value = scale;
    for (int64_t k = 0; k < count; ++k) m[k] = static_cast<int32_t>(words[k] >> 8) >= limit ? value : real{0};
  }
};

// A dropped connection passes nothing on, infinity and NaN included.
V through(V m, V a) { return select(m != V{}, m * a, V{}); }

// Operands: a, b, p, step, example -> result.
Cost prepare_products(const Call& c, int64_t n, int64_t o, int64_t i, bool fits) {
  require(fits, "drop_connect: shapes do not fit");
  for (int k : {0, 1, 5}) require_dtype(c.t[k], kReal, "drop_connect: operands must be real");
  require_scalar(c.t[2], "drop_connect: p must be a runtime scalar");
  require_draws(c, c.t[3], c.t[4]);
  const double bytes = static_cast<double>(c.t[0].bytes() + c.t[1].bytes() + c.t[5].bytes());
  const double connections = static_cast<double>(n) * static_cast<double>(o) * static_cast<double>(i);
  require(connections < 9007199254740992.0, "drop_connect: too many connections");
  return {0, kCost * connections, bytes};
}

void require_matrices(const Call& c) {
  require_operands(c, 6);
  for (int k : {0, 1, 5}) require(c.t[k].rank == 2, "drop_connect: operands must be matrices");
}

Cost prepare_forward(const Call& c) {
  require_matrices(c);
  const TensorView &x = c.t[0], &w = c.t[1], &y = c.t[5];
  const bool fits = x.dims[1] == w.dims[1] && y.dims[0] == x.dims[0] && y.dims[1] == w.dims[0];
  return prepare_products(c, x.dims[0], w.dims[0], w.dims[1], fits);
}

Cost prepare_backward_data(const Call& c) {
  require_matrices(c);
  const TensorView &dy = c.t[0], &w = c.t[1], &dx = c.t[5];
  const bool fits = dy.dims[1] == w.dims[0] && dx.dims[0] == dy.dims[0] && dx.dims[1] == w.dims[1];
  return prepare_products(c, dy.dims[0], w.dims[0], w.dims[1], fits);
}

Cost prepare_backward_weights(const Call& c) {
  require_matrices(c);
  const TensorView &dy = c.t[0], &x = c.t[1], &dw = c.t[5];
  const bool fits = dy.dims[0] == x.dims[0] && dw.dims[0] == dy.dims[1] && dw.dims[1] == x.dims[1];
  return prepare_products(c, dy.dims[0], dw.dims[0], dw.dims[1], fits);
}

real dot(int64_t n, const real* m, const real* x, const real* w) {
  V sum = {};
  int64_t k = 0;
  for (; k + W <= n; k += W) sum += through(load(m + k), load(x + k) * load(w + k));
  if (k < n) sum += through(load_n(m + k, n - k), load_n(x + k, n - k) * load_n(w + k, n - k));
  return hsum(sum);
}

void run_forward(const Call& c) {
  const real *x = c.t[0].as<real>(), *w = c.t[1].as<real>();
  real* y = c.t[5].as<real>();
  const Connections net(c, c.t[0].dims[0], c.t[1].dims[0], c.t[1].dims[1]);
  parallel_chunks(net.examples * net.outputs, 8, net.work(), [&](int64_t begin, int64_t end) {
    real m[kPiece];
    for (int64_t at = begin; at < end; ++at) {
      const int64_t n = at / net.outputs, o = at % net.outputs;
      real total = 0;
      for (int64_t i = 0; i < net.inputs; i += kPiece) {
        const int64_t count = std::min(kPiece, net.inputs - i);
        net.masks(n, o, i, count, m);
        total += dot(count, m, x + n * net.inputs + i, w + o * net.inputs + i);
      }
      y[at] = total;
    }
  });
}

// result[row, i] = sum over k < terms of dy(row, k) m other[k, i], for a piece of i at a time. `masks(row, k,
// i, count, m)` draws.
template <class Factor, class Masks>
void sum_rows(const Connections& net, int64_t rows, int64_t terms, const real* other, real* result,
              Factor&& factor, Masks&& masks) {
  parallel_chunks(rows * net.pieces(), 1, net.work(), [&](int64_t begin, int64_t end) {
    real m[kPiece], total[kPiece], block[kPiece];
    for (int64_t at = begin; at < end; ++at) {
      const int64_t row = at / net.pieces(), i = at % net.pieces() * kPiece;
      const int64_t count = std::min(kPiece, net.inputs - i);
      std::fill_n(total, count, real{0});
      for (int64_t first = 0; first < terms; first += kBlock) {
        std::fill_n(block, count, real{0});
        for (int64_t k = first; k < std::min(terms, first + kBlock); ++k) {
          masks(row, k, i, count, m);
          const V scale = splat(factor(row, k));
          map(
              count, block, [&](V sum, V mask, V v) { return sum + through(mask, scale * v); }, block, m,
              other + k * net.inputs + i);
        }
        map(
            count, total, [](V a, V b) { return a + b; }, total, block);
      }
      std::copy_n(total, count, result + row * net.inputs + i);
    }
  });
}

void run_backward_data(const Call& c) {
  const real* dy = c.t[0].as<real>();
  const Connections net(c, c.t[0].dims[0], c.t[1].dims[0], c.t[1].dims[1]);
  sum_rows(
      net, net.examples, net.outputs, c.t[1].as<real>(), c.t[5].as<real>(),
      [&](int64_t n, int64_t o) { return dy[n * net.outputs + o]; },
      [&](int64_t n, int64_t o, int64_t i, int64_t count, real* m) { net.masks(n, o, i, count, m); });
}

void run_backward_weights(const Call& c) {
  const real* dy = c.t[0].as<real>();
  const Connections net(c, c.t[0].dims[0], c.t[5].dims[0], c.t[5].dims[1]);
  sum_rows(
      net, net.outputs, net.examples, c.t[1].as<real>(), c.t[5].as<real>(),
      [&](int64_t o, int64_t n) { return dy[n * net.outputs + o]; },
      [&](int64_t o, int64_t n, int64_t i, int64_t count, real* m) { net.masks(n, o, i, count, m); });
}

TENON_KERNEL(drop_connect, prepare_forward, run_forward, kAttrs)
TENON_KERNEL(drop_connect_backward_data, prepare_backward_data, run_backward_data, kAttrs)
TENON_KERNEL(drop_connect_backward_weights, prepare_backward_weights, run_backward_weights, kAttrs)
#endif
