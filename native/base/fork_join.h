// What a pool of threads does for parallel_for. base/parallel_team.cc and base/parallel_openmp.cc implement
// it; a build has one of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/float_mode.h"

namespace tenon::detail {

// Two lines of the cache, which some processors fetch together: what threads write is this far from what
// others use.
inline constexpr size_t kApart = 128;

// A loop that several threads work on, all in the float mode of the thread that began it.
class Loop {
 public:
  Loop(int64_t blocks, void (*body)(void*, int64_t), void* context)
      : body_(body), context_(context), blocks_(blocks), mode_(float_mode()) {}

  int64_t blocks() const { return blocks_; }

  // Each thread that takes part calls it once. Runs blocks until none is left.
  void work();

 private:
  void (*const body_)(void*, int64_t);
  void* const context_;
  const int64_t blocks_;
  const uint64_t mode_;
  alignas(kApart) std::atomic<int64_t> next_{0};
};

// Calls loop.work() on this thread and on at most `threads` - 1 others; returns when all that began it are
// done. One call at a time.
void fork_join(int threads, Loop* loop);

}  // namespace tenon::detail
