// parallel_for: every block once, nested calls serial, one constant pool of threads. Built with each pool.
#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "base/float_mode.h"
#include "base/shares.h"
#include "test/check.h"

namespace tenon {
namespace {

void check_every_block_once(const std::vector<int>& teams) {
  for (const int threads : teams) {
    set_num_threads(threads);
    for (const int64_t blocks : {0, 1, 2, 3, 8, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(blocks));
      parallel_for(blocks, [&](int64_t block) { seen[static_cast<size_t>(block)].fetch_add(1); });
      for (const auto& times : seen) CHECK(times.load() == 1);
    }
  }
}

// Every thread begins with a run of neighbours of its own, the same ones in every loop, and one thread alone
// does all, from the first on where its number is 0.
void test_shares() {
  for (const int64_t blocks : {0, 1, 5, 16, 100, 1001}) {
    for (const int threads : {1, 2, 3, 16, 40}) {
      detail::Shares alone(blocks, threads);
      int64_t next = 0;
      alone.take(0, [&](int64_t block) { CHECK(block == next++); });
      CHECK(next == blocks);
      alone.take(1, [](int64_t) { CHECK(false); });
    }
  }
  detail::Shares shares(10, 3);  // 0 to 3, 4 to 6, 7 to 9
  std::vector<int64_t> order;
  shares.take(1, [&](int64_t block) { order.push_back(block); });
  CHECK((order == std::vector<int64_t>{4, 5, 6, 7, 8, 9, 0, 1, 2, 3}));
}

void test_nested() {
  set_num_threads(3);
  std::atomic<int> total{0}, strangers{0};
  parallel_for(6, [&](int64_t) {
    const auto mine = std::this_thread::get_id();
    parallel_for(5, [&](int64_t) {
      total.fetch_add(1);
      if (std::this_thread::get_id() != mine) strangers.fetch_add(1);
    });
  });
  CHECK(total.load() == 30);
  CHECK(strangers.load() == 0);
}

void test_cheap_loops_stay() {
  set_num_threads(4);
  const auto here = std::this_thread::get_id();
  bool stayed = true;
  parallel_for(100, 10.0, [&](int64_t) { stayed = stayed && std::this_thread::get_id() == here; });
  CHECK(stayed);
}

void test_chunks() {
  set_num_threads(3);
  for (const int64_t n : {0, 1, 15, 16, 17, 100}) {
    std::vector<std::atomic<int>> seen(static_cast<size_t>(n));
    parallel_chunks(n, 16, 1e9, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) seen[static_cast<size_t>(i)].fetch_add(1);
    });
    for (const auto& times : seen) CHECK(times.load() == 1);
  }
}

// Loops of different lengths use the same team: no more threads take part in one than were asked for, and
// none is started beyond the most that a loop of this test, or of one before it, could use.
void test_team_is_kept() {
  set_num_threads(4);
  std::mutex mutex;
  std::set<std::thread::id> all;
  for (int i = 0; i < 200; ++i) {
    const int64_t blocks = i % 2 == 0 ? 2 : 64;
    std::set<std::thread::id> ids;
    parallel_for(blocks, [&](int64_t) {
      const std::lock_guard lock(mutex);
      ids.insert(std::this_thread::get_id());
    });
    CHECK(ids.size() <= static_cast<size_t>(std::min<int64_t>(4, blocks)));
    all.insert(ids.begin(), ids.end());
  }
  CHECK(all.size() <= 7);
}

// Helpers that wake when their loop is over, or in the next one, do no harm: every block is still done once.
void test_late_helpers() {
  set_num_threads(7);
  int64_t total = 0;
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::atomic<int64_t> sum{0};
    for (int j = 0; j < 50; ++j) parallel_for(7, [&](int64_t block) { sum.fetch_add(block); });
    total += sum.load();
  }
  CHECK(total == 20 * 50 * 21);
}

// Two callers at once: one gets the team, the other does its loop by itself.
void test_two_callers() {
  set_num_threads(3);
  std::atomic<int> total{0};
  const auto loops = [&] {
    for (int i = 0; i < 200; ++i) parallel_for(8, [&](int64_t) { total.fetch_add(1); });
  };
  std::thread other(loops);
  loops();
  other.join();
  CHECK(total.load() == 2 * 200 * 8);
}

// Shrinking and growing between loops: a helper that wakes late must not take part in a loop that has no seat
// for it.
void test_changing_team() {
  std::atomic<int64_t> total{0};
  int64_t expected = 0;
  for (int i = 0; i < 3000; ++i) {
    set_num_threads(1 + i % 5);
    const int64_t blocks = i % 7;
    parallel_for(blocks, [&](int64_t block) { total.fetch_add(block + 1); });
    expected += blocks * (blocks + 1) / 2;
    CHECK(total.load() == expected);
  }
}

// Every thread computes in the mode of the caller, whatever its own is, and the caller keeps its own.
void test_float_mode() {
  set_num_threads(4);
  const uint64_t before = float_mode() & kFlushDenormals;
  for (const uint64_t mode : {uint64_t{0}, kFlushDenormals, uint64_t{0}}) {
    const FloatMode here((float_mode() & ~kFlushDenormals) | mode);
    std::atomic<int> others{0};
    for (int i = 0; i < 100; ++i) {
      parallel_for(16, [&](int64_t) {
        if ((float_mode() & kFlushDenormals) != mode) others.fetch_add(1);
      });
    }
    CHECK(others.load() == 0);
    CHECK((float_mode() & kFlushDenormals) == mode);
  }
  CHECK((float_mode() & kFlushDenormals) == before);
}

void test_thread_count() {
  set_num_threads(0);
  CHECK(num_threads() == 1);
  set_num_threads(-5);
  CHECK(num_threads() == 1);
}

}  // namespace
}  // namespace tenon

int main() {
  tenon::check_every_block_once({1, 2, 3, 7});
  tenon::test_shares();
  tenon::test_nested();
  tenon::test_cheap_loops_stay();
  tenon::test_chunks();
  tenon::test_team_is_kept();
  tenon::test_late_helpers();
  tenon::test_two_callers();
  tenon::test_changing_team();
  tenon::test_float_mode();
  tenon::test_thread_count();
  tenon::check_every_block_once({8, 16, 64});  // last: more threads than a test before it may count
  return tenon::test::report();
}
