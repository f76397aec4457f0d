#include "base/conv_geom.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace tenon {
namespace {

void check(bool ok, const char* message) {
  if (!ok) throw std::invalid_argument(message);
}

// Attributes arrive as doubles. The bound keeps every index far inside int64.
int64_t integer(double value, int64_t least, const char* message) {
  constexpr double kMost = 1 << 20;
  check(value >= static_cast<double>(least) && value <= kMost && value == std::trunc(value), message);
  return static_cast<int64_t>(value);
}

static_assert(kConvForwardAttrs["groups"] == kConvBackwardAttrs["groups"]);

// Output size of one axis, or -1 when the kernel does not fit. padding: before and after the input.
int64_t output_size(int64_t in, int64_t kernel, int64_t stride, const double* padding, int64_t dilation) {
  const char* bad_padding = "conv2d: padding must be a whole number of at least 0";
  const int64_t padded = in + integer(padding[0], 0, bad_padding) + integer(padding[1], 0, bad_padding);
  const int64_t room = padded - dilation * (kernel - 1) - 1;
  return room < 0 ? -1 : room / stride + 1;
}

}  // namespace

ConvGeom ConvGeom::make(const TensorView& x, const TensorView& w, const TensorView& y, const double* attrs) {
  check(x.rank == 4 && w.rank == 4 && y.rank == 4, "conv2d: every tensor has rank 4");
  for (const TensorView* t : {&x, &w, &y})
    for (int i = 0; i < 4; ++i)
      check(t->dims[i] >= 0 && t->dims[i] < (int64_t{1} << 40), "conv2d: a dimension is out of range");
  ConvGeom g = {};
  g.n = x.dims[0], g.h = x.dims[1], g.w = x.dims[2], g.c = x.dims[3];
  g.o = w.dims[0], g.kh = w.dims[1], g.kw = w.dims[2];
  g.oh = y.dims[1], g.ow = y.dims[2];
  const char* bad_stride = "conv2d: stride must be a whole number of at least 1";
  const double* stride = attrs + kConvForwardAttrs["stride"];
  const double* padding = attrs + kConvForwardAttrs["padding"];
  const char* bad_dilation = "conv2d: dilation must be a whole number of at least 1";
  const double* dilation = attrs + kConvForwardAttrs["dilation"];
  g.sh = integer(stride[0], 1, bad_stride), g.sw = integer(stride[1], 1, bad_stride);
  g.dh = integer(dilation[0], 1, bad_dilation), g.dw = integer(dilation[1], 1, bad_dilation);
  g.groups =
      integer(attrs[kConvForwardAttrs["groups"]], 1, "conv2d: groups must be a whole number of at least 1");
  check(g.c % g.groups == 0 && g.o % g.groups == 0, "conv2d: groups must divide the channels");
  check(w.dims[3] == g.cg(), "conv2d: the weight's input channels differ from x's channels / groups");
  check(g.c >= 1 && g.o >= 1 && g.kh >= 1 && g.kw >= 1, "conv2d: channels and kernel sizes are at least 1");
  check(g.kh < (1 << 20) && g.kw < (1 << 20), "conv2d: the kernel is too large");
  check(y.dims[0] == g.n && y.dims[3] == g.o, "conv2d: y's batch or channels are wrong");
  check(g.oh == output_size(g.h, g.kh, g.sh, padding, g.dh), "conv2d: y's height is wrong");
  check(g.ow == output_size(g.w, g.kw, g.sw, padding + 2, g.dw), "conv2d: y's width is wrong");
  g.ph = static_cast<int64_t>(padding[0]), g.pw = static_cast<int64_t>(padding[2]);
  checked_product(g.n, g.oh, g.ow, g.o);
  checked_product(g.n, g.h, g.w, g.c);
  checked_product(g.o, g.kh, g.kw, g.cg());
  return g;
}

ConvCall ConvCall::make(ConvPass pass, const TensorView* t, int count, const double* attrs, DType real) {
  const auto small = [](double value, int most, const char* message) {
    const int64_t v = integer(value, 0, message);
    check(v <= most, message);
    return static_cast<int>(v);
  };
  ConvCall c = {};
  const bool forward = pass == ConvPass::forward;
  if (forward) {
    c.has_bias = small(attrs[kConvForwardAttrs["hasBias"]], 1, "conv2d: hasBias must be 0 or 1") == 1;
    c.has_residual =
        small(attrs[kConvForwardAttrs["hasResidual"]], 1, "conv2d: hasResidual must be 0 or 1") == 1;
    c.activation = small(attrs[kConvForwardAttrs["activation"]], 4, "conv2d: unknown activation");
  }
  const double algorithm = attrs[forward ? kConvForwardAttrs["algorithm"] : kConvBackwardAttrs["algorithm"]];
  c.algorithm = small(algorithm, 3, "conv2d: unknown algorithm");
  check(count == 3 + c.has_bias + c.has_residual, "conv2d: wrong number of operands");
  for (int i = 0; i < count; ++i) check(t[i].dtype == real, "conv2d: wrong dtype");
  const TensorView& out = t[count - 1];
  if (forward) c.x = t[0], c.w = t[1], c.y = out;
  if (pass == ConvPass::backward_data) c.y = t[0], c.w = t[1], c.x = out;
  if (pass == ConvPass::backward_weights) c.y = t[0], c.x = t[1], c.w = out;
  c.g = ConvGeom::make(c.x, c.w, c.y, attrs);
  if (c.has_bias) {
    c.bias = t[2];
    check(c.bias.rank == 1 && c.bias.dims[0] == c.g.o, "conv2d: bias must be [O]");
  }
  if (c.has_residual) {
    c.residual = t[2 + c.has_bias];
    check(c.residual.rank == 4 && std::equal(c.y.dims, c.y.dims + 4, c.residual.dims),
          "conv2d: the residual must have y's shape");
  }
  return c;
}

Range inside(int64_t begin, int64_t end, int64_t stride, int64_t offset, int64_t size) {
  const auto first_at_least = [&](int64_t bound) {  // the first i >= 0 with i*stride + offset >= bound
    const int64_t need = bound - offset;
    return need <= 0 ? int64_t{0} : (need + stride - 1) / stride;
  };
  return {std::max(begin, first_at_least(0)), std::min(end, first_at_least(size))};
}

int64_t checked_product(int64_t a, int64_t b, int64_t c, int64_t d) {
  int64_t product = 0;
  bool over = __builtin_mul_overflow(a, b, &product);
  over |= __builtin_mul_overflow(product, c, &product);
  over |= __builtin_mul_overflow(product, d, &product);
  check(!over && product >= 0 && product < (int64_t{1} << 48), "the tensors are too large");
  return product;
}

}  // namespace tenon
