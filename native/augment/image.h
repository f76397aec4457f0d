// Images as augmentations see them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tenon::augment {

// The longest side that augmentations take: positions are fixed-point numbers of 31 whole bits.
inline constexpr int64_t kMaxSide = 1 << 15;

struct Size {
  int64_t h, w;
  bool operator==(const Size&) const = default;
};

// Bytes of an image, row by row, the channels of a pixel side by side: 1 is grey, 3 are red, green and blue.
struct Image {
  uint8_t* pixels;
  int64_t h, w, c;

  Size size() const { return {h, w}; }
  int64_t bytes() const { return h * w * c; }
};

// An image that is only read.
struct Picture {
  const uint8_t* pixels;
  Size size;
  int64_t c;
};

// A colour. Channels behind the last one repeat it.
struct Colour {
  static constexpr int kChannels = 4;
  uint8_t v[kChannels];

  uint8_t operator[](int64_t channel) const { return v[std::min<int64_t>(channel, kChannels - 1)]; }
};

// Fills `pixels` pixels.
inline void fill(uint8_t* at, int64_t pixels, int64_t c, const Colour& colour) {
  for (int64_t i = 0; i < pixels; ++i) {
    for (int64_t j = 0; j < c; ++j) *at++ = colour[j];
  }
}

}  // namespace tenon::augment
