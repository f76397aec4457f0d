// local_response_norm: x -> y, local_response_norm_backward: dy, x -> dx; attributes size, alpha, beta and k.
//
// y_c = x_c s_c^-beta, where s_c = k + alpha / size times the sum of x_j^2 over the neighbours j of channel
// c: from c - size / 2 to c + (size - 1) / 2, as far as they exist.
//
// dx_c = dy_c s_c^-beta - 2 alpha beta / size x_c times the sum of dy_j x_j s_j^(-beta - 1) over the channels
// j that have c among their neighbours.
//
// All operands are dense, of one shape with channels last, all real or all bf16. y may be x; dx may be dy or
// x. The workspace holds a row of channels between zeros for the neighbours that do not exist, so that sums
// need no bounds. Neighbours are added in order.
#define TENON_KERNEL_FILE "kernels/local_response_norm.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"

  #include "kernels/lanes.h"

constexpr AttrNames kAttrs{"size", "alpha", "beta", "k"};
constexpr int64_t kChunks = 64;  // of rows, each with rows of its own in the workspace

// The neighbours of a channel: those before it and those behind it, no more than there are.
struct Window {
  int64_t channels, before, behind;
  V scale, beta, k;

  Window(const Call& c)
      : channels(c.t[0].last()),
        scale(splat(static_cast<real>(c.attrs[kAttrs["alpha"]] / c.attrs[kAttrs["size"]]))),
        beta(splat(static_cast<real>(c.attrs[kAttrs["beta"]]))),
        k(splat(static_cast<real>(c.attrs[kAttrs["k"]]))) {
    const double size = c.attrs[kAttrs["size"]], most = static_cast<double>(channels - 1);
    before = static_cast<int64_t>(std::min(std::floor(size / 2), most));
    behind = static_cast<int64_t>(std::min(std::floor((size - 1) / 2), most));
  }

  // A row of the workspace: the channels, zeros for neighbours, and what a whole vector reads beyond them.
  int64_t width() const { return before + channels + behind + W; }
  // Sum of `count` values from p on.
  static V sum(const real* p, int64_t count) {
    V total = {};
    for (int64_t i = 0; i < count; ++i) total += load(p + i);
    return total;
  }
  int64_t size() const { return before + 1 + behind; }
};

int64_t rows_of(const TensorView& x) { return x.last() == 0 ? 0 : x.numel() / x.last(); }

int64_t chunk_of(int64_t rows) { return std::max<int64_t>(8, (rows + kChunks - 1) / kChunks); }

// `kRows`: rows of the workspace that a row of the operands needs.
template <int kOperands, int kRows>
Cost prepare(const Call& c) {
  require_operands(c, kOperands);
  const TensorView& y = c.t[kOperands - 1];
  require(y.rank >= 1 && is_storage(y.dtype), "local_response_norm: y must be real or bf16, with channels");
  for (int i = 0; i + 1 < kOperands; ++i) {
    require_dtype(c.t[i], y.dtype, "local_response_norm: operands must be of one dtype");
    require_same_dims(c.t[i], y, "local_response_norm: shapes differ");
  }
  const double size = c.attrs[kAttrs["size"]];
  require(size >= 1 && size <= 9007199254740991.0 && size == std::floor(size),
          "local_response_norm: size must be a whole number of at least 1");
  require(std::isfinite(c.attrs[kAttrs["alpha"]]), "local_response_norm: alpha must be finite");
  require(std::isfinite(c.attrs[kAttrs["beta"]]), "local_response_norm: beta must be finite");
  require(std::isfinite(c.attrs[kAttrs["k"]]), "local_response_norm: k must be finite");
  const int64_t rows = rows_of(y);
  if (rows == 0) return {};
  const Window window(c);
  const int64_t chunks = (rows + chunk_of(rows) - 1) / chunk_of(rows);
  const double n = static_cast<double>(y.numel());
  return {static_cast<size_t>(chunks * kRows * window.width()) * sizeof(real),
          n * (60.0 + static_cast<double>(kRows * window.size())),
          n * kOperands * static_cast<double>(size_of(y.dtype))};
}

// row(offset, workspace) for every row; the workspace of a chunk is zero at first.
template <int kRows, class Row>
void for_rows(const Call& c, const Window& window, Row&& row) {
  const int64_t rows = rows_of(c.t[0]), chunk = chunk_of(rows), space = kRows * window.width();
  if (rows == 0) return;
  const double cost = static_cast<double>(c.t[0].numel()) * (60.0 + static_cast<double>(window.size()));
  parallel_chunks(rows, chunk, cost, [&](int64_t begin, int64_t end) {
    real* own = reinterpret_cast<real*>(c.workspace) + begin / chunk * space;
    std::fill(own, own + space, real{0});
    for (int64_t r = begin; r < end; ++r) row(r * window.channels, own);
  });
}

// s of every channel of x from its squares, which are written between zeros: body(channel, lanes, x, s).
template <class T, class Body>
void for_sums(const Window& w, const T* x, real* squares, Body&& body) {
  for_vectors(w.channels, [&](int64_t c, auto lanes) {
    const V v = lanes.load(x + c);
    lanes.store(squares + w.before + c, v * v);
  });
  for_vectors(w.channels, [&](int64_t c, auto lanes) {
    body(c, lanes, lanes.load(x + c), fma(w.scale, Window::sum(squares + c, w.size()), w.k));
  });
}

void run_local_response_norm(const Call& c) {
  with_storage(c.t[1].dtype, [&](auto stored) {
    using T = decltype(stored);
    const Window w(c);
    for_rows<1>(c, w, [&](int64_t at, real* squares) {
      T* y = c.t[1].as<T>() + at;
      for_sums(w, c.t[0].as<T>() + at, squares,
               [&](int64_t i, auto lanes, V x, V s) { lanes.store(y + i, x * vexp(-w.beta * vlog(s))); });
    });
  });
}

void run_local_response_norm_backward(const Call& c) {
  with_storage(c.t[2].dtype, [&](auto stored) {
    using T = decltype(stored);
    const Window w(c);
    for_rows<2>(c, w, [&](int64_t at, real* squares) {
      // dy x s^(-beta - 1) of every channel, between zeros. Channel c is a neighbour of the channels from
      // c - behind to c + before.
      real* terms = squares + w.width();
      const T *dy = c.t[0].as<T>() + at, *x = c.t[1].as<T>() + at;
      T* dx = c.t[2].as<T>() + at;
      for_sums(w, x, squares, [&](int64_t i, auto lanes, V v, V s) {
        lanes.store(terms + w.behind + i, lanes.load(dy + i) * v * vexp(-w.beta * vlog(s)) / s);
      });
      const V factor = splat(-2) * w.scale * w.beta;
      for_sums(w, x, squares, [&](int64_t i, auto lanes, V v, V s) {
        const V sum = Window::sum(terms + i, w.size());
        lanes.store(dx + i, fma(factor * v, sum, lanes.load(dy + i) * vexp(-w.beta * vlog(s))));
      });
    });
  });
}

constexpr auto prepare_forward = prepare<2, 1>;
constexpr auto prepare_backward = prepare<3, 2>;

TENON_KERNEL(local_response_norm, prepare_forward, run_local_response_norm, kAttrs)
TENON_KERNEL(local_response_norm_backward, prepare_backward, run_local_response_norm_backward, kAttrs)
#endif
