// Hands out the blocks of a loop. Each thread has a share, a run of neighbours, and takes from the others'
// when its own is empty. Loops of as many blocks over the same data share them out alike, so that a thread
// finds in its own caches, and in memory close to it, what it wrote in the loop before.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tenon::detail {

// Two lines of the cache, which some processors fetch together: what threads write is this far from what
// others use.
inline constexpr size_t kApart = 128;

class Shares {
 public:
  Shares(int64_t blocks, int64_t threads) : count_(std::clamp<int64_t>(threads, 1, kMost)) {
    for (int64_t i = 0; i < count_; ++i) {
      shares_[i].next.store(first(blocks, i), std::memory_order_relaxed);
      shares_[i].end = first(blocks, i + 1);
    }
  }

  // fn(block) for blocks that no other thread has taken, until none is left. Alone, thread 0 takes
  // them in order.
  template <class Fn>
  void take(int64_t thread, Fn&& fn) {
    for (int64_t i = 0; i < count_; ++i) {
      Share& share = shares_[(thread + i) % count_];
      if (share.next.load(std::memory_order_relaxed) >= share.end) continue;
      for (int64_t block; (block = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;)
        fn(block);
    }
  }

 private:
  static constexpr int64_t kMost = 16;  // more threads have shares in common

  struct alignas(kApart) Share {
    std::atomic<int64_t> next;
    int64_t end;
  };

  // The first block of share i: shares are even.
  int64_t first(int64_t blocks, int64_t i) const {
    return blocks / count_ * i + std::min(i, blocks % count_);
  }

  const int64_t count_;
  Share shares_[kMost];
};

}  // namespace tenon::detail
