// Time for measuring what something took.
#pragma once

#include <chrono>
#include <cstdint>

namespace tenon {

// Reads a clock that never goes back.
inline uint64_t nanoseconds_now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
}

}  // namespace tenon
