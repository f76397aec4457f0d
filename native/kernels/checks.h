// What prepare() functions of several kernels check.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/tensor.h"
#include "kernels/kernel.h"

namespace tenon {

inline void require_dtype(const TensorView& t, DType dtype, const char* message) {
  require(t.dtype == dtype, message);
}

// Activations and their gradients are real, or bf16 with arithmetic in f32; on the reference target f64 only.
inline bool is_activation(DType dtype, DType real) {
  return dtype == real || (dtype == DType::bf16 && real == DType::f32);
}

// A runtime scalar: f64, rank 0.
inline void require_scalar(const TensorView& t, const char* message) {
  require(t.dtype == DType::f64 && t.rank == 0, message);
}

inline double scalar(const TensorView& t) { return *t.as<double>(); }

// Attributes and scalars are doubles; a Philox key or counter word is 32 bits. Anything that is not such a
// number counts as 0.
inline uint32_t word_of(double value) {
  return value >= 0 && value < 9007199254740992.0 ? static_cast<uint32_t>(static_cast<uint64_t>(value)) : 0;
}

inline void require_words(const Call& call, int begin, int end, const char* message) {
  for (int i = begin; i < end; ++i) {
    const double value = call.attrs[i];
    require(value >= 0 && value <= 4294967295.0 && std::floor(value) == value, message);
  }
}

// An attribute that is 0 or 1.
inline bool flag_attr(const Call& call, int i, const char* message) {
  require(call.attrs[i] == 0 || call.attrs[i] == 1, message);
  return call.attrs[i] == 1;
}

// An attribute that is an integer: attr(i) of anything else would be undefined.
inline int64_t integer_attr(const Call& call, int i, const char* message) {
  const double value = call.attrs[i];
  require(std::fabs(value) <= 9007199254740992.0 && std::floor(value) == value, message);
  return static_cast<int64_t>(value);
}

}  // namespace tenon
