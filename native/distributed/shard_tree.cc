#include "distributed/shard_tree.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace tenon {
namespace {

constexpr size_t kBlock = 2048;  // numbers: a block of each level of the tree stays in the first-level cache

void collect_cover(Span node, Span owned, std::vector<Span>* cover) {
  if (node.end <= owned.begin || owned.end <= node.begin) return;
  if (owned.begin <= node.begin && node.end <= owned.end) {
    cover->push_back(node);
    return;
  }
  const int middle = split_of(node);
  collect_cover({node.begin, middle}, owned, cover);
  collect_cover({middle, node.end}, owned, cover);
}

// Consumes the nodes below `node` from `at` on. False where they do not add up to it.
bool consume(const std::vector<Span>& nodes, Span node, size_t* at) {
  if (*at >= nodes.size()) return false;
  if (nodes[*at] == node) return ++*at, true;
  if (node.size() < 2) return false;
  const int middle = split_of(node);
  return consume(nodes, {node.begin, middle}, at) && consume(nodes, {middle, node.end}, at);
}

// Sums one block. Each level of the tree has a block of its own for what its left half came to.
template <class T>
class BlockSum {
 public:
  BlockSum(const SumsOf<T>& sums, size_t offset, size_t count, T* levels)
      : sums_(sums), offset_(offset), count_(count), levels_(levels) {}

  const T* value(Span node, int level) {
    if (sums_.nodes[at_] == node) return sums_.values[at_++] + offset_;
    const int middle = split_of(node);
    const T* left = value({node.begin, middle}, level);
    const T* right = value({middle, node.end}, level + 1);
    T* sum = levels_ + static_cast<size_t>(level) * kBlock;
    for (size_t i = 0; i < count_; ++i) sum[i] = left[i] + right[i];
    return sum;
  }

 private:
  const SumsOf<T>& sums_;
  const size_t offset_, count_;
  T* const levels_;
  size_t at_ = 0;
};

}  // namespace

int split_of(Span node) {
  int left = 1;
  while (left * 2 < node.size()) left *= 2;
  return node.begin + left;
}

Span shards_of_rank(int shards, int rank, int ranks) {
  const auto begin = [&](int64_t r) { return static_cast<int>(r * shards / ranks); };
  return {begin(rank), begin(rank + 1)};
}

std::vector<Span> cover_of(int shards, Span owned) {
  std::vector<Span> cover;
  collect_cover({0, shards}, owned, &cover);
  return cover;
}

bool adds_up(int shards, const std::vector<Span>& nodes, Span whole) {
  size_t at = 0;
  for (const Span& node : cover_of(shards, whole)) {
    if (!consume(nodes, node, &at)) return false;
  }
  return at == nodes.size();
}

template <class T>
void sum_along_tree(const SumsOf<T>& sums, Span whole, size_t count, T* out) {
  int levels = 1;
  while ((1 << levels) < whole.size()) ++levels;
  const auto room = std::make_unique<T[]>(static_cast<size_t>(levels + 1) * kBlock);
  for (size_t offset = 0; offset < count; offset += kBlock) {
    const size_t block = std::min(kBlock, count - offset);
    const T* sum = BlockSum<T>(sums, offset, block, room.get()).value(whole, 0);
    if (sum != out + offset) std::memcpy(out + offset, sum, block * sizeof(T));
  }
}

template void sum_along_tree(const SumsOf<float>&, Span, size_t, float*);
template void sum_along_tree(const SumsOf<double>&, Span, size_t, double*);

}  // namespace tenon
