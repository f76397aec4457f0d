#include "base/memory.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

namespace tenon {
namespace {
constexpr size_t kMapFrom = size_t{64} << 10;
constexpr size_t kHugeFrom = size_t{4} << 20;
// More than any address space holds: such a request is a mistake, and is refused before the system sees it.
constexpr size_t kLargest = size_t{1} << 46;

std::atomic<size_t>& counter(MemoryKind kind) {
  static std::atomic<size_t> live[kMemoryKinds];
  return live[static_cast<int>(kind)];
}

std::byte* map(size_t bytes) {
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  // Only advice: fewer page faults and TLB misses where the system allows it.
  if (bytes >= kHugeFrom) (void)madvise(address, bytes, MADV_HUGEPAGE);
#endif
  return static_cast<std::byte*>(address);
}

std::byte* allocate_aligned(size_t bytes) {
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* address = std::aligned_alloc(kAlignment, rounded);
  if (address == nullptr) throw std::bad_alloc();
  std::memset(address, 0, rounded);
  return static_cast<std::byte*>(address);
}

}  // namespace

size_t live_bytes(MemoryKind kind) { return counter(kind).load(std::memory_order_relaxed); }

Memory::Memory(size_t bytes, MemoryKind kind) : bytes_(bytes), kind_(kind) {
  if (bytes > kLargest) throw std::bad_alloc();
  if (bytes == 0) return;
  data_ = bytes >= kMapFrom ? map(bytes) : allocate_aligned(bytes);
  counter(kind).fetch_add(bytes, std::memory_order_relaxed);
}

Memory::~Memory() {
  if (data_ == nullptr) return;
  if (bytes_ >= kMapFrom) {
    munmap(data_, bytes_);
  } else {
    std::free(data_);
  }
  counter(kind_).fetch_sub(bytes_, std::memory_order_relaxed);
}

}  // namespace tenon
