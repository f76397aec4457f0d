#pragma once

#include <cstdint>

namespace tenon {

// Outputs of at least so many bytes would push each other out of the last-level cache of most machines.
inline constexpr int64_t kStreamedBytes = int64_t{16} << 20;

}  // namespace tenon
