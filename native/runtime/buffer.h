// Persistent memory: parameters, optimizer state, data sets. Shared by handles, programs and jobs.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/memory.h"

namespace tenon {

struct Buffer {
  explicit Buffer(size_t bytes, MemoryKind kind = MemoryKind::buffer) : memory(bytes, kind) {}

  Memory memory;
  // Ticket of the last queued write. A predict program that reads this buffer does not overtake it.
  std::atomic<uint64_t> last_write{0};
  // Counts changes of the contents as they happen. What was derived from the buffer remembers it.
  std::atomic<uint64_t> version{0};

  void changed() { version.fetch_add(1, std::memory_order_relaxed); }
};

using BufferRef = std::shared_ptr<Buffer>;

// True when [offset, offset + bytes) lies inside.
inline bool holds(const Buffer& buffer, size_t offset, size_t bytes) {
  size_t end = 0;
  return checked_add(offset, bytes, &end) && end <= buffer.memory.bytes();
}

}  // namespace tenon
