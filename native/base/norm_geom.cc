#include "base/norm_geom.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "base/parallel.h"

namespace tenon {
namespace {
// A block is large enough that its partial results are small beside it, and there are few enough blocks that
// merging them costs nothing. Rows come in multiples of the kernels' row group.
constexpr int64_t kBlockElements = 16384;
constexpr int64_t kMaxBlocks = 256;
constexpr int64_t kRowGroup = 16;
}  // namespace

NormGeom::NormGeom(const TensorView& x, int lanes) {
  if (x.rank != 2 && x.rank != 4) throw std::invalid_argument("normalization: x must have rank 2 or 4");
  channels_ = x.last();
  if (channels_ < 1) throw std::invalid_argument("normalization: x has no channels");
  rows_ = x.numel() / channels_;
  const int64_t wanted = lanes / std::gcd(channels_, int64_t{lanes});
  fold_ = rows_ % wanted == 0 ? wanted : 1;
  const int64_t least = std::max(ceil_div(kBlockElements, width()), ceil_div(wide_rows(), kMaxBlocks));
  block_rows_ = ceil_div(least, kRowGroup) * kRowGroup;
  blocks_ = ceil_div(wide_rows(), block_rows_);
}

}  // namespace tenon
