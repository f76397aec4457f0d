// bfloat16: the upper half of a float. Storage only: arithmetic happens in float.
#pragma once

#include <bit>
#include <cstdint>

namespace tenon {

struct bf16 {
  uint16_t bits;
};

inline float to_float(bf16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }

// Rounds to nearest, ties to even; a NaN stays a (quiet) NaN, what is too large becomes infinity.
inline bf16 to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (value != value) return {static_cast<uint16_t>((bits >> 16) | 0x40)};
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

}  // namespace tenon
