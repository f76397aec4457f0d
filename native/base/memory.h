// Memory that programs work in: page-aligned (mmap) from 64 KiB on, on huge pages where it fills most of one
// and the system has them, 64-byte aligned below, zero-initialised, counted. Large blocks come straight from
// the system so that the pages of a dropped block go back at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace tenon {

inline constexpr size_t kAlignment = 64;

// What a block is for: live bytes are counted by kind.
enum class MemoryKind : uint8_t { buffer, arena, staging, derived };
inline constexpr int kMemoryKinds = 4;

// Bytes alive now.
size_t live_bytes(MemoryKind kind);

// Bytes that this process may have: physical memory with swap, or less where its cgroup allows less.
size_t memory_limit();

// Says how many bytes were asked for and how many there are.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(size_t bytes) noexcept;
  const char* what() const noexcept override { return text_; }

 private:
  char text_[160];
};

// False, and *product untouched, when a * b does not fit.
[[nodiscard]] inline bool checked_multiply(size_t a, size_t b, size_t* product) {
  size_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) return false;
  *product = result;
  return true;
}

[[nodiscard]] inline bool checked_add(size_t a, size_t b, size_t* sum) {
  size_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) return false;
  *sum = result;
  return true;
}

// The next multiple of kAlignment. False on overflow.
[[nodiscard]] inline bool checked_align(size_t bytes, size_t* aligned) {
  size_t sum = 0;
  if (!checked_add(bytes, kAlignment - 1, &sum)) return false;
  *aligned = sum / kAlignment * kAlignment;
  return true;
}

// An owned block. Movable; frees itself.
class Memory {
 public:
  Memory() = default;
  // Throws OutOfMemory when the system does not have that much, even if it would promise it: all blocks
  // together stay within memory_limit().
  Memory(size_t bytes, MemoryKind kind);
  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    Memory moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~Memory();

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void swap(Memory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(kind_, other.kind_);
  }

  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  MemoryKind kind_ = MemoryKind::buffer;
};

}  // namespace tenon
