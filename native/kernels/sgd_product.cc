// The SGD step of a weight whose gradient is a product of two small matrices, a^T b over K examples: the
// gradient of a large linear layer at a small batch. It is never stored: its tile is summed in registers, k
// ascending from zero as the matrix product does, and goes into the weight at once. w' may be w, v' may be v.
//
// Its norm, for the guard, comes from the two Gram matrices: |a^T b|^2 = sum_pq (a a^T)_pq (b b^T)_pq,
// K^2 (M + N) products instead of M N. Numbers that are not finite in a or b make it so too, as they
// do the gradient.
#define TENON_KERNEL_FILE "kernels/sgd_product.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"
  #include "kernels/update_groups.h"

  #include "kernels/sgd_rule.h"

constexpr int64_t kMostExamples = 64;
constexpr int64_t kColumns =
    1024;  // of b in a task: a page of every row of w, and a panel of b that caches hold
constexpr int64_t kTaskRows = 48;
constexpr int kScalars = 5;
constexpr int64_t kTile = 2 * W;
  #if defined(TENON_IS_AVX512) || defined(TENON_IS_NEON)
constexpr int kRows = 12;  // by two vectors: most of 32 registers
  #else
constexpr int kRows = 6;
  #endif

constexpr AttrNames kAttrs{"nesterov", "momentum", "steps", "decoupled"};

struct Operands {
  int64_t m, n, k;
  const real *w, *a, *b, *v;
  real *new_w, *new_v;

  explicit Operands(const Call& c)
      : m(c.t[kScalars].dims[0]),
        n(c.t[kScalars].dims[1]),
        k(c.t[kScalars + 1].dims[0]),
        w(c.t[kScalars].as<real>()),
        a(c.t[kScalars + 1].as<real>()),
        b(c.t[kScalars + 2].as<real>()),
        v(flag(c, kAttrs["momentum"]) ? c.t[kScalars + 3].as<real>() : nullptr),
        new_w(c.t[kScalars + 3 + flag(c, kAttrs["momentum"])].as<real>()),
        new_v(flag(c, kAttrs["momentum"]) ? c.t[kScalars + 5].as<real>() : nullptr) {}
};

// Calls f(0), ..., f(N - 1), unrolled: arrays indexed in a loop would not stay in registers.
template <class F, int... I>
inline void unrolled(std::integer_sequence<int, I...>, F&& f) {
  (f(std::integral_constant<int, I>{}), ...);
}
template <int N, class F>
inline void unrolled(F&& f) {
  unrolled(std::make_integer_sequence<int, N>(), f);
}

// The new weights (and velocities) of one vector, at element `at`, whose gradient is g.
template <bool kVelocity, class Lanes>
inline void update_vector(const Operands& op, const Sgd& sgd, V g, int64_t at, Lanes lanes) {
  const V w = lanes.load(op.w + at);
  V direction = sgd.gradient(w, g);
  if constexpr (kVelocity) {
    const V v = sgd.velocity(direction, lanes.load(op.v + at));
    direction = sgd.direction(direction, v);
    lanes.store(op.new_v + at, v);
  }
  lanes.store(op.new_w + at, sgd.step(w, direction));
}

// Rows x Vectors vectors at row i, column j. `left` and `right` are the packed factors from there on.
template <bool kVelocity, int Rows, int Vectors, class Lanes>
inline void update_tile(const Operands& op, const Sgd& sgd, const real* left, const real* right, int64_t i,
                        int64_t j, Lanes lanes) {
  V g[Rows][Vectors] = {};
  for (int64_t k = 0; k < op.k; ++k, left += Rows, right += kTile) {
    V b[Vectors];
    unrolled<Vectors>([&](auto u) { b[u] = load(right + u * W); });
    unrolled<Rows>([&](auto r) {
      const V a = splat(left[r]);
      unrolled<Vectors>([&](auto u) { g[r][u] = fma(a, b[u], g[r][u]); });
    });
  }
  unrolled<Rows>([&](auto r) {
    unrolled<Vectors>(
        [&](auto u) { update_vector<kVelocity>(op, sgd, g[r][u], (i + r) * op.n + j + u * W, lanes); });
  });
}

// Rows i to i + Rows - 1, columns [begin, end): begin is a multiple of kTile.
template <bool kVelocity, int Rows>
inline void update_rows(const Operands& op, const Sgd& sgd, const real* packed, int64_t i, int64_t begin,
                        int64_t end) {
  real left[kMostExamples * Rows];
  for (int64_t k = 0; k < op.k; ++k)
    for (int r = 0; r < Rows; ++r) left[k * Rows + r] = op.a[k * op.m + i + r];
  int64_t j = begin;
  for (; j + kTile <= end; j += kTile)
    update_tile<kVelocity, Rows, 2>(op, sgd, left, packed + j * op.k, i, j, WholeLanes{});
  for_vectors(end - j, [&](int64_t c, auto lanes) {
    update_tile<kVelocity, Rows, 1>(op, sgd, left, packed + j * op.k + c, i, j + c, lanes);
  });
}

int64_t tiles_of(int64_t n) { return ceil_div(n, kTile); }

// b in tiles of kTile columns, [tile][k][column], zero past the last one. Rows of b that are a power of two
// apart would push each other out of the cache, and so would those of a.
void pack(const Operands& op, real* packed) {
  parallel_for(tiles_of(op.n), static_cast<double>(op.k * op.n) * sizeof(real), [&](int64_t tile) {
    const int64_t j = tile * kTile, count = std::min(kTile, op.n - j);
    for (int64_t k = 0; k < op.k; ++k) {
      real* to = packed + j * op.k + k * kTile;
      std::copy_n(op.b + k * op.n + j, count, to);
      std::fill_n(to + count, kTile - count, real{0});
    }
  });
}

template <bool kVelocity>
void update_all(const Operands& op, const Sgd& sgd, const real* packed) {
  const int64_t strips = ceil_div(op.n, kColumns), tasks = ceil_div(op.m, kTaskRows) * strips;
  const double cost = 2.0 * static_cast<double>(op.m * op.n) * static_cast<double>(op.k + 4);
  parallel_for(tasks, cost, [&](int64_t task) {
    const int64_t begin = task % strips * kColumns, end = std::min(op.n, begin + kColumns);
    const int64_t first = task / strips * kTaskRows, last = std::min(op.m, first + kTaskRows);
    int64_t i = first;
    for (; i + kRows <= last; i += kRows) update_rows<kVelocity, kRows>(op, sgd, packed, i, begin, end);
    for (; i < last; ++i) update_rows<kVelocity, 1>(op, sgd, packed, i, begin, end);
  });
}

void require_factors(const TensorView& a, const TensorView& b) {
  require(a.dtype == kReal && b.dtype == kReal, "product: a and b must be real");
  require(a.rank == 2 && b.rank == 2 && a.dims[0] == b.dims[0], "product: a and b must be [K, M] and [K, N]");
  require(a.dims[0] <= kMostExamples, "product: too many rows");
}

Cost prepare_sgd_product(const Call& c) {
  const int count = kScalars + (flag(c, kAttrs["momentum"]) ? 6 : 4);
  require_operands(c, count);
  for (int i = 0; i < kScalars; ++i)
    require_scalar(c.t[i], "sgd_product: hyper-parameters must be runtime scalars");
  const TensorView &w = c.t[kScalars], &a = c.t[kScalars + 1], &b = c.t[kScalars + 2];
  require_factors(a, b);
  require(w.dtype == kReal && w.rank == 2, "sgd_product: w must be real of rank 2");
  require(w.dims[0] == a.dims[1] && w.dims[1] == b.dims[1], "sgd_product: w must be [M, N]");
  for (int i = kScalars + 3; i < count; ++i) {
    require_dtype(c.t[i], kReal, "sgd_product: states must be real");
    require_same_dims(w, c.t[i], "sgd_product: states must have the shape of w");
  }
  const size_t packed = static_cast<size_t>(tiles_of(b.dims[1]) * kTile * b.dims[0]) * sizeof(real);
  const double size = static_cast<double>(w.numel()), passes = flag(c, kAttrs["momentum"]) ? 4 : 2;
  return {packed, size * (2.0 * static_cast<double>(a.dims[0]) + 6),
          size * passes * sizeof(real) + static_cast<double>(a.bytes() + b.bytes())};
}

void run_sgd_product(const Call& c) {
  const Operands op(c);
  const SgdFlags flags = {.nesterov = flag(c, kAttrs["nesterov"]),
                          .steps = flag(c, kAttrs["steps"]),
                          .decoupled = flag(c, kAttrs["decoupled"])};
  const Sgd sgd(c, flags, real{1});
  real* packed = reinterpret_cast<real*>(c.workspace);
  pack(op, packed);
  op.v == nullptr ? update_all<false>(op, sgd, packed) : update_all<true>(op, sgd, packed);
}

constexpr int kLanes = 16;  // sums kept apart: the same number on every target

// In double: products of floats are exact there, and cannot overflow.
double dot(int64_t n, const real* x, const real* y) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int l = 0; l < kLanes; ++l)
      lanes[l] += static_cast<double>(x[i + l]) * static_cast<double>(y[i + l]);
  for (; i < n; ++i) lanes[0] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  double total = 0;
  for (const double lane : lanes) total += lane;
  return total;
}

Cost prepare_product_squares(const Call& c) {
  require_operands(c, 3);
  const TensorView &a = c.t[0], &b = c.t[1];
  require_factors(a, b);
  require(c.t[2].dtype == kReal && c.t[2].rank == 0, "product_squares: y must be real of rank 0");
  const double k = static_cast<double>(a.dims[0]);
  return {sizeof(double) * kMostExamples, k * static_cast<double>(a.numel() + b.numel()),
          static_cast<double>(a.bytes() + b.bytes())};
}

// Row p of the sum is a task; both matrices are symmetric, so that pairs p < q count twice.
void run_product_squares(const Call& c) {
  const int64_t k = c.t[0].dims[0], m = c.t[0].dims[1], n = c.t[1].dims[1];
  const real *a = c.t[0].as<real>(), *b = c.t[1].as<real>();
  double* rows = reinterpret_cast<double*>(c.workspace);
  parallel_for(k, static_cast<double>(k * k) * static_cast<double>(m + n), [&](int64_t p) {
    double sum = 0;
    for (int64_t q = p; q < k; ++q)
      sum += (p == q ? 1 : 2) * dot(m, a + p * m, a + q * m) * dot(n, b + p * n, b + q * n);
    rows[p] = sum;
  });
  double total = 0;
  for (int64_t p = 0; p < k; ++p) total += rows[p];
  *c.t[2].as<real>() = static_cast<real>(total);
}

TENON_KERNEL(sgd_product, prepare_sgd_product, run_sgd_product, kAttrs)
TENON_KERNEL(product_squares, prepare_product_squares, run_product_squares)
#endif
