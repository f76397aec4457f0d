// Calls of a register kernel (gemm.h) whose sums may be longer than a chain should be.
#pragma once

#include "kernels/gemm.h"

namespace tenon {

// The same product in blocks of batch and k that are no longer than `longest`, each added to C.
void run_in_blocks(GemmFn fn, const GemmTile& tile, int64_t longest);

inline void run_tile(GemmFn fn, const GemmTile& tile, int64_t longest = kLongestChain) {
  if (tile.batch * tile.k <= longest) return fn(tile);
  run_in_blocks(fn, tile, longest);
}

}  // namespace tenon
