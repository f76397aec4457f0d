#pragma once

#include <cstdint>

namespace tenon {

// Outputs of at least so many bytes would push each other out of the last-level cache of most machines, and
// are streamed. Only tests change it: streaming a smaller output takes them less time.
inline int64_t streamed_bytes = int64_t{16} << 20;

}  // namespace tenon
