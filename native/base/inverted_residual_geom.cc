#include "base/inverted_residual_geom.h"

#include <algorithm>
#include <initializer_list>
#include <stdexcept>

namespace tenon {
namespace {

void check(bool ok, const char* message) {
  if (!ok) throw std::invalid_argument(message);
}

int64_t whole(double value, int64_t most, const char* message) {
  check(value >= 0 && value <= static_cast<double>(most), message);
  const auto number = static_cast<int64_t>(value);
  check(static_cast<double>(number) == value, message);
  return number;
}

TensorView image(int64_t n, int64_t h, int64_t w, int64_t c) {
  TensorView view;
  view.rank = 4;
  const int64_t dims[] = {n, h, w, c};
  std::copy(dims, dims + 4, view.dims);
  return view;
}

bool has_dims(const TensorView& t, std::initializer_list<int64_t> dims) {
  return t.rank == static_cast<int>(dims.size()) && std::equal(dims.begin(), dims.end(), t.dims);
}

int64_t panels_of(int64_t columns) { return (columns + kPanelColumns - 1) / kPanelColumns; }

void check_dtype(const TensorView& t, DType dtype) {
  check(t.dtype == dtype, "inverted_residual: wrong dtype");
}

// Weights of a product with `depth` inputs, and its bias.
void check_product(const TensorView& panels, const TensorView& bias, int64_t columns, int64_t depth) {
  constexpr int64_t kStep = 32;
  if (panels.dtype == DType::bf16) depth = (depth + kStep - 1) / kStep * kStep;
  check(has_dims(panels, {panels_of(columns), depth, kPanelColumns}),
        "inverted_residual: weights must be [panels, K, 32]");
  check(has_dims(bias, {columns}), "inverted_residual: a bias must be [channels]");
}

}  // namespace

InvertedResidualCall InvertedResidualCall::make(const TensorView* t, int count, const double* attrs,
                                                DType real, DType stored) {
  constexpr auto kAttrs = kInvertedResidualAttrs;
  static_assert(
      kAttrs["stride"] == kConvForwardAttrs["stride"] && kAttrs["padding"] == kConvForwardAttrs["padding"] &&
      kAttrs["dilation"] == kConvForwardAttrs["dilation"] && kAttrs["groups"] == kConvForwardAttrs["groups"]);
  const auto attr = [&](int at, int64_t most) {
    return whole(attrs[at], most, "inverted_residual: an attribute is out of range");
  };
  InvertedResidualCall c = {};
  c.has_expansion = attr(kAttrs["hasExpansion"], 1) == 1;
  c.has_residual = attr(kAttrs["hasResidual"], 1) == 1;
  c.expand_activation = static_cast<int>(attr(kAttrs["expandActivation"], 4));
  c.depthwise_activation = static_cast<int>(attr(kAttrs["depthwiseActivation"], 4));
  c.activation = static_cast<int>(attr(kAttrs["activation"], 4));
  check(count == 6 + 2 * c.has_expansion + c.has_residual, "inverted_residual: wrong number of operands");
  c.x = *t++;
  if (c.has_expansion) c.expand = *t++, c.expand_bias = *t++;
  c.filters = *t++, c.filter_bias = *t++, c.project = *t++, c.project_bias = *t++;
  if (c.has_residual) c.residual = *t++;
  c.y = *t;
  for (const TensorView* v : {&c.x, &c.y, &c.project}) check_dtype(*v, stored);
  for (const TensorView* v : {&c.filters, &c.filter_bias, &c.project_bias}) check_dtype(*v, real);
  if (c.has_expansion) check_dtype(c.expand, stored), check_dtype(c.expand_bias, real);
  if (c.has_residual) check_dtype(c.residual, stored);
  check(c.x.rank == 4 && c.y.rank == 4, "inverted_residual: x and y must have rank 4");
  c.in_c = c.x.dims[3], c.out_c = c.y.dims[3];
  check(c.in_c >= 1 && c.out_c >= 1, "inverted_residual: channels are at least 1");
  const int64_t wide = attr(kAttrs["groups"], 1 << 20);
  const int64_t kh = attr(kAttrs["kernel"], 1 << 20), kw = attr(kAttrs["kernel"] + 1, 1 << 20);
  c.g = ConvGeom::make(image(c.x.dims[0], c.x.dims[1], c.x.dims[2], wide), image(wide, kh, kw, 1),
                       image(c.y.dims[0], c.y.dims[1], c.y.dims[2], wide), attrs);
  if (c.has_expansion) check_product(c.expand, c.expand_bias, wide, c.in_c);
  check(c.has_expansion || c.in_c == wide, "inverted_residual: groups must be x's channels");
  check(has_dims(c.filters, {c.g.taps(), wide}), "inverted_residual: filters must be [taps, channels]");
  check(has_dims(c.filter_bias, {wide}), "inverted_residual: a bias must be [channels]");
  check_product(c.project, c.project_bias, c.out_c, wide);
  if (c.has_residual)
    check(c.residual.rank == 4 && std::equal(c.y.dims, c.y.dims + 4, c.residual.dims),
          "inverted_residual: the residual must have y's shape");
  return c;
}

}  // namespace tenon
