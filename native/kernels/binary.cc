// Pointwise functions of two tensors with broadcasting, and `broadcast` itself. Operands are dense, of one
// rank; a dim of a or b is y's or 1. Merged loops (strides.h) leave: one loop when shapes agree or one side
// is a scalar; [rows, C] with [C] or [rows, 1] two; the rest is the same code with more outer loops. y may be
// a or b when that operand has y's size. All are real or all bf16; x and y of broadcast may be either.
#define TENON_KERNEL_FILE "kernels/binary.cc"
#include "kernels/checks.h"
#include "kernels/strides.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

constexpr int64_t kChunk = 8192;
constexpr int64_t kTile = 512;  // elements of the repeated copy of a short row

struct Add {
  static V f(V a, V b) { return a + b; }
};
struct Sub {
  static V f(V a, V b) { return a - b; }
};
struct Mul {
  static V f(V a, V b) { return a * b; }
};
struct Div {
  static V f(V a, V b) { return a / b; }
};
struct Maximum {
  static V f(V a, V b) { return vmax(a, b); }
};
struct Minimum {
  static V f(V a, V b) { return vmin(a, b); }
};
struct Equal {
  static V f(V a, V b) { return select(a == b, splat(1), V{}); }
};

Loops<2> loops_of(const TensorView& a, const TensorView& b, const TensorView& y) {
  int64_t step_a[kMaxRank], step_b[kMaxRank];
  broadcast_strides(a, step_a);
  broadcast_strides(b, step_b);
  Loops<2> loops;
  for (int i = 0; i < y.rank; ++i) loops.push(y.dims[i], {step_a[i], step_b[i]});
  loops.finish();
  return loops;
}

// n elements of one inner loop; the strides are 0 or 1.
template <class F, class Y, class A, class B>
void run_row(int64_t n, Y* y, const A* a, int64_t step_a, const B* b, int64_t step_b) {
  if (step_a == 1 && step_b == 1) {
    map(
        n, y, [](V u, V v) { return F::f(u, v); }, a, b);
  } else if (step_a == 1) {
    map(
        n, y, [v = splat_of(b)](V u) { return F::f(u, v); }, a);
  } else if (step_b == 1) {
    map(
        n, y, [u = splat_of(a)](V v) { return F::f(u, v); }, b);
  } else {
    map(n, y, [v = F::f(splat_of(a), splat_of(b))] { return v; });
  }
}

// Elements [begin, end) of y.
template <class F, class Y, class A, class B>
void run_range(const Loops<2>& loops, const A* a, const B* b, Y* y, int64_t begin, int64_t end) {
  const int64_t inner = loops.inner(), step_a = loops.inner_stride(0), step_b = loops.inner_stride(1);
  Position<2> at(loops, begin / inner);
  int64_t column = begin % inner;
  for (int64_t i = begin; i < end; at.next(), column = 0) {
    const int64_t n = std::min(inner - column, end - i);
    run_row<F>(n, y + i, a + at.offset[0] + column * step_a, step_a, b + at.offset[1] + column * step_b,
               step_b);
    i += n;
  }
}

// Two loops, where operand `still` is one short row for all rows: several rows at once, against a tile of
// copies of that row.
bool is_short_row(const Loops<2>& loops, int still) {
  return loops.rank == 2 && loops.stride[still][0] == 0 && loops.inner_stride(still) == 1 &&
         loops.inner_stride(1 - still) == 1 && loops.stride[1 - still][0] == loops.inner() &&
         loops.inner() <= kTile / 4;
}

template <class F, bool kStillIsA, class T>
void run_tiled(int64_t row, const T* moving, const T* still, T* y, int64_t begin, int64_t end) {
  T tile[kTile];
  const int64_t rows = kTile / row;
  const int64_t phase = begin % row;
  for (int64_t i = 0; i < rows * row; ++i) tile[i] = still[(phase + i) % row];
  for (int64_t i = begin; i < end; i += rows * row) {
    const int64_t n = std::min(rows * row, end - i);
    if (kStillIsA) {
      map(
          n, y + i, [](V u, V v) { return F::f(u, v); }, tile, moving + i);
    } else {
      map(
          n, y + i, [](V u, V v) { return F::f(u, v); }, moving + i, tile);
    }
  }
}

Cost prepare_binary(const Call& c) {
  require_operands(c, 3);
  for (int i = 0; i < 3; ++i)
    require(is_storage(c.t[i].dtype) && c.t[i].dtype == c.t[2].dtype,
            "binary: operands must be all real or all bf16");
  require(broadcasts_to(c.t[0], c.t[2]) && broadcasts_to(c.t[1], c.t[2]),
          "binary: a and b must broadcast to y");
  const double n = static_cast<double>(c.t[2].numel());
  return {0, n, static_cast<double>(c.t[0].bytes() + c.t[1].bytes() + c.t[2].bytes())};
}

template <class F>
void run_binary(const Call& c) {
  const int64_t n = c.t[2].numel();
  if (n == 0) return;
  const Loops<2> loops = loops_of(c.t[0], c.t[1], c.t[2]);
  const bool tile_a = is_short_row(loops, 0), tile_b = is_short_row(loops, 1);
  const double cost = static_cast<double>(n) * 3 * sizeof(real);
  with_storage(c.t[2].dtype, [&](auto stored) {
    using T = decltype(stored);
    const T* a = c.t[0].as<T>();
    const T* b = c.t[1].as<T>();
    T* y = c.t[2].as<T>();
    parallel_chunks(n, kChunk, cost, [&](int64_t begin, int64_t end) {
      if (tile_a) {
        run_tiled<F, true>(loops.inner(), b, a, y, begin, end);
      } else if (tile_b) {
        run_tiled<F, false>(loops.inner(), a, b, y, begin, end);
      } else {
        run_range<F>(loops, a, b, y, begin, end);
      }
    });
  });
}

constexpr AttrNames kBroadcastAttrs{"scale"};

Cost prepare_broadcast(const Call& c) {
  require_operands(c, 2);
  require(is_storage(c.t[0].dtype) && is_storage(c.t[1].dtype), "broadcast: x and y must be real or bf16");
  require(broadcasts_to(c.t[0], c.t[1]), "broadcast: each dim of x must be y's or 1");
  return {0, static_cast<double>(c.t[1].numel()), static_cast<double>(c.t[0].bytes() + c.t[1].bytes())};
}

// y = scale x: a product whose other operand is one number.
void run_broadcast(const Call& c) {
  const real scale = static_cast<real>(c.attrs[kBroadcastAttrs["scale"]]);
  TensorView one = c.t[1];
  for (int i = 0; i < one.rank; ++i) one.dims[i] = 1;
  const int64_t n = c.t[1].numel();
  if (n == 0) return;
  const Loops<2> loops = loops_of(c.t[0], one, c.t[1]);
  with_storage(c.t[0].dtype, [&](auto from) {
    with_storage(c.t[1].dtype, [&](auto to) {
      const auto* x = c.t[0].as<decltype(from)>();
      auto* y = c.t[1].as<decltype(to)>();
      parallel_chunks(n, kChunk, static_cast<double>(n) * 2 * sizeof(real),
                      [&](int64_t begin, int64_t end) { run_range<Mul>(loops, x, &scale, y, begin, end); });
    });
  });
}

TENON_KERNEL(add, prepare_binary, run_binary<Add>)
TENON_KERNEL(sub, prepare_binary, run_binary<Sub>)
TENON_KERNEL(mul, prepare_binary, run_binary<Mul>)
TENON_KERNEL(div, prepare_binary, run_binary<Div>)
TENON_KERNEL(maximum, prepare_binary, run_binary<Maximum>)
TENON_KERNEL(minimum, prepare_binary, run_binary<Minimum>)
TENON_KERNEL(equal, prepare_binary, run_binary<Equal>)
TENON_KERNEL(broadcast, prepare_broadcast, run_broadcast, kBroadcastAttrs)
#endif
