// Pointwise functions of one tensor and their gradients. An op is one struct (f: value; df: gradient times
// dy) and one row of the table at the end. x, y, dy: dense, any shape, all `real` or all bf16; y may be x, dx
// may be dy. Tails are handled by map's mask.
#define TENON_KERNEL_FILE "kernels/unary.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"

constexpr int64_t kChunk = 8192;

constexpr AttrNames kLeakyReluAttrs{"slope"};
constexpr AttrNames kEluAttrs{"alpha"};
constexpr AttrNames kAffineAttrs{"scale", "shift"};

V one() { return splat(1); }

// Ops are constructed from the call's attributes. `kCost` is roughly the arithmetic per element.
template <int Operations>
struct Op {
  static constexpr AttrList kAttrs = {};
  static constexpr int kCost = Operations;
};
template <int Operations>
struct Plain : Op<Operations> {
  explicit Plain(const double*) {}
};
template <int Operations>
struct WithAttr : Op<Operations> {
  explicit WithAttr(const double* attrs) : attr(splat(static_cast<real>(*attrs))) {}
  V attr;
};

// The gradient of these is taken from the output: df(dy, y).
struct Relu : Plain<1> {
  using Plain::Plain;
  V f(V x) const { return vmax(x, V{}); }
  V df(V dy, V y) const { return select(y <= V{}, V{}, dy); }
};
struct Relu6 : Plain<2> {
  using Plain::Plain;
  V f(V x) const { return vmin(vmax(x, V{}), splat(6)); }
  V df(V dy, V y) const { return select((y <= V{}) | (y >= splat(6)), V{}, dy); }
};
struct Tanh : Plain<30> {
  using Plain::Plain;
  V f(V x) const { return vtanh(x); }
  V df(V dy, V y) const { return dy * fma(-y, y, one()); }
};
struct Sigmoid : Plain<20> {
  using Plain::Plain;
  V f(V x) const { return vsigmoid(x); }
  V df(V dy, V y) const { return dy * y * (one() - y); }
};
struct Exp : Plain<15> {
  using Plain::Plain;
  V f(V x) const { return vexp(x); }
  V df(V dy, V y) const { return dy * y; }
};
struct Sqrt : Plain<5> {
  using Plain::Plain;
  V f(V x) const { return vsqrt(x); }
  V df(V dy, V y) const { return dy / (y + y); }
};

// The gradient of these is taken from the input: df(dy, x).
struct LeakyRelu : WithAttr<2> {
  static constexpr AttrList kAttrs = kLeakyReluAttrs;
  using WithAttr::WithAttr;
  V f(V x) const { return select(x > V{}, x, attr * x); }
  V df(V dy, V x) const { return select(x > V{}, dy, attr * dy); }
};
struct Elu : WithAttr<20> {
  static constexpr AttrList kAttrs = kEluAttrs;
  using WithAttr::WithAttr;
  V f(V x) const { return select(x > V{}, x, attr * vexpm1(x)); }
  V df(V dy, V x) const { return select(x > V{}, dy, attr * dy * vexp(x)); }
};
struct Gelu : Plain<40> {
  using Plain::Plain;
  static V normal_cdf(V x) {
    return splat(0.5) * (one() + verf(x * splat(static_cast<real>(0.70710678118654752440))));
  }
  static V normal_density(V x) {
    return splat(static_cast<real>(0.39894228040143267794)) * vexp(splat(-0.5) * x * x);
  }
  V f(V x) const { return x * normal_cdf(x); }
  V df(V dy, V x) const { return dy * fma(x, normal_density(x), normal_cdf(x)); }
};
struct Silu : Plain<20> {
  using Plain::Plain;
  V f(V x) const { return x * vsigmoid(x); }
  V df(V dy, V x) const {
    const V s = vsigmoid(x);
    return dy * s * fma(x, one() - s, one());
  }
};
struct Log : Plain<20> {
  using Plain::Plain;
  V f(V x) const { return vlog(x); }
  V df(V dy, V x) const { return dy / x; }
};
struct Square : Plain<1> {
  using Plain::Plain;
  V f(V x) const { return x * x; }
  V df(V dy, V x) const { return (x + x) * dy; }
};
struct Abs : Plain<1> {
  using Plain::Plain;
  V f(V x) const { return vabs(x); }
  V df(V dy, V x) const { return select(x > V{}, dy, select(x < V{}, -dy, x * V{})); }
};

// No backward kernels: the graph composes their gradients from others.
struct Neg : Plain<1> {
  using Plain::Plain;
  V f(V x) const { return -x; }
};
struct Affine : Op<1> {
  static constexpr AttrList kAttrs = kAffineAttrs;
  explicit Affine(const double* attrs)
      : scale(splat(static_cast<real>(attrs[kAffineAttrs["scale"]]))),
        shift(splat(static_cast<real>(attrs[kAffineAttrs["shift"]]))) {}
  V f(V x) const { return fma(scale, x, shift); }
  V scale, shift;
};

Cost prepare_pointwise(const Call& c, int inputs, int operations) {
  require_operands(c, inputs + 1);
  const TensorView& y = c.t[inputs];
  require(is_storage(y.dtype), "pointwise: the output must be real or bf16");
  for (int i = 0; i < inputs; ++i) {
    require_dtype(c.t[i], y.dtype, "pointwise: operands must be of the output's dtype");
    require_same_dims(c.t[i], y, "pointwise: shapes differ");
  }
  const double n = static_cast<double>(y.numel());
  return {0, n * operations, n * (inputs + 1) * static_cast<double>(size_of(y.dtype))};
}

template <class F>
Cost prepare_unary(const Call& c) {
  return prepare_pointwise(c, 1, F::kCost);
}

template <class F>
void run_unary(const Call& c) {
  const F op(c.attrs);
  const int64_t n = c.t[1].numel();
  const double cost = static_cast<double>(n) * std::max<int>(F::kCost, 2 * sizeof(real));
  with_storage(c.t[1].dtype, [&](auto stored) {
    using T = decltype(stored);
    const T* x = c.t[0].as<T>();
    T* y = c.t[1].as<T>();
    parallel_chunks(n, kChunk, cost, [&](int64_t begin, int64_t end) {
      map(
          end - begin, y + begin, [op](V v) { return op.f(v); }, x + begin);
    });
  });
}

template <class F>
Cost prepare_backward(const Call& c) {
  return prepare_pointwise(c, 2, F::kCost);
}

template <class F>
void run_backward(const Call& c) {
  const F op(c.attrs);
  const int64_t n = c.t[2].numel();
  const double cost = static_cast<double>(n) * std::max<int>(F::kCost, 3 * sizeof(real));
  with_storage(c.t[2].dtype, [&](auto stored) {
    using T = decltype(stored);
    const T* dy = c.t[0].as<T>();
    const T* saved = c.t[1].as<T>();
    T* dx = c.t[2].as<T>();
    parallel_chunks(n, kChunk, cost, [&](int64_t begin, int64_t end) {
      map(
          end - begin, dx + begin, [op](V g, V v) { return op.df(g, v); }, dy + begin, saved + begin);
    });
  });
}

Cost prepare_from_scalar(const Call& c) {
  require_operands(c, 2);
  require_scalar(c.t[0], "from_scalar: v must be a runtime scalar");
  require(c.t[1].dtype == kReal && c.t[1].rank == 0, "from_scalar: y must be real of rank 0");
  return {0, 1, sizeof(double) + sizeof(real)};
}

void run_from_scalar(const Call& c) { *c.t[1].as<real>() = static_cast<real>(scalar(c.t[0])); }

  #define TENON_UNARY(name, Op) TENON_KERNEL(name, prepare_unary<Op>, run_unary<Op>, Op::kAttrs)
  #define TENON_UNARY_PAIR(name, Op) \
    TENON_UNARY(name, Op)            \
    TENON_KERNEL(name##_backward, prepare_backward<Op>, run_backward<Op>, Op::kAttrs)

TENON_UNARY_PAIR(relu, Relu)
TENON_UNARY_PAIR(relu6, Relu6)
TENON_UNARY_PAIR(tanh, Tanh)
TENON_UNARY_PAIR(sigmoid, Sigmoid)
TENON_UNARY_PAIR(exp, Exp)
TENON_UNARY_PAIR(sqrt, Sqrt)
TENON_UNARY_PAIR(leaky_relu, LeakyRelu)
TENON_UNARY_PAIR(elu, Elu)
TENON_UNARY_PAIR(gelu, Gelu)
TENON_UNARY_PAIR(silu, Silu)
TENON_UNARY_PAIR(log, Log)
TENON_UNARY_PAIR(square, Square)
TENON_UNARY_PAIR(abs, Abs)
TENON_UNARY(neg, Neg)
TENON_UNARY(affine, Affine)
TENON_KERNEL(from_scalar, prepare_from_scalar, run_from_scalar)

  #undef TENON_UNARY_PAIR
  #undef TENON_UNARY
#endif
