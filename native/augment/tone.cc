#include "augment/tone.h"

#include <algorithm>
#include <cmath>

#include "augment/functions.h"

namespace tenon::augment {
namespace {

constexpr int kLevels = 256;
// Pixels whose luma is computed at a time, on the stack.
constexpr int64_t kPiece = 256;

inline uint8_t mix(float from, float to, float factor) {
  const float mixed = from + factor * (to - from);
  return static_cast<uint8_t>(static_cast<int32_t>(std::min(std::max(mixed, 0.0f), 255.0f)));
}

void blend_with(uint8_t degenerate, int64_t n, float factor, uint8_t* to) {
  const float from = degenerate;
  for (int64_t i = 0; i < n; ++i) to[i] = mix(from, to[i], factor);
}

// table[v] for every value v of channels first, first + step, ...
void look_up(const Image& image, const uint8_t (&table)[kLevels], int64_t first, int64_t step) {
  const int64_t n = image.bytes();
  for (int64_t i = first; i < n; i += step) image.pixels[i] = table[image.pixels[i]];
}

struct Histogram {
  Histogram(const Image& image, int64_t channel) {
    const int64_t n = image.bytes();
    // Two sets of counters: neighbours are often equal, and a counter waits for its own last store.
    int64_t i = channel, odd[kLevels] = {};
    for (; i + image.c < n; i += 2 * image.c) {
      ++count[image.pixels[i]];
      ++odd[image.pixels[i + image.c]];
    }
    if (i < n) ++count[image.pixels[i]];
    for (int v = 0; v < kLevels; ++v) count[v] += odd[v];
  }
  int lowest() const {
    return static_cast<int>(std::find_if(count, count + kLevels, [](int64_t n) { return n > 0; }) - count);
  }
  int highest() const {
    int v = kLevels - 1;
    while (v > 0 && count[v] == 0) --v;
    return v;
  }
  int64_t count[kLevels] = {};
};

int64_t mean_luma(const Image& image) {
  const int64_t pixels = image.h * image.w;
  int64_t sum = 0;
  for (int64_t i = 0; i < pixels; ++i) {
    sum += image.c == 3 ? luma(image.pixels + 3 * i) : image.pixels[i * image.c];
  }
  return static_cast<int64_t>(static_cast<double>(sum) / static_cast<double>(pixels) + 0.5);
}

// A pixel whose hue is turned by `sectors` sixths of a turn. Its largest and smallest channel keep their
// values and change places; the one between them follows from the hue.
void turn(uint8_t* rgb, float sectors) {
  const int r = rgb[0], g = rgb[1], b = rgb[2];
  const int high = std::max({r, g, b}), low = std::min({r, g, b}), range = high - low;
  if (range == 0) return;
  const float unit = 1.0f / static_cast<float>(range);
  float h = 0;
  if (high == r) {
    h = static_cast<float>(g - b) * unit;
  } else if (high == g) {
    h = 2.0f + static_cast<float>(b - r) * unit;
  } else {
    h = 4.0f + static_cast<float>(r - g) * unit;
  }
  h += sectors;  // -1 - 3 .. 5 + 3
  h += h < 0 ? 6.0f : 0.0f;
  h -= h >= 6 ? 6.0f : 0.0f;
  const int sector = std::clamp(static_cast<int>(h), 0, 5);
  const float part = h - static_cast<float>(sector), width = static_cast<float>(range);
  const float middle =
      sector % 2 == 0 ? static_cast<float>(low) + width * part : static_cast<float>(high) - width * part;
  const uint8_t v = static_cast<uint8_t>(high), p = static_cast<uint8_t>(low),
                m = static_cast<uint8_t>(std::clamp(middle * (255.999f / 255.0f), 0.0f, 255.0f));
  const uint8_t channels[6][3] = {{v, m, p}, {m, v, p}, {p, v, m}, {p, m, v}, {m, p, v}, {v, p, m}};
  std::copy_n(channels[sector], 3, rgb);
}

}  // namespace

void blend(const uint8_t* degenerate, int64_t n, float factor, uint8_t* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = mix(degenerate[i], to[i], factor);
}

void brightness(const Image& image, double factor) {
  blend_with(0, image.bytes(), static_cast<float>(factor), image.pixels);
}

void contrast(const Image& image, double factor) {
  if (image.bytes() == 0) return;
  blend_with(static_cast<uint8_t>(mean_luma(image)), image.bytes(), static_cast<float>(factor), image.pixels);
}

void saturation(const Image& image, double factor) {
  if (image.c != 3) return;
  uint8_t greys[3 * kPiece];
  const int64_t pixels = image.h * image.w;
  for (int64_t begin = 0; begin < pixels; begin += kPiece) {
    const int64_t count = std::min(kPiece, pixels - begin);
    uint8_t* rgb = image.pixels + 3 * begin;
    for (int64_t i = 0; i < count; ++i) std::fill_n(greys + 3 * i, 3, luma(rgb + 3 * i));
    blend(greys, 3 * count, static_cast<float>(factor), rgb);
  }
}

void hue(const Image& image, double shift) {
  if (image.c != 3) return;
  const double turns = shift - std::floor(shift + 0.5);  // in [-0.5, 0.5)
  const float sectors = static_cast<float>(6 * turns);
  const int64_t pixels = image.h * image.w;
  for (int64_t i = 0; i < pixels; ++i) turn(image.pixels + 3 * i, sectors);
}

void gamma(const Image& image, double gamma) {
  uint8_t table[kLevels];
  for (int v = 0; v < kLevels; ++v) table[v] = static_cast<uint8_t>(255.999 * pow_of(v / 255.0, gamma));
  look_up(image, table, 0, 1);
}

void posterize(const Image& image, double bits) {
  const uint8_t mask = static_cast<uint8_t>(0xFF << (8 - static_cast<int>(std::clamp(bits, 0.0, 8.0))));
  const int64_t n = image.bytes();
  for (int64_t i = 0; i < n; ++i) image.pixels[i] &= mask;
}

void solarize(const Image& image, double threshold) {
  const int first = static_cast<int>(std::ceil(std::clamp(threshold, 0.0, 256.0)));
  if (first > 255) return;
  const uint8_t lowest = static_cast<uint8_t>(first);
  const int64_t n = image.bytes();
  for (int64_t i = 0; i < n; ++i) {
    const uint8_t x = image.pixels[i];
    image.pixels[i] = x >= lowest ? static_cast<uint8_t>(~x) : x;
  }
}

void invert(const Image& image) {
  const int64_t n = image.bytes();
  for (int64_t i = 0; i < n; ++i) image.pixels[i] = static_cast<uint8_t>(~image.pixels[i]);
}

// The table has v -> (pixels darker than v + step / 2) / step, where step pixels share a
// level: Pillow's rule.
void equalize(const Image& image) {
  const int64_t pixels = image.h * image.w;
  for (int64_t channel = 0; channel < image.c && pixels > 0; ++channel) {
    const Histogram histogram(image, channel);
    const int64_t step = (pixels - histogram.count[histogram.highest()]) / 255;
    if (step == 0) continue;
    uint8_t table[kLevels];
    int64_t below = step / 2;
    for (int v = 0; v < kLevels; ++v) {
      table[v] = static_cast<uint8_t>(std::min<int64_t>(below / step, 255));
      below += histogram.count[v];
    }
    look_up(image, table, channel, image.c);
  }
}

void autocontrast(const Image& image) {
  for (int64_t channel = 0; channel < image.c && image.bytes() > 0; ++channel) {
    const Histogram histogram(image, channel);
    const int low = histogram.lowest(), high = histogram.highest();
    if (high <= low) continue;
    const double scale = 255.0 / (high - low), offset = -low * scale;
    uint8_t table[kLevels];
    for (int v = 0; v < kLevels; ++v) {
      table[v] = static_cast<uint8_t>(std::clamp(v * scale + offset, 0.0, 255.0));
    }
    look_up(image, table, channel, image.c);
  }
}

void grayscale(const Image& image) {
  if (image.c != 3) return;
  const int64_t pixels = image.h * image.w;
  for (int64_t i = 0; i < pixels; ++i) std::fill_n(image.pixels + 3 * i, 3, luma(image.pixels + 3 * i));
}

void color_offset(const Image& image, const double (&offset)[3]) {
  if (image.c != 3) return;
  for (int channel = 0; channel < 3; ++channel) {
    uint8_t table[kLevels];
    for (int v = 0; v < kLevels; ++v) {
      table[v] = static_cast<uint8_t>(std::clamp(v + offset[channel] + 0.5, 0.0, 255.0));
    }
    look_up(image, table, channel, 3);
  }
}

}  // namespace tenon::augment
