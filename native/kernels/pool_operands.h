// The operands of the pooling kernels by name, checked: shared by every target and the reference.
#pragma once

#include "base/pool_geom.h"
#include "kernels/kernel.h"

namespace tenon {

inline constexpr AttrNames kMaxPoolAttrs{"kernel[2]", "stride[2]", "padding[4]", "dilation[2]"};
inline constexpr AttrNames kAvgPoolAttrs{"kernel[2]", "stride[2]", "padding[4]", "countIncludePad"};

// max_pool2d: x -> y, (tap); max_pool2d_backward: dy, tap -> dx. `image` is x or dx, `pooled` is y or dy.
struct MaxPool {
  MaxPool(const Call& call, bool backward, DType real);

  PoolGeom geom;
  bool has_taps;   // not where nobody wants the gradient
  bool wide_taps;  // tap is i32, not u8
  TensorView image, pooled, tap;
};

// avg_pool2d: x -> y; avg_pool2d_backward: dy -> dx.
struct AvgPool {
  AvgPool(const Call& call, bool backward, DType real);
  // 1 / the number of elements that the mean of a window with so many valid taps is over.
  double weight(int64_t valid) const {
    return 1.0 / static_cast<double>(count_padding ? geom.h.size() * geom.w.size() : valid);
  }

  PoolGeom geom;
  bool count_padding;
  TensorView image, pooled;
};

}  // namespace tenon
