#include "base/parallel.h"

#include <algorithm>
#include <atomic>

#include "base/fork_join.h"

namespace tenon {
namespace {
std::atomic<int> g_threads{1};
std::atomic_flag g_forked = ATOMIC_FLAG_INIT;  // the pool has a loop
thread_local bool t_inside = false;
}  // namespace

int num_threads() { return g_threads.load(std::memory_order_relaxed); }
void set_num_threads(int threads) { g_threads.store(std::max(1, threads), std::memory_order_relaxed); }

namespace detail {

void Loop::work(int thread) {
  const FloatMode same(mode_);
  t_inside = true;
  shares_.take(thread, [this](int64_t block) { body_(context_, block); });
  t_inside = false;
}

// A loop inside another one runs on its thread, and so does one that begins while the pool is busy.
void run_blocks(int64_t blocks, void (*body)(void*, int64_t), void* context) {
  const int threads = num_threads();
  if (threads > 1 && blocks > 1 && !t_inside && !g_forked.test_and_set(std::memory_order_acquire)) {
    Loop loop(blocks, threads, body, context);
    fork_join(threads, &loop);
    g_forked.clear(std::memory_order_release);
    return;
  }
  for (int64_t block = 0; block < blocks; ++block) body(context, block);
}

}  // namespace detail
}  // namespace tenon
