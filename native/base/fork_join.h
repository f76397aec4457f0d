// What a pool of threads does for parallel_for. base/parallel_team.cc and base/parallel_openmp.cc implement
// it; a build has one of them.
#pragma once

#include <cstdint>

#include "base/float_mode.h"
#include "base/shares.h"

namespace tenon::detail {

// A loop that several threads work on, all in the float mode of the thread that began it.
class Loop {
 public:
  Loop(int64_t blocks, int threads, void (*body)(void*, int64_t), void* context)
      : body_(body), context_(context), blocks_(blocks), mode_(float_mode()), shares_(blocks, threads) {}

  int64_t blocks() const { return blocks_; }

  // Each thread that takes part calls it once, with a number that it keeps: 0 for the one that began the
  // loop. Runs blocks until none is left.
  void work(int thread);

 private:
  void (*const body_)(void*, int64_t);
  void* const context_;
  const int64_t blocks_;
  const uint64_t mode_;
  Shares shares_;
};

// Calls loop.work(thread) on this thread and on at most `threads` - 1 others; returns when all that began it
// are done. One call at a time.
void fork_join(int threads, Loop* loop);

}  // namespace tenon::detail
