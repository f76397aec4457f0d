#include "ops/tap_axis.h"

#include <numeric>
#include <utility>

#include "base/parallel.h"

namespace tenon {

Phase Phase::by_number() const {
  if (tap_step >= 0 || taps == 0) return *this;
  return {first, count, taps, tap0 + (taps - 1) * tap_step, -tap_step, in0 + (taps - 1) * gap, -gap};
}

Phase TapAxis::phase(int64_t index) const {
  if (!adjoint) return {0, out, kernel, 0, 1, -padding, dilation};
  Phase p = {};
  p.first = index;
  p.count = ceil_div(out - index, stride);
  const int64_t step = stride / std::gcd(stride, dilation);
  p.tap_step = -step;
  p.gap = dilation / std::gcd(stride, dilation);
  int64_t lowest = 0;  // the first tap whose distance is a multiple of the stride; at most `step` tries
  while (lowest < kernel && lowest < step && (index + padding - lowest * dilation) % stride != 0) ++lowest;
  if (lowest >= kernel || lowest >= step) return p;
  p.taps = (kernel - 1 - lowest) / step + 1;
  p.tap0 = lowest + (p.taps - 1) * step;
  p.in0 = (index + padding - p.tap0 * dilation) / stride;  // exact, also when negative
  return p;
}

TapAxes TapAxes::make(const ConvGeom& g, bool adjoint) {
  TapAxes a = {{g.h, g.oh, g.kh, g.sh, g.ph, g.dh, adjoint}, {g.w, g.ow, g.kw, g.sw, g.pw, g.dw, adjoint}};
  if (adjoint) std::swap(a.h.in, a.h.out), std::swap(a.w.in, a.w.out);
  return a;
}

}  // namespace tenon
