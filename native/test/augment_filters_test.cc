// Blur, sharpness and noise against their definitions in double, between guard pages.
#include "augment/filters.h"
#include "augment/noise.h"
#include "test/check.h"

namespace tenon::augment {
namespace {

using test::GuardedMemory;

uint8_t* bytes_of(const GuardedMemory& memory) { return reinterpret_cast<uint8_t*>(memory.data()); }

struct Sizes {
  int64_t h, w, c;
  size_t bytes() const { return static_cast<size_t>(h * w * c); }
};

constexpr Sizes kSizes[] = {{1, 1, 3},   {1, 9, 3},    {9, 1, 1},   {2, 2, 3}, {3, 3, 1}, {7, 4, 3},
                            {33, 19, 3}, {12, 200, 3}, {16, 16, 4}, {0, 3, 3}, {3, 0, 3}};

void fill(uint8_t* pixels, size_t n, uint64_t seed) {
  test::Random random(seed);
  for (size_t i = 0; i < n; ++i) pixels[i] = static_cast<uint8_t>(random.integer(0, 255));
}

int64_t reflect(int64_t i, int64_t n) {
  while (i < 0 || i >= n) {
    if (n == 1) return 0;
    i = i < 0 ? -i : 2 * (n - 1) - i;
  }
  return i;
}

double blurred(const Image& image, int size, double sigma, int64_t y, int64_t x, int64_t channel) {
  double sum = 0, weights = 0;
  const int radius = size / 2;
  for (int i = -radius; i <= radius; ++i) {
    for (int j = -radius; j <= radius; ++j) {
      const double weight = std::exp(-0.5 * (i * i + j * j) / (sigma * sigma));
      const int64_t at = reflect(y + i, image.h) * image.w + reflect(x + j, image.w);
      sum += weight * image.pixels[at * image.c + channel];
      weights += weight;
    }
  }
  return sum / weights;
}

void test_blur() {
  for (const Sizes& s : kSizes) {
    for (const auto& [size, sigma] : {std::pair{1, 1.0}, {3, 0.5}, {13, 2.0}, {31, 0.1}, {31, 40.0}}) {
      GuardedMemory from(s.bytes()), to(s.bytes());
      GuardedMemory scratch(blur_scratch({s.h, s.w}, s.c), alignof(float));
      fill(bytes_of(from), s.bytes(), 1);
      const Image image{bytes_of(from), s.h, s.w, s.c};
      const Image result{bytes_of(to), s.h, s.w, s.c};
      fill(result.pixels, s.bytes(), 1);
      gaussian_blur(result, size, sigma, scratch.data());
      double worst = 0;
      for (int64_t i = 0; i < image.bytes(); ++i) {
        const int64_t x = i / s.c % s.w, y = i / s.c / s.w;
        worst = std::max(worst, std::abs(result.pixels[i] - blurred(image, size, sigma, y, x, i % s.c)));
      }
      CHECK_THAT(worst < 0.5001, std::to_string(s.w) + " " + std::to_string(size));
    }
  }
}

void test_sharpness() {
  for (const Sizes& s : kSizes) {
    for (const double factor : {0.0, 0.4, 1.0, 3.0}) {
      GuardedMemory from(s.bytes()), to(s.bytes());
      fill(bytes_of(from), s.bytes(), 2);
      const Image image{bytes_of(from), s.h, s.w, s.c};
      const Image result{bytes_of(to), s.h, s.w, s.c};
      fill(result.pixels, s.bytes(), 2);
      GuardedMemory scratch(sharpness_scratch({s.h, s.w}, s.c));
      sharpness(result, factor, scratch.data());
      for (int64_t i = 0; i < image.bytes(); ++i) {
        const int64_t x = i / s.c % s.w, y = i / s.c / s.w;
        double smooth = image.pixels[i];
        if (x > 0 && y > 0 && x + 1 < s.w && y + 1 < s.h) {
          double sum = 4 * image.pixels[i];
          for (int64_t j = 0; j < 9; ++j) sum += image.pixels[i + ((j / 3 - 1) * s.w + j % 3 - 1) * s.c];
          smooth = std::floor(sum / 13 + 0.5);
        }
        const double y_exact = std::clamp(smooth + factor * (image.pixels[i] - smooth), 0.0, 255.0);
        CHECK(y_exact - result.pixels[i] < 1 && y_exact - result.pixels[i] > -1e-4);
      }
    }
  }
}

constexpr Draws::Key kKey{{1, 2}};

// Frequencies of all levels are within five standard deviations of the normal distribution's.
void test_gaussian_noise() {
  constexpr int64_t kSide = 500;
  for (const auto& [mean, sigma] : {std::pair{0.0, 0.1}, {0.0, 0.01}, {0.1, 0.04}, {-0.2, 0.5}}) {
    std::vector<uint8_t> pixels(3 * kSide * kSide, 100);
    Image image{pixels.data(), kSide, kSide, 3};
    gaussian_noise(image, mean, sigma, kKey);
    std::vector<double> counts(256);
    for (const uint8_t x : pixels) ++counts[x];
    const auto below = [&, m = mean, s = sigma](double level) {
      return 0.5 * std::erfc(-(level - 100 - 255 * m) / (255 * s * std::sqrt(2.0)));
    };
    const double n = static_cast<double>(pixels.size());
    for (int v = 0; v < 256; ++v) {
      const double p = (v == 255 ? 1 : below(v + 0.5)) - (v == 0 ? 0 : below(v - 0.5));
      CHECK_THAT(std::abs(counts[static_cast<size_t>(v)] - n * p) <= 5 * std::sqrt(n * p * (1 - p)) + 3,
                 std::to_string(sigma) + " level " + std::to_string(v));
    }
  }
  std::vector<uint8_t> pixels(300, 9);
  Image image{pixels.data(), 10, 10, 3};
  gaussian_noise(image, 0, 0, kKey);
  CHECK(std::count(pixels.begin(), pixels.end(), 9) == 300);
  gaussian_noise(image, 1000, 1000, kKey);
  gaussian_noise(image, -1e6, 0, kKey);
  CHECK(std::count(pixels.begin(), pixels.end(), 0) == 300);
}

void test_salt_and_pepper() {
  constexpr int64_t kSide = 500;
  std::vector<uint8_t> pixels(3 * kSide * kSide, 100);
  Image image{pixels.data(), kSide, kSide, 3};
  salt_and_pepper(image, 0.1, 0.3, kKey);
  int64_t white = 0, black = 0;
  for (size_t i = 0; i < pixels.size(); i += 3) {
    CHECK(pixels[i] == pixels[i + 1] && pixels[i] == pixels[i + 2]);
    white += pixels[i] == 255;
    black += pixels[i] == 0;
  }
  CHECK(std::abs(white - 7500) < 5 * 87 && std::abs(black - 17500) < 5 * 128);
  for (const double amount : {0.0, 1.0}) {
    std::vector<uint8_t> line(7, 100);
    Image small{line.data(), 1, 7, 1};
    salt_and_pepper(small, amount, 1, kKey);
    CHECK(std::count(line.begin(), line.end(), amount == 1 ? 255 : 100) == 7);
  }
}

// What an element takes depends on its place alone: noise on fewer rows is the beginning of noise on more.
void test_positions() {
  GuardedMemory few(3 * 5 * 3), many(6 * 5 * 3);
  std::memset(few.data(), 128, few.bytes());
  std::memset(many.data(), 128, many.bytes());
  Image a{bytes_of(few), 3, 5, 3}, b{bytes_of(many), 6, 5, 3};
  gaussian_noise(a, 0, 0.2, kKey);
  gaussian_noise(b, 0, 0.2, kKey);
  CHECK(std::equal(a.pixels, a.pixels + a.bytes(), b.pixels));
}

}  // namespace
}  // namespace tenon::augment

int main() {
  tenon::augment::test_blur();
  tenon::augment::test_sharpness();
  tenon::augment::test_gaussian_noise();
  tenon::augment::test_salt_and_pepper();
  tenon::augment::test_positions();
  return tenon::test::report();
}
