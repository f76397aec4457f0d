#include "base/memory.h"

#include <sys/mman.h>
#include <unistd.h>

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

std::byte* map_pages(size_t bytes) {
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(address);
}

#ifdef MADV_HUGEPAGE
// Begins where a huge page can: one that only half belongs to a mapping is made of small pages.
std::byte* map_huge_pages(size_t bytes) {
  constexpr size_t kHuge = size_t{2} << 20;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t pages = (bytes + page - 1) / page * page;
  std::byte* begin = map_pages(pages + kHuge);
  const size_t before = (kHuge - reinterpret_cast<uintptr_t>(begin) % kHuge) % kHuge;
  std::byte* data = begin + before;
  if (before > 0) munmap(begin, before);
  munmap(data + pages, kHuge - before);
  // Only advice: fewer page faults and TLB misses where the system allows it.
  (void)madvise(data, bytes, MADV_HUGEPAGE);
  return data;
}
#endif

std::byte* map(size_t bytes) {
#ifdef MADV_HUGEPAGE
  if (bytes >= kHugeFrom) return map_huge_pages(bytes);
#endif
  return map_pages(bytes);
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
