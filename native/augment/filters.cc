#include "augment/filters.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "augment/functions.h"
#include "augment/tone.h"

namespace tenon::augment {
namespace {

constexpr int kMaxRadius = kMaxBlurSize / 2;

// Weights of the taps 0, 1, ..., radius on each side; those that cannot change a byte are left out.
struct Gaussian {
  Gaussian(int size, double sigma) : radius(std::clamp(size / 2, 0, kMaxRadius)) {
    double exact[kMaxRadius + 1], sum = 0;
    for (int i = 0; i <= radius; ++i) {
      exact[i] = exp_of(std::max(-700.0, -0.5 * (i / sigma) * (i / sigma)));
      sum += i == 0 ? exact[i] : 2 * exact[i];
    }
    for (int i = 0; i <= radius; ++i) weight[i] = static_cast<float>(exact[i] / sum);
    while (radius > 0 && weight[radius] < 1e-7f) --radius;
  }
  int radius;
  float weight[kMaxRadius + 1];
};

// Where position i of a line of n lies, mirrored at its ends as often as it takes.
int64_t mirrored(int64_t i, int64_t n) {
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1), at = ((i % period) + period) % period;
  return at < n ? at : period - at;
}

// row = weight[0] image[y] + sum over i of weight[i] (image[y - i] + image[y + i])
void blur_columns(const Image& image, const Gaussian& gaussian, int64_t y, float* row) {
  const int64_t n = image.w * image.c;
  const uint8_t* center = image.pixels + y * n;
  for (int64_t x = 0; x < n; ++x) row[x] = gaussian.weight[0] * static_cast<float>(center[x]);
  for (int i = 1; i <= gaussian.radius; ++i) {
    const uint8_t* above = image.pixels + mirrored(y - i, image.h) * n;
    const uint8_t* below = image.pixels + mirrored(y + i, image.h) * n;
    const float weight = gaussian.weight[i];
    for (int64_t x = 0; x < n; ++x) row[x] += weight * static_cast<float>(above[x] + below[x]);
  }
}

// The pixels of `row` mirrored in front of it and behind it, `radius` on each side.
void extend(float* row, int64_t w, int64_t c, int radius) {
  for (int64_t i = 1; i <= radius; ++i) {
    std::memcpy(row - i * c, row + mirrored(-i, w) * c, static_cast<size_t>(c) * sizeof(float));
    std::memcpy(row + (w - 1 + i) * c, row + mirrored(w - 1 + i, w) * c,
                static_cast<size_t>(c) * sizeof(float));
  }
}

void blur_row(const float* row, int64_t n, int64_t c, const Gaussian& gaussian, float* sums, uint8_t* to) {
  for (int64_t x = 0; x < n; ++x) sums[x] = gaussian.weight[0] * row[x] + 0.5f;
  for (int i = 1; i <= gaussian.radius; ++i) {
    const float *left = row - i * c, *right = row + i * c;
    const float weight = gaussian.weight[i];
    for (int64_t x = 0; x < n; ++x) sums[x] += weight * (left[x] + right[x]);
  }
  for (int64_t x = 0; x < n; ++x) {
    to[x] = static_cast<uint8_t>(static_cast<int32_t>(std::min(sums[x], 255.0f)));
  }
}

// The image in other memory.
Image copy(const Image& image, std::byte* to) {
  std::memcpy(to, image.pixels, static_cast<size_t>(image.bytes()));
  return {reinterpret_cast<uint8_t*>(to), image.h, image.w, image.c};
}

}  // namespace

size_t blur_scratch(const Size& size, int64_t c) {
  return static_cast<size_t>((2 * size.w + 2 * kMaxRadius) * c) * sizeof(float) + sharpness_scratch(size, c);
}

void gaussian_blur(const Image& image, int size, double sigma, std::byte* scratch) {
  const Gaussian gaussian(size, sigma);
  const int64_t n = image.w * image.c;
  float* row = reinterpret_cast<float*>(scratch) + kMaxRadius * image.c;
  float* sums = row + n + kMaxRadius * image.c;
  const Image from = copy(image, reinterpret_cast<std::byte*>(sums + n));
  for (int64_t y = 0; y < image.h && n > 0; ++y) {
    blur_columns(from, gaussian, y, row);
    extend(row, image.w, image.c, gaussian.radius);
    blur_row(row, n, image.c, gaussian, sums, image.pixels + y * n);
  }
}

size_t sharpness_scratch(const Size& size, int64_t c) { return static_cast<size_t>(size.h * size.w * c); }

void sharpness(const Image& image, double factor, std::byte* scratch) {
  const int64_t n = image.w * image.c, c = image.c;
  const Image from = copy(image, scratch);
  for (int64_t y = 1; y < image.h - 1; ++y) {
    const uint8_t *above = from.pixels + (y - 1) * n, *row = above + n, *below = row + n;
    constexpr int64_t kPiece = 512;
    uint8_t smooth[kPiece];
    for (int64_t begin = c; begin < n - c; begin += kPiece) {
      const int64_t count = std::min(kPiece, n - c - begin);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t x = begin + i;
        const int sum = above[x - c] + above[x] + above[x + c] + row[x - c] + 5 * row[x] + row[x + c] +
                        below[x - c] + below[x] + below[x + c];
        smooth[i] = static_cast<uint8_t>(static_cast<uint16_t>(sum + 6) / 13);
      }
      blend(smooth, count, static_cast<float>(factor), image.pixels + y * n + begin);
    }
  }
}

}  // namespace tenon::augment
