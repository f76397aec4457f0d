#include "base/fractional_geom.h"

#include <cmath>
#include <stdexcept>

#include "base/parallel.h"

namespace tenon {
namespace {

// i * total and fraction * total stay below 2^62.
constexpr int64_t kMaxExtent = INT32_MAX;

int64_t window(RegionForm form, double kernel) {
  const double least = form == RegionForm::windows ? 1 : 0;
  const double most = form == RegionForm::windows ? static_cast<double>(kMaxExtent) : 0;
  if (!(kernel >= least && kernel <= most) || std::floor(kernel) != kernel)
    throw std::invalid_argument("fractional pooling: kernel out of range");
  return static_cast<int64_t>(kernel);
}

}  // namespace

FractionalAxis::FractionalAxis(int64_t in, int64_t out, RegionForm form, double kernel)
    : in_(in), out_(out), form_(form), kernel_(window(form, kernel)), steps_(out), total_(in) {
  if (in < 1 || in > kMaxExtent || out < 1 || out > in)
    throw std::invalid_argument("fractional pooling: extent out of range");
  if (form == RegionForm::overlapping) total_ = in - 1;
  if (form == RegionForm::windows) {
    total_ = in - kernel_;
    steps_ = out - 1;
  }
  if (total_ < steps_) throw std::invalid_argument("fractional pooling: more regions than positions");
}

int64_t FractionalAxis::largest() const {
  if (form_ == RegionForm::windows) return kernel_;
  return ceil_div(total_, steps_) + (form_ == RegionForm::overlapping);
}

}  // namespace tenon
