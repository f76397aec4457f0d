#include "ops/gemm_tile.h"

#include "ops/heavy.h"

namespace tenon {

void run_in_blocks(GemmFn fn, const GemmTile& tile, int64_t longest) {
  constexpr int64_t kFewRows = 1024;  // of B: they stay in the second cache level from tile to tile
  const EvenSplit runs = {tile.batch, ceil_div(tile.batch, std::max<int64_t>(1, longest / tile.k))};
  const EvenSplit depths = {tile.k, ceil_div(tile.k, longest)};
  GemmTile block = tile;
  block.far = tile.batch * tile.k > kFewRows;
  for (int64_t i = 0; i < runs.parts; ++i) {
    block.a_off = tile.a_off + runs.begin(i), block.b_off = tile.b_off + runs.begin(i);
    block.batch = runs.size(i);
    for (int64_t j = 0; j < depths.parts; ++j) {
      const bool last = i + 1 == runs.parts && j + 1 == depths.parts;
      block.a = tile.a + depths.begin(j) * tile.aks, block.b = tile.b + depths.begin(j) * tile.bks;
      block.k = depths.size(j);
      block.bias = last ? tile.bias : nullptr;
      block.activation = last ? tile.activation : Activation::none;
      fn(block);
      block.accumulate = true;
    }
  }
}

}  // namespace tenon
