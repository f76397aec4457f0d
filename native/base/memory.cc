#include "base/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__linux__)
  #include <sys/sysinfo.h>
#endif

#include "base/cgroup.h"

namespace tenon {
namespace {
constexpr size_t kMapFrom = size_t{64} << 10;
constexpr size_t kHugePage = size_t{2} << 20;
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

double physical_bytes() {
#if defined(__linux__)
  struct sysinfo info = {};
  if (sysinfo(&info) == 0)
    return (static_cast<double>(info.totalram) + static_cast<double>(info.totalswap)) * info.mem_unit;
#endif
  const long pages = sysconf(_SC_PHYS_PAGES);
  return pages > 0 ? static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) : kUnknown;
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

std::byte* map_pages(size_t bytes) {
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw OutOfMemory(bytes);
  return static_cast<std::byte*>(address);
}

// The size of a mapping for `bytes`: a last huge page that is at least three quarters full is mapped
// whole. Weights of 1.5 MiB on small pages are spread over the second-level cache unevenly, and some of
// them drop out.
size_t mapped_bytes(size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t tail = bytes % kHugePage;
  if (tail >= kHugePage / 4 * 3) return bytes - tail + kHugePage;
  return (bytes + page - 1) / page * page;
}

#ifdef MADV_HUGEPAGE
// The mapping begins where a huge page can begin: one that lies only partly inside a mapping is made
// of small pages.
std::byte* map_huge_pages(size_t bytes) {
  std::byte* begin = map_pages(bytes + kHugePage);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
  std::byte* data = begin + before;
  if (before > 0) munmap(begin, before);
  munmap(data + bytes, kHugePage - before);
  // Only advice: fewer page faults and TLB misses where the system allows it.
  (void)madvise(data, bytes, MADV_HUGEPAGE);
  return data;
}
#endif

std::byte* map(size_t bytes) {
#ifdef MADV_HUGEPAGE
  if (bytes >= kHugePage) return map_huge_pages(bytes);
#endif
  return map_pages(bytes);
}

std::byte* allocate_aligned(size_t bytes) {
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* address = std::aligned_alloc(kAlignment, rounded);
  if (address == nullptr) throw OutOfMemory(bytes);
  std::memset(address, 0, rounded);
  return static_cast<std::byte*>(address);
}

}  // namespace

size_t live_bytes(MemoryKind kind) { return counter(kind).load(std::memory_order_relaxed); }

size_t memory_limit() {
  const auto limit = static_cast<size_t>(std::min({physical_bytes(), cgroup_memory_limit(), kUnknown}));
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
  data_ = bytes >= kMapFrom ? map(mapped_bytes(bytes)) : allocate_aligned(bytes);
  counter(kind).fetch_add(bytes, std::memory_order_relaxed);
}

Memory::~Memory() {
  if (data_ == nullptr) return;
  if (bytes_ >= kMapFrom) {
    munmap(data_, mapped_bytes(bytes_));
  } else {
    std::free(data_);
  }
  counter(kind_).fetch_sub(bytes_, std::memory_order_relaxed);
}

}  // namespace tenon
