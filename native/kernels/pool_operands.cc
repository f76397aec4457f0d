#include "kernels/pool_operands.h"

#include <algorithm>

#include "kernels/checks.h"

namespace tenon {
namespace {

constexpr int64_t kByteTaps = 256;

PoolGeom geometry(const Call& call, int operands, int image, bool dilated) {
  require_operands(call, operands);
  double window[10] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
  std::copy_n(call.attrs, dilated ? 10 : 8, window);
  return PoolGeom(call.t[image], window);
}

const double* padding_of(const Call& call) { return call.attrs + kAvgPoolAttrs["padding"]; }

bool is_zero(const double padding[4]) {
  return std::all_of(padding, padding + 4, [](double side) { return side == 0; });
}

void require_pooled(const TensorView& y, const PoolGeom& g, const char* message) {
  require(
      y.rank == 4 && y.dims[0] == g.n && y.dims[1] == g.h.out() && y.dims[2] == g.w.out() && y.dims[3] == g.c,
      message);
}

}  // namespace

MaxPool::MaxPool(const Call& call, bool backward, DType real)
    : geom(geometry(call, !backward && call.count == 2 ? 2 : 3, backward ? 2 : 0, true)),
      has_taps(call.count == 3),
      wide_taps(geom.h.size() * geom.w.size() > kByteTaps),
      image(call.t[backward ? 2 : 0]),
      pooled(call.t[backward ? 0 : 1]),
      tap(has_taps ? call.t[backward ? 1 : 2] : TensorView{}) {
  require(is_activation(image.dtype, real) && pooled.dtype == image.dtype,
          "max_pool2d: operand of wrong dtype");
  require(geom.h.size() * geom.w.size() <= INT32_MAX, "max_pool2d: window too large");
  require_pooled(pooled, geom, "max_pool2d: y has the wrong shape");
  if (!has_taps) return;
  require(tap.dtype == (wide_taps ? DType::i32 : DType::u8), "max_pool2d: tap has the wrong dtype");
  require_pooled(tap, geom, "max_pool2d: tap has the wrong shape");
}

AvgPool::AvgPool(const Call& call, bool backward, DType real)
    : geom(geometry(call, 2, backward ? 1 : 0, false)),
      // Without padding every window is whole.
      count_padding(call.attrs[kAvgPoolAttrs["countIncludePad"]] != 0 || is_zero(padding_of(call))),
      image(call.t[backward ? 1 : 0]),
      pooled(call.t[backward ? 0 : 1]) {
  const double count = call.attrs[kAvgPoolAttrs["countIncludePad"]];
  require(count == 0 || count == 1, "avg_pool2d: countIncludePad must be 0 or 1");
  require(is_activation(image.dtype, real) && pooled.dtype == image.dtype,
          "avg_pool2d: operand of wrong dtype");
  require_pooled(pooled, geom, "avg_pool2d: y has the wrong shape");
}

}  // namespace tenon
