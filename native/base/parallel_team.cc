// parallel_for on a team of threads of our own, which wait at most 100 microseconds awake and then asleep.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <limits>

#include "base/cgroup.h"
#include "base/fork_join.h"
#include "base/parallel.h"
#include "base/system.h"

#if defined(__x86_64__)
  #include <immintrin.h>
#endif

namespace tenon {
namespace detail {
namespace {

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::microseconds;

// Busy wait. Waking a sleeping thread costs about as much, so waiting longer would only burn the core.
constexpr Microseconds kSpin{20};
// A helper whose last loop came within this time, which includes waking, waits for as long for the next one:
// small predictions that follow each other closely find it awake.
constexpr Microseconds kPatientSpin{100};

// What threads wait for. libc++ waits directly for this type only: all others share a table of its own, where
// waking one thread wakes all.
using Word = std::atomic<int32_t>;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Whether done(word) came to hold within a busy wait.
template <class Done>
bool spin_until(const Word& word, Microseconds longest, Done&& done) {
  const auto deadline = Clock::now() + longest;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done(word.load(std::memory_order_acquire))) return true;
      pause();
    }
  } while (Clock::now() < deadline);
  return false;
}

template <class Done>
void sleep_until(const Word& word, Done&& done) {
  for (int32_t value; !done(value = word.load());) word.wait(value);
}

// Processors that this process may keep busy: of more threads, some only wait for the others.
int useful_threads() {
  const int cpus = usable_processors().cpus;
  const double most =
      std::min<double>(cpus > 0 ? cpus : std::numeric_limits<int>::max(), std::ceil(cgroup_cpu_quota()));
  return static_cast<int>(std::max(1.0, most));
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

  void run(int threads, Loop* loop) {
    const int seats = hire(static_cast<int>(std::min<int64_t>(threads, loop->blocks())) - 1);
    loop_ = loop;
    const int32_t closed = next_call();
    call_.store(closed + seats);
    wake(seats);
    loop->work(0);
    const int joined = seats - (call_.exchange(closed) & kMostHelpers);
    if (owed_.fetch_sub(joined) == joined) return;
    const auto none = [](int32_t owed) { return owed == 0; };
    if (!spin_until(owed_, kSpin, none)) sleep_until(owed_, none);
  }

 private:
  static constexpr int kHelperBits = 10;
  static constexpr int32_t kMostHelpers = (1 << kHelperBits) - 1;

  // Starts threads until there are `wanted`, as far as the system lets us; returns how many there are
  // for this loop.
  int hire(int wanted) {
    wanted = std::min(wanted, kMostHelpers);
    try {
      if (hired_ < wanted) awake_at_most_ = useful_threads() - 1;
      while (hired_ < wanted) {
        start_thread([this, seen = call_.load(), number = hired_ + 1] { serve(seen, number); });
        ++hired_;
      }
    } catch (const std::exception&) {  // no thread, or no memory for one: fewer do the same work
    }
    return std::min(hired_, wanted);
  }

  // The number of the next loop, without seats.
  int32_t next_call() const {
    const auto last = static_cast<uint32_t>(call_.load(std::memory_order_relaxed));
    return static_cast<int32_t>((last | uint32_t{kMostHelpers}) + 1);
  }

  // Wakes as many helpers as the loop has seats and the machine has processors for, less those that are
  // awake. Between the store to call_ before it and the load of asleep_, and between asleep_ and call_ in
  // serve(), there is one order: a helper that is not counted as asleep sees the loop.
  void wake(int seats) {
    const int asleep = asleep_.load();
    const int missing = std::min(seats, awake_at_most_) - (hired_ - asleep);
    if (missing >= asleep) {
      if (asleep > 0) call_.notify_all();
    } else {
      for (int i = 0; i < missing; ++i) call_.notify_one();
    }
  }

  void serve(int32_t seen, int number) {
    Microseconds patience = kSpin;
    for (;;) {
      const auto another = [seen](int32_t call) { return (call | kMostHelpers) != (seen | kMostHelpers); };
      const auto begin = Clock::now();
      if (!spin_until(call_, patience, another)) {
        asleep_.fetch_add(1);
        sleep_until(call_, another);
        asleep_.fetch_sub(1);
      }
      patience = Clock::now() - begin < kPatientSpin ? kPatientSpin : kSpin;
      if (!take_seat(&seen)) continue;
      loop_->work(number);
      if (owed_.fetch_add(1) == -1) owed_.notify_one();
    }
  }

  // Takes a seat of the loop that has one now: the loop for which a helper was woken may be over, and another
  // one may have begun.
  bool take_seat(int32_t* call) {
    *call = call_.load();
    while ((*call & kMostHelpers) != 0) {
      if (call_.compare_exchange_weak(*call, *call - 1)) return true;
    }
    return false;
  }

  int hired_ = 0;
  int awake_at_most_ = 0;
  Loop* loop_ = nullptr;
  // The number of the loop, and its free seats in the lowest bits.
  alignas(kApart) Word call_{0};
  alignas(kApart) std::atomic<int> asleep_{0};  // helpers that wait for call_ asleep
  // Helpers that have done their part, less those that took a seat, once that is known.
  alignas(kApart) Word owed_{0};
};

}  // namespace

void fork_join(int threads, Loop* loop) { Team::get().run(threads, loop); }

}  // namespace detail

const char* thread_pool() { return "team"; }

}  // namespace tenon
