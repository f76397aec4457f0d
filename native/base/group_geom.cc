#include "base/group_geom.h"

#include <algorithm>
#include <stdexcept>

#include "base/parallel.h"

namespace tenon {
namespace {
// A block is in cache while it is read twice; few enough positions keep sums over them accurate in float.
constexpr int64_t kBlockElements = 16384;
constexpr int64_t kMaxPositions = 1024;
// Every chunk has sums per channel of its own, which are then merged.
constexpr int64_t kMaxChunks = 256;

void require(bool ok, const char* message) {
  if (!ok) throw std::invalid_argument(message);
}
}  // namespace

GroupGeom::GroupGeom(const TensorView& x, int64_t groups) : groups_(groups) {
  require(x.rank >= 2, "group_norm: x must have rank 2 or more");
  samples_ = x.dims[0];
  channels_ = x.last();
  for (int i = 1; i + 1 < x.rank; ++i) positions_ *= x.dims[i];
  require(groups >= 1 && channels_ % groups == 0, "group_norm: groups must divide the channels");
  require(channels_ > 0 && positions_ > 0, "group_norm: a group has no values");
  block_positions_ = std::min({positions_, kMaxPositions, ceil_div(kBlockElements, channels_)});
  blocks_ = ceil_div(positions_, block_positions_);
  chunk_ =
      std::max({int64_t{1}, kBlockElements / (block_positions_ * channels_), ceil_div(tasks(), kMaxChunks)});
  chunks_ = ceil_div(tasks(), chunk_);
}

}  // namespace tenon
