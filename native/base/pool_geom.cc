#include "base/pool_geom.h"

#include <cmath>
#include <stdexcept>

#include "base/parallel.h"

namespace tenon {
namespace {

// Positions are kept in int32 tables, and no product of two limits overflows int64.
constexpr int64_t kMaxExtent = INT32_MAX;
constexpr double kMaxAttribute = 1 << 20;

int64_t integer(double value, double least) {
  if (!(value >= least && value <= kMaxAttribute) || std::floor(value) != value) {
    throw std::invalid_argument("pooling: window, stride, padding or dilation out of range");
  }
  return static_cast<int64_t>(value);
}

const TensorView& rank4(const TensorView& x) {
  if (x.rank != 4) throw std::invalid_argument("pooling: x must be [N, H, W, C]");
  return x;
}

}  // namespace

PoolAxis::PoolAxis(int64_t in, double size, double stride, const double padding[2], double dilation)
    : in_(in),
      out_(0),
      size_(integer(size, 1)),
      stride_(integer(stride, 1)),
      before_(integer(padding[0], 0)),
      after_(integer(padding[1], 0)),
      dilation_(integer(dilation, 1)) {
  const int64_t window = dilation_ * (size_ - 1) + 1;
  if (in < 1 || in > kMaxExtent) throw std::invalid_argument("pooling: image extent out of range");
  if (2 * std::max(before_, after_) > window)
    throw std::invalid_argument("pooling: padding is more than half of the window");
  const int64_t padded = in + before_ + after_;
  if (padded < window) throw std::invalid_argument("pooling: window larger than the padded image");
  out_ = (padded - window) / stride_ + 1;
}

TapRange PoolAxis::taps(int64_t o) const {
  const int64_t start = position(o, 0);
  const int64_t begin = start < 0 ? ceil_div(-start, dilation_) : 0;
  const int64_t end = start < in_ ? std::min(size_, ceil_div(in_ - start, dilation_)) : 0;
  return {begin, std::max(begin, end)};
}

PoolGeom::PoolGeom(const TensorView& x, const double window[10])
    : n(rank4(x).dims[0]),
      c(x.dims[3]),
      h(x.dims[1], window[0], window[2], window + 4, window[8]),
      w(x.dims[2], window[1], window[3], window + 6, window[9]) {}

}  // namespace tenon
