// Sums and maxima over axes. x and y have one rank; y's dim is 1 where x is reduced. After merging axes, a
// reduction is one or more passes [outer, length, inner] -> [outer, inner], innermost reduced axes first. The
// sums of a convolution's bias ([N*H*W, C] -> [C]), a global pooling ([N, H*W, C] -> [N, C]), a softmax ([B,
// K] -> [B]) and a total are one pass each.
//
// x is real or bf16, y is real.
//
// Order of every sum: `length` is cut in chunks whose size depends on the shape only. A chunk is summed from
// zero (four interleaved vector accumulators, added pairwise) into the workspace, and the chunks of an
// output are then added in order, in double: no float sum is longer than a chunk. Threads only choose who
// sums which chunk.
#define TENON_KERNEL_FILE "kernels/reduce.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

constexpr int64_t kChunk = 8192;  // elements of x in a chunk, where the shape allows
constexpr int64_t kGrain = 16384;

struct Sum {
  static constexpr double kStart = 0;
  static V combine(V a, V b) { return a + b; }
  template <class T>
  static T combine_one(T a, T b) {
    return a + b;
  }
};

struct Max {
  static constexpr double kStart = -std::numeric_limits<double>::infinity();
  static V combine(V a, V b) { return vmax(a, b); }
  template <class T>
  static T combine_one(T a, T b) {
    return a > b || a != a ? a : b;
  }
};

struct Pass {
  int64_t outer = 1, length = 1, inner = 1;

  // Length of a chunk, and how many there are (at least one: a sum of nothing is written too).
  int64_t chunk() const {
    return std::max<int64_t>(inner == 1 ? kChunk : 32, kChunk / std::max<int64_t>(1, inner));
  }
  int64_t chunks() const { return std::max<int64_t>(1, ceil_div(length, chunk())); }
  int64_t outputs() const { return outer * inner; }
  size_t partials() const { return chunks() == 1 ? 0 : static_cast<size_t>(chunks() * outputs()); }
};

struct Plan {
  Pass passes[kMaxRank];
  int count = 0;
  size_t partials = 0;  // elements of the largest pass
  size_t results = 0;   // elements of the largest result that is not yet y

  size_t workspace() const { return (partials + 2 * results) * sizeof(real); }
};

// Merged axes, outermost first; kept and reduced ones alternate.
struct Axes {
  int64_t dims[kMaxRank];
  bool reduced[kMaxRank];
  int count = 0;

  Axes(const TensorView& x, const TensorView& y) {
    for (int i = 0; i < x.rank; ++i) {
      if (x.dims[i] == 1) continue;
      const bool is_reduced = y.dims[i] == 1;
      if (count > 0 && reduced[count - 1] == is_reduced) {
        dims[count - 1] *= x.dims[i];
      } else {
        dims[count] = x.dims[i];
        reduced[count++] = is_reduced;
      }
    }
  }
};

Plan plan_of(const TensorView& x, const TensorView& y) {
  const Axes axes(x, y);
  Plan plan;
  int64_t inner = 1;
  for (int i = axes.count - 1; i >= 0; --i) {
    if (!axes.reduced[i]) {
      inner *= axes.dims[i];
      continue;
    }
    Pass& pass = plan.passes[plan.count++];
    pass.length = axes.dims[i];
    pass.inner = inner;
    for (int k = 0; k < i; ++k) pass.outer *= axes.dims[k];
  }
  if (plan.count == 0) plan.passes[plan.count++].inner = inner;  // nothing is reduced: one row
  for (int i = 0; i < plan.count; ++i) {
    plan.partials = std::max(plan.partials, plan.passes[i].partials());
    if (i + 1 < plan.count)
      plan.results = std::max(plan.results, static_cast<size_t>(plan.passes[i].outputs()));
  }
  return plan;
}

// The lanes of v, halves folded onto each other.
template <class R>
real fold(V v) {
  real lanes[W];
  store(lanes, v);
  for (int half = W / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] = R::combine_one(lanes[i], lanes[i + half]);
  return lanes[0];
}

// n contiguous elements. Short rows (classes of a softmax) are not worth the folding of lanes.
template <class R, class X>
real reduce_run(int64_t n, const X* x) {
  int64_t i = 0;
  real rest = static_cast<real>(R::kStart);
  if (n >= 2 * W) {
    const V start = splat(rest);
    V a[4] = {start, start, start, start};
    for (; i + 4 * W <= n; i += 4 * W)
      for (int k = 0; k < 4; ++k) a[k] = R::combine(a[k], load(x + i + k * W));
    for (; i + W <= n; i += W) a[0] = R::combine(a[0], load(x + i));
    rest = fold<R>(R::combine(R::combine(a[0], a[1]), R::combine(a[2], a[3])));
  }
  for (; i < n; ++i) rest = R::combine_one(rest, value_of(x[i]));
  return rest;
}

// One strip of `Vectors` vectors (or n < W elements when Vectors is 0) down `rows` rows of x.
template <class R, int Vectors, class X>
void reduce_strip(int64_t rows, int64_t step, int64_t n, const X* x, real* y) {
  constexpr int kVectors = Vectors == 0 ? 1 : Vectors;
  constexpr int kRows =
      Vectors >= 4 ? 1 : 4;  // rows in flight, so that additions need not wait for each other
  const auto get = [n](const X* p) { return Vectors == 0 ? load_n(p, n) : load(p); };
  V a[kRows][kVectors];
  for (auto& row : a)
    for (V& v : row) v = splat(static_cast<real>(R::kStart));
  int64_t i = 0;
  for (; i + kRows <= rows; i += kRows)
    for (int r = 0; r < kRows; ++r)
      for (int k = 0; k < kVectors; ++k) a[r][k] = R::combine(a[r][k], get(x + (i + r) * step + k * W));
  for (; i < rows; ++i)
    for (int k = 0; k < kVectors; ++k) a[0][k] = R::combine(a[0][k], get(x + i * step + k * W));
  for (int k = 0; k < kVectors; ++k) {
    for (int r = 1; r < kRows; ++r) a[0][k] = R::combine(a[0][k], a[r][k]);
    if (Vectors == 0) {
      store_n(y, a[0][0], n);
    } else {
      store(y + k * W, a[0][k]);
    }
  }
}

// rows x columns, one output per column.
template <class R, class X>
void reduce_rows(int64_t rows, int64_t columns, const X* x, real* y) {
  int64_t j = 0;
  for (; j + 4 * W <= columns; j += 4 * W) reduce_strip<R, 4>(rows, columns, 0, x + j, y + j);
  for (; j + W <= columns; j += W) reduce_strip<R, 1>(rows, columns, 0, x + j, y + j);
  if (j < columns) reduce_strip<R, 0>(rows, columns, columns - j, x + j, y + j);
}

template <class R, class X>
void reduce_chunk(const Pass& pass, int64_t outer, int64_t chunk, const X* x, real* y) {
  const int64_t begin = chunk * pass.chunk(), rows = std::min(pass.chunk(), pass.length - begin);
  const X* from = x + (outer * pass.length + begin) * pass.inner;
  if (pass.inner == 1) {
    *y = reduce_run<R>(rows, from);
  } else {
    reduce_rows<R>(rows, pass.inner, from, y);
  }
}

// y = scale * the chunks of each output in order.
template <class R>
void combine_chunks(const Pass& pass, double scale, const real* partials, real* y) {
  constexpr int64_t kColumns = 64;
  const int64_t strips = ceil_div(pass.inner, kColumns), chunks = pass.chunks();
  const double cost = static_cast<double>(chunks * pass.outputs()) * sizeof(real);
  parallel_for(pass.outer * strips, cost, [&](int64_t block) {
    const int64_t outer = block / strips, begin = block % strips * kColumns;
    const int64_t n = std::min(kColumns, pass.inner - begin);
    const real* from = partials + outer * chunks * pass.inner + begin;
    double total[kColumns];
    for (int64_t j = 0; j < n; ++j) total[j] = R::kStart;
    for (int64_t chunk = 0; chunk < chunks; ++chunk)
      for (int64_t j = 0; j < n; ++j)
        total[j] = R::combine_one(total[j], static_cast<double>(from[chunk * pass.inner + j]));
    for (int64_t j = 0; j < n; ++j) y[outer * pass.inner + begin + j] = static_cast<real>(scale * total[j]);
  });
}

template <class R, class X>
void run_pass(const Pass& pass, double scale, const X* x, real* partials, real* y) {
  const int64_t chunks = pass.chunks(), units = pass.outer * chunks;
  const int64_t unit_size = std::max<int64_t>(1, std::min(pass.chunk(), pass.length) * pass.inner);
  real* out = chunks == 1 ? y : partials;
  const double cost = static_cast<double>(units * unit_size) * sizeof(real);
  parallel_chunks(units, std::max<int64_t>(1, kGrain / unit_size), cost, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      real* to = out + unit * pass.inner;
      reduce_chunk<R>(pass, unit / chunks, unit % chunks, x, to);
      if (chunks == 1 && scale != 1)
        map(
            pass.inner, to, [s = splat(static_cast<real>(scale))](V v) { return s * v; }, to);
    }
  });
  if (chunks > 1) combine_chunks<R>(pass, scale, partials, y);
}

template <class R>
void run_reduce(const Call& c, double scale) {
  const Plan plan = plan_of(c.t[0], c.t[1]);
  if (c.t[1].numel() == 0) return;
  real* partials = reinterpret_cast<real*>(c.workspace);
  const real* x = nullptr;  // what the pass before has made
  for (int i = 0; i < plan.count; ++i) {
    const bool last = i + 1 == plan.count;
    const double factor = last ? scale : 1;
    real* y = last ? c.t[1].as<real>() : partials + plan.partials + static_cast<size_t>(i % 2) * plan.results;
    if (i > 0) {
      run_pass<R>(plan.passes[i], factor, x, partials, y);
    } else {
      with_storage(c.t[0].dtype, [&](auto stored) {
        run_pass<R>(plan.passes[0], factor, c.t[0].as<decltype(stored)>(), partials, y);
      });
    }
    x = y;
  }
}

Cost prepare_reduce(const Call& c) {
  require_operands(c, 2);
  const TensorView &x = c.t[0], &y = c.t[1];
  require(is_storage(x.dtype) && y.dtype == kReal, "reduce: x must be real or bf16, y real");
  require(x.rank == y.rank, "reduce: ranks differ");
  for (int i = 0; i < x.rank; ++i)
    require(x.dims[i] >= 0 && (y.dims[i] == x.dims[i] || y.dims[i] == 1),
            "reduce: each dim of y must be x's or 1");
  return {plan_of(x, y).workspace(), static_cast<double>(x.numel()),
          static_cast<double>(x.bytes() + y.bytes())};
}

constexpr AttrNames kSumAttrs{"scale"};

void run_sum(const Call& c) { run_reduce<Sum>(c, c.attrs[kSumAttrs["scale"]]); }

Cost prepare_max(const Call& c) {
  const Cost cost = prepare_reduce(c);
  require(c.t[0].numel() > 0 || c.t[1].numel() == 0, "reduce_max: nothing to take the maximum of");
  return cost;
}
void run_max(const Call& c) { run_reduce<Max>(c, 1); }

TENON_KERNEL(reduce_sum, prepare_reduce, run_sum, kSumAttrs)
TENON_KERNEL(reduce_max, prepare_max, run_max)
#endif
