#include "base/memory.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>

#include "base/cgroup.h"
#include "base/system.h"

namespace tenon {
namespace {
constexpr size_t kMapFrom = size_t{64} << 10;
constexpr size_t kCheckFrom = size_t{1} << 20;
constexpr double kUnknown = 0x1p46;  // more than any address space holds

std::atomic<size_t>& counter(MemoryKind kind) {
  static std::atomic<size_t> live[kMemoryKinds];
  return live[static_cast<int>(kind)];
}

size_t live_bytes() {
  size_t sum = 0;
  for (int kind = 0; kind < kMemoryKinds; ++kind) sum += live_bytes(static_cast<MemoryKind>(kind));
  return sum;
}

// What memory_limit() last read: files are opened when a request seems too large, not at every one.
std::atomic<size_t> g_limit{0};

// The system promises more than it has and ends the process when the pages are written to, so a request that
// cannot be met is refused here.
bool within_limit(size_t bytes) {
  const auto fits = [bytes](size_t limit) {
    const size_t live = live_bytes();
    return live <= limit && bytes <= limit - live;
  };
  return bytes < kCheckFrom || fits(g_limit.load(std::memory_order_relaxed)) || fits(memory_limit());
}

constexpr std::align_val_t kAligned{kAlignment};

std::byte* allocate_aligned(size_t bytes) {
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* address = operator new(rounded, kAligned, std::nothrow);
  if (address != nullptr) std::memset(address, 0, rounded);
  return static_cast<std::byte*>(address);
}

}  // namespace

size_t live_bytes(MemoryKind kind) { return counter(kind).load(std::memory_order_relaxed); }

size_t memory_limit() {
  const SystemMemory all = system_memory();
  const double allowed = cgroup_memory_limit(all.swap);
  const auto limit = static_cast<size_t>(std::min({all.physical + all.swap, allowed, kUnknown}));
  g_limit.store(limit, std::memory_order_relaxed);
  return limit;
}

OutOfMemory::OutOfMemory(size_t bytes) noexcept {
  std::snprintf(
      text_, sizeof text_,
      "out of memory: %zu bytes were asked for; this process may have %zu, of which tenon holds %zu", bytes,
      g_limit.load(std::memory_order_relaxed), live_bytes());
}

Memory::Memory(size_t bytes, MemoryKind kind) : bytes_(bytes), kind_(kind) {
  if (bytes == 0) return;
  if (!within_limit(bytes)) throw OutOfMemory(bytes);
  data_ = bytes >= kMapFrom ? map_pages(bytes) : allocate_aligned(bytes);
  if (data_ == nullptr) throw OutOfMemory(bytes);
  counter(kind).fetch_add(bytes, std::memory_order_relaxed);
}

Memory::~Memory() {
  if (data_ == nullptr) return;
  if (bytes_ >= kMapFrom) {
    unmap_pages(data_, bytes_);
  } else {
    operator delete(data_, kAligned);
  }
  counter(kind_).fetch_sub(bytes_, std::memory_order_relaxed);
}

}  // namespace tenon
