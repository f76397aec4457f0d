// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// A counter-based generator: random numbers are a function of (key, counter), so any thread can draw
// any of them.
//
// tenon's use: key = (seed, stream name) hashed to 64 bits in lib/random.ts; counter = (element index / 4 low
// word, high word, call ordinal inside the module, global step). Element i of a tensor takes word i % 4 of
// block i / 4.
#pragma once

#include <cstdint>

namespace tenon {

struct PhiloxBlock {
  uint32_t v[4];
};

inline PhiloxBlock philox(uint32_t key0, uint32_t key1, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c0;
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return {{c0, c1, c2, c3}};
}

// Uniform in [0, 1): the top 24 bits, so that float and double agree exactly.
inline double philox_uniform(uint32_t bits) { return static_cast<double>(bits >> 8) * (1.0 / 16777216.0); }

}  // namespace tenon
