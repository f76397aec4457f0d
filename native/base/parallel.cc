#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>

#if defined(__x86_64__)
  #include <immintrin.h>
#endif

namespace tenon {
namespace {

std::atomic<int> g_threads{1};
thread_local bool t_inside = false;

// Longest busy wait. Waking a sleeping thread costs about as much, so waiting longer would only burn the
// core.
constexpr std::chrono::microseconds kSpin{20};

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Returns when `word` is no longer `old`, first spinning, then asleep; gives its new value.
uint32_t wait_for_change(const std::atomic<uint32_t>& word, uint32_t old) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      const uint32_t value = word.load(std::memory_order_acquire);
      if (value != old) return value;
      pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  word.wait(old, std::memory_order_acquire);
  return word.load(std::memory_order_acquire);
}

// Threads that wait for loops. Heap-allocated and never destroyed: they may still run while the process
// exits.
class Team {
 public:
  static Team& get() {
    static auto* team = new Team();
    return *team;
  }

  // False when another thread's loop is running; the caller then does its own by itself.
  bool run(int threads, int64_t blocks, void (*body)(void*, int64_t), void* context) {
    if (busy_.test_and_set(std::memory_order_acquire)) return false;
    const int helpers = hire(static_cast<int>(std::min<int64_t>(threads, blocks)) - 1);
    body_ = body;
    context_ = context;
    blocks_ = blocks;
    next_.store(0, std::memory_order_relaxed);
    unfinished_.store(static_cast<uint32_t>(helpers), std::memory_order_relaxed);
    announce(helpers);
    work();
    for (uint32_t left; (left = unfinished_.load(std::memory_order_acquire)) != 0;)
      wait_for_change(unfinished_, left);
    busy_.clear(std::memory_order_release);
    return true;
  }

 private:
  static constexpr int kHelperBits = 10;
  static constexpr int kMostHelpers = (1 << kHelperBits) - 1;

  // Starts threads until there are `wanted`, as far as the system lets us; gives how many there are for this
  // loop.
  int hire(int wanted) {
    wanted = std::min(wanted, kMostHelpers);
    try {
      while (hired_ < wanted) {
        std::thread([this, index = static_cast<uint32_t>(hired_), seen = call_.load()] {
          serve(index, seen);
        }).detach();
        ++hired_;
      }
    } catch (const std::system_error&) {  // no more threads to be had: fewer do the same work
    }
    return std::min(hired_, wanted);
  }

  // One word carries both the number of the loop and how many helpers it takes, so that a helper that wakes
  // late never takes part in a loop it was not counted for.
  void announce(int helpers) {
    const uint32_t loop = (call_.load(std::memory_order_relaxed) >> kHelperBits) + 1;
    call_.store(loop << kHelperBits | static_cast<uint32_t>(helpers), std::memory_order_release);
    call_.notify_all();
  }

  void serve(uint32_t index, uint32_t seen) {
    for (;;) {
      seen = wait_for_change(call_, seen);
      if (index >= (seen & kMostHelpers)) continue;
      work();
      if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
    }
  }

  void work() {
    t_inside = true;
    for (int64_t block; (block = next_.fetch_add(1, std::memory_order_relaxed)) < blocks_;)
      body_(context_, block);
    t_inside = false;
  }

  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
  int hired_ = 0;
  void (*body_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  int64_t blocks_ = 0;
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<uint32_t> call_{0};
  alignas(64) std::atomic<uint32_t> unfinished_{0};
};

}  // namespace

int num_threads() { return g_threads.load(std::memory_order_relaxed); }
void set_num_threads(int threads) { g_threads.store(std::max(1, threads), std::memory_order_relaxed); }

namespace detail {

void run_blocks(int64_t blocks, void (*body)(void*, int64_t), void* context) {
  const int threads = num_threads();
  if (threads > 1 && blocks > 1 && !t_inside && Team::get().run(threads, blocks, body, context)) return;
  for (int64_t block = 0; block < blocks; ++block) body(context, block);
}

}  // namespace detail
}  // namespace tenon
