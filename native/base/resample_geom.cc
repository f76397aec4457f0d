#include "base/resample_geom.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"

namespace tenon {

int64_t most_taps(int64_t extent, int64_t count) {
  return 2 * std::max<int64_t>(1, ceil_div(extent, count)) + 1;
}

Taps taps_of(const ResampleAxis& axis, int64_t i, int32_t* weights) {
  const double scale = static_cast<double>(axis.extent) / static_cast<double>(axis.resized);
  const double support = std::max(scale, 1.0);
  const double centre = (static_cast<double>(axis.offset + i) + 0.5) * scale;
  const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(centre - support + 0.5));
  const int64_t end = std::min<int64_t>(axis.extent, static_cast<int64_t>(centre + support + 0.5));
  const double narrowing = 1 / support;
  const auto triangle = [&](int64_t x) {
    return std::max(0.0, 1 - std::fabs((static_cast<double>(x) - centre + 0.5) * narrowing));
  };
  double total = 0;
  for (int64_t x = first; x < end; ++x) total += triangle(x);
  for (int64_t x = first; x < end; ++x) {
    weights[x - first] = static_cast<int32_t>(0.5 + triangle(x) / total * (1 << kWeightBits));
  }
  return {first, end - first};
}

}  // namespace tenon
