// Calls of a register kernel (gemm.h) whose sums may be longer than a chain should be.
#pragma once

#include "ops/heavy.h"

namespace tenon {

// The same product in blocks of batch and k that are no longer than `longest`: f(block) for each, in the
// order in which they are added to C.
template <class F>
void for_each_block(const GemmTile& tile, int64_t longest, F&& f) {
  if (tile.batch * tile.k <= longest) return void(f(tile));
  const EvenSplit runs = {tile.batch, ceil_div(tile.batch, std::max<int64_t>(1, longest / tile.k))};
  const EvenSplit depths = {tile.k, ceil_div(tile.k, longest)};
  GemmTile block = tile;
  for (int64_t i = 0; i < runs.parts; ++i) {
    block.a_off = tile.a_off + runs.begin(i), block.b_off = tile.b_off + runs.begin(i);
    block.batch = runs.size(i);
    for (int64_t j = 0; j < depths.parts; ++j) {
      const bool last = i + 1 == runs.parts && j + 1 == depths.parts;
      block.a = tile.a + depths.begin(j) * tile.aks, block.b = tile.b + depths.begin(j) * tile.bks;
      block.k = depths.size(j);
      block.bias = last ? tile.bias : nullptr;
      block.activation = last ? tile.activation : Activation::none;
      f(block);
      block.accumulate = true;
      if (block.ahead != nullptr) block.ahead += block.batch * block.k * block.ahead_step;
    }
  }
}

// The whole product by one register tile.
void run_in_blocks(GemmFn fn, const GemmTile& tile, int64_t longest);

inline void run_tile(GemmFn fn, const GemmTile& tile, int64_t longest = kLongestChain) {
  if (tile.batch * tile.k <= longest) return fn(tile);
  run_in_blocks(fn, tile, longest);
}

// `rows` rows of a product whose A is transposed: its rows are neighbours. Each block meets all tiles while
// it is in the first-level cache. before() comes before every tile.
template <class Before>
void run_transposed(const GemmKernels& kernels, int64_t mr, const GemmTile& whole, int64_t rows,
                    Before&& before) {
  const GemmFn* fn = kernels.fn[ceil_div(whole.n, kernels.width)];
  const EvenSplit split = tile_rows(rows, mr);
  for_each_block(whole, kLongestChain, [&](const GemmTile& block) {
    GemmTile tile = block;
    for (int64_t t = 0; t < split.parts; ++t) {
      before();
      const int64_t m = split.begin(t), height = split.size(t);
      tile.a = block.a + m;
      tile.c = block.c + m * tile.crs;
      tile.a_jump = (height + 1) / 2;
      tile.c_jump = tile.a_jump * tile.crs;
      fn[height](tile);
    }
  });
}

}  // namespace tenon
