// The binary tree along which parts of a global batch are summed. It depends on the number of shards alone:
// of `n` neighbours, the left half is the largest power of two below n. Ranks own neighbouring shards, and
// bring one sum for each of the largest subtrees that they own whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tenon {

inline constexpr int kMostShards = 1 << 20;

// Shards [begin, end).
struct Span {
  int begin = 0, end = 0;
  int size() const { return end - begin; }
  bool operator==(const Span& other) const { return begin == other.begin && end == other.end; }
};

// Where the right half of a node of at least two shards begins.
int split_of(Span node);

// The shards of a rank: of all, as many as of every other rank or one fewer.
Span shards_of_rank(int shards, int rank, int ranks);

// The largest subtrees within `owned`, from left to right.
std::vector<Span> cover_of(int shards, Span owned);

// Sums for a list of nodes, from left to right, of float; of double for the reference.
template <class T>
struct SumsOf {
  std::vector<Span> nodes;
  std::vector<const T*> values;  // one array a node, all of the same length
};
using PartialSums = SumsOf<float>;

// Whether the nodes are those of the tree that add up to `whole`.
bool adds_up(int shards, const std::vector<Span>& nodes, Span whole);

// out[i] = the sum along the tree of the i-th numbers, for i < count. The nodes add up to `whole`. `out` may
// be one of the arrays.
template <class T>
void sum_along_tree(const SumsOf<T>& sums, Span whole, size_t count, T* out);

}  // namespace tenon
