#include "ops/gemm_tile.h"

namespace tenon {

void run_in_blocks(GemmFn fn, const GemmTile& tile, int64_t longest) {
  constexpr int64_t kFewRows = 1024;  // of B: they stay in the second cache level from tile to tile
  GemmTile whole = tile;
  whole.far = tile.batch * tile.k > kFewRows;
  for_each_block(whole, longest, fn);
}

}  // namespace tenon
