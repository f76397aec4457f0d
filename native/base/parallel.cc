#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>

#include "base/float_mode.h"
#include "base/system.h"

#if defined(__x86_64__)
  #include <immintrin.h>
#endif

namespace tenon {
namespace {

std::atomic<int> g_threads{1};
thread_local bool t_inside = false;

// Longest busy wait. Waking a sleeping thread costs about as much, so waiting longer would only
// burn the core.
constexpr std::chrono::microseconds kSpin{20};

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Returns when done(word) holds, first spinning, then asleep; returns the word that satisfied it.
template <class Done>
uint32_t wait_until(const std::atomic<uint32_t>& word, Done&& done) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      const uint32_t value = word.load(std::memory_order_acquire);
      if (done(value)) return value;
      pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  for (uint32_t value; !done(value = word.load(std::memory_order_acquire));)
    word.wait(value, std::memory_order_acquire);
  return word.load(std::memory_order_acquire);
}

// Threads that help with loops. A loop has a seat for each helper that it can use, and the helpers that are
// awake in time take one. The thread that began the loop works too. When no block is left, it closes the free
// seats and waits only for helpers that took one: a helper that is slow to wake, or does not get a core,
// costs nothing. Heap-allocated and never destroyed: its threads may still run while the process exits.
class Team {
 public:
  static Team& get() {
    static auto* team = new Team();
    return *team;
  }

  // False when another thread's loop is running; the caller then runs its own loop alone.
  bool run(int threads, int64_t blocks, void (*body)(void*, int64_t), void* context) {
    if (busy_.test_and_set(std::memory_order_acquire)) return false;
    const uint32_t seats = hire(static_cast<int>(std::min<int64_t>(threads, blocks)) - 1);
    body_ = body;
    context_ = context;
    blocks_ = blocks;
    next_.store(0, std::memory_order_relaxed);
    left_.store(0, std::memory_order_relaxed);
    const uint32_t loop = (call_.load(std::memory_order_relaxed) | kMostHelpers) + 1;
    call_.store(loop | seats, std::memory_order_release);
    call_.notify_all();
    work();
    const uint32_t joined = seats - (call_.exchange(loop, std::memory_order_relaxed) & kMostHelpers);
    wait_until(left_, [joined](uint32_t left) { return left == joined; });
    busy_.clear(std::memory_order_release);
    return true;
  }

 private:
  static constexpr int kHelperBits = 10;
  static constexpr uint32_t kMostHelpers = (1u << kHelperBits) - 1;

  // Starts threads until there are `wanted`, as far as the system lets us; returns how many there are
  // for this loop.
  uint32_t hire(int wanted) {
    wanted = std::min(wanted, static_cast<int>(kMostHelpers));
    try {
      while (hired_ < wanted) {
        start_thread([this, seen = call_.load(), mode = float_mode()] {
          set_float_mode(mode);
          serve(seen);
        });
        ++hired_;
      }
    } catch (const std::exception&) {  // no thread, or no memory for one: fewer do the same work
    }
    return static_cast<uint32_t>(std::min(hired_, wanted));
  }

  void serve(uint32_t seen) {
    for (;;) {
      seen = wait_until(call_, [seen](uint32_t call) { return (call ^ seen) > kMostHelpers; });
      if (!take_seat(&seen)) continue;
      work();
      left_.fetch_add(1, std::memory_order_acq_rel);
      left_.notify_one();
    }
  }

  // Takes a seat of the loop that has one now: the loop for which a helper was woken may be over, and another
  // one may have begun.
  bool take_seat(uint32_t* call) {
    while ((*call & kMostHelpers) != 0) {
      if (call_.compare_exchange_weak(*call, *call - 1, std::memory_order_acquire)) return true;
    }
    return false;
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
  alignas(64) std::atomic<uint32_t> call_{
      0};  // the number of the loop, and its free seats in the lowest bits
  alignas(64) std::atomic<uint32_t> left_{0};  // helpers that took a seat and have done their part
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
