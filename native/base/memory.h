// Memory that programs work in: page-aligned (mmap) from 64 KiB on, at a huge page from 4 MiB on where the
// system has them, 64-byte aligned below, zero-initialised, counted. Large blocks come straight from the
// system so that dropping one gives its pages back at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace tenon {

inline constexpr size_t kAlignment = 64;

// What a block is for: live bytes are counted by kind.
enum class MemoryKind : uint8_t { buffer, arena, staging, derived };
inline constexpr int kMemoryKinds = 4;

// Bytes alive now.
size_t live_bytes(MemoryKind kind);

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
  // Throws std::bad_alloc when the system has no such amount.
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
