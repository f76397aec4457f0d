// Operations in which all ranks take part, over messages between two ranks. Every rank calls the same ones in
// the same order, with sizes that agree.
#pragma once

#include <cstddef>
#include <vector>

#include "distributed/exchange.h"
#include "distributed/shard_tree.h"

namespace tenon {

void barrier(World& world);

// Copies the bytes of rank `root` to all others.
void broadcast(World& world, int root, std::byte* data, size_t bytes);

// Puts the bytes of all ranks together, in the order of ranks: sizes[r] of rank r, of which this rank's are
// there already.
void gather(World& world, const std::vector<size_t>& sizes, std::byte* all);

// Sums the numbers of all shards along their tree. This rank brings sums that add up to the shards that it
// owns (shards_of_rank). `out` may be one of their arrays. The bits depend on the shards alone.
template <class T>
void sum_shards(World& world, int shards, const SumsOf<T>& mine, size_t count, T* out);

// The bytes go from one rank to another and back, so many times. The other ranks have nothing to do.
void ping_pong(World& world, int from, int to, std::byte* data, size_t bytes, int rounds);

}  // namespace tenon
