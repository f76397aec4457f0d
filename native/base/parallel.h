// The only way to more threads inside an op. Everything parallel in tenon is a loop over independent blocks:
// which thread runs a block never changes what the block computes, so results do not depend on the thread
// count. A build has one of two pools of threads (base/fork_join.h); see ARCHITECTURE.md, Threads.
#pragma once

#include <cstdint>

namespace tenon {

// Threads that parallel_for may use, caller included. At least 1. Set by the runtime only.
int num_threads();
void set_num_threads(int threads);

// Whose threads they are: "team" for our own, "openmp" for those of an OpenMP runtime.
const char* thread_pool();

namespace detail {
void run_blocks(int64_t blocks, void (*body)(void*, int64_t), void* context);
}

// Calls fn(block) for every block in [0, blocks), in any order, on num_threads() threads; returns when all
// are done. fn must not throw. Nested calls run serially.
template <class Fn>
void parallel_for(int64_t blocks, Fn&& fn) {
  auto* body = &fn;
  detail::run_blocks(
      blocks, [](void* context, int64_t block) { (*static_cast<decltype(body)>(context))(block); }, body);
}

// As parallel_for, but stays on the calling thread when the whole loop is worth less than a fork and join.
// `cost` is the loop's total work in scalar operations or bytes touched, whichever is larger.
template <class Fn>
void parallel_for(int64_t blocks, double cost, Fn&& fn) {
  constexpr double kForkCost = 32768;
  if (cost < kForkCost) {
    for (int64_t block = 0; block < blocks; ++block) fn(block);
  } else {
    parallel_for(blocks, fn);
  }
}

// Ceiling division, for block counts.
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Splits [0, n) in chunks of `chunk` items: fn(begin, end).
template <class Fn>
void parallel_chunks(int64_t n, int64_t chunk, double cost, Fn&& fn) {
  parallel_for(ceil_div(n, chunk), cost, [&](int64_t block) {
    const int64_t begin = block * chunk;
    fn(begin, begin + chunk < n ? begin + chunk : n);
  });
}

}  // namespace tenon
