// A view of memory as a tensor: what a kernel receives for each operand.
// Dims are physical (rank 4 is N, H, W, C); data is dense and row-major over them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenon {

inline constexpr int kMaxRank = 6;

enum class DType : uint8_t { f32 = 0, bf16 = 1, f64 = 2, u8 = 3, i32 = 4 };

inline constexpr size_t size_of(DType dtype) {
  constexpr size_t sizes[] = {4, 2, 8, 1, 4};
  return sizes[static_cast<int>(dtype)];
}

const char* name_of(DType dtype);

struct TensorView {
  std::byte* data = nullptr;
  DType dtype = DType::f32;
  int rank = 0;
  int64_t dims[kMaxRank] = {};

  // Products cannot overflow: Program checks them (checked_bytes) before a view is made.
  int64_t numel() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
  size_t bytes() const { return static_cast<size_t>(numel()) * size_of(dtype); }
  int64_t last() const { return rank == 0 ? 1 : dims[rank - 1]; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
};

}  // namespace tenon
