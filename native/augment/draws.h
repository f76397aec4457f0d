// The random numbers of one augmentation of one image: a stream of Philox blocks, which nothing but the key,
// the epoch, the sample, its occurrence in the epoch and the augmentation's place in the list decides.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/philox.h"

namespace tenon::augment {

// What decides the draws of an image. Place 0 is image_batch's, which draws one block.
struct Stream {
  uint32_t key[2];
  uint32_t sample, occurrence, epoch;
};

// Places in a list.
inline constexpr int64_t kMaxPlaces = 4096;

class Draws {
 public:
  Draws(const Stream& stream, uint32_t place) : stream_(stream), block_(place << 20) {}

  uint32_t bits() {
    if (at_ == 4) {
      words_ =
          philox(stream_.key[0], stream_.key[1], stream_.sample, stream_.occurrence, block_++, stream_.epoch);
      at_ = 0;
    }
    return words_.v[at_++];
  }

  // In [0, 1), in steps of 2^-24.
  double uniform() { return philox_uniform(bits()); }
  double uniform(double low, double high) { return low + uniform() * (high - low); }
  // A whole number from 0 to below n <= 2^24.
  int64_t below(int64_t n) { return static_cast<int64_t>(uniform() * static_cast<double>(n)); }
  bool chance(double p) { return uniform() < p; }

  // The key of a stream of its own, for an operation that draws for every pixel: philox(key[0], key[1], block
  // low, block high, 0, 0).
  struct Key {
    uint32_t v[2];
  };
  Key fork() {
    const uint32_t first = bits();
    return {{first, bits()}};
  }

 private:
  Stream stream_;
  uint32_t block_;
  PhiloxBlock words_{};
  int at_ = 4;
};

}  // namespace tenon::augment
