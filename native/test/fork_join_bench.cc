// What a parallel loop costs by itself, with the pool that it is linked with: not a test, run by hand or by
// scripts/verify/fork-join.mjs. Prints one JSON object.
// fork_join_bench [threads]
//     backToBack   nanoseconds of a loop of empty blocks, one for each thread, right after another: median
//     afterIdling  the same after 20 ms of idling
//     idleBurn     share of a core that the process uses in the 100 ms after a loop
//     full         nanoseconds of a loop of 64 blocks that are worth the fork, back to back: median
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>
#include <vector>

#include "base/parallel.h"

namespace tenon {
namespace {
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <class Body>
double nanoseconds(Body&& body) {
  const auto begin = Clock::now();
  body();
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
}

void empty_loop() {
  parallel_for(num_threads(), [](int64_t) {});
}

double back_to_back() {
  constexpr int kLoops = 100;
  std::vector<double> times;
  for (int round = 0; round < 101; ++round) {
    times.push_back(nanoseconds([] {
                      for (int i = 0; i < kLoops; ++i) empty_loop();
                    }) /
                    kLoops);
  }
  return median(times);
}

double after_idling() {
  std::vector<double> times;
  for (int i = 0; i < 101; ++i) {
    std::this_thread::sleep_for(milliseconds(20));
    times.push_back(nanoseconds(empty_loop));
  }
  return median(times);
}

// Processor time of the whole process while this thread sleeps.
double idle_burn() {
  constexpr int kRounds = 10;
  constexpr double kIdle = 0.1;
  double used = 0;
  for (int i = 0; i < kRounds; ++i) {
    for (int j = 0; j < 100; ++j) empty_loop();
    const std::clock_t begin = std::clock();
    std::this_thread::sleep_for(std::chrono::duration<double>(kIdle));
    used += static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  }
  return used / (kRounds * kIdle);
}

// About ten microseconds of arithmetic.
float work(int64_t block) {
  float x = static_cast<float>(block);
  for (int i = 0; i < 5000; ++i) x = x * 0.5f + 1.0f;
  return x;
}

double full_loop() {
  std::vector<float> sums(64 * 16);
  std::vector<double> times;
  for (int i = 0; i < 1001; ++i) {
    times.push_back(nanoseconds([&] {
      parallel_for(64, [&](int64_t block) { sums[static_cast<size_t>(block) * 16] = work(block); });
    }));
  }
  return median(times);
}

}  // namespace
}  // namespace tenon

int main(int argc, char** argv) {
  using namespace tenon;
  set_num_threads(argc > 1 ? std::atoi(argv[1]) : 2);
  const double burn = idle_burn(), idling = after_idling(), back = back_to_back(), full = full_loop();
  std::printf(
      "{\"pool\":\"%s\",\"threads\":%d,\"backToBack\":%.1f,\"afterIdling\":%.1f,\"idleBurn\":%.5f,"
      "\"full\":%.1f}\n",
      thread_pool(), num_threads(), back, idling, burn, full);
  return 0;
}
