// Operations on colours against their definitions in double, between guard pages; what Pillow and torchvision
// compute is in test/augment.
#include "augment/tone.h"

#include <array>
#include <functional>

#include "augment/functions.h"
#include "test/check.h"

namespace tenon::augment {
namespace {

using test::GuardedMemory;

struct Picture {
  Picture(int64_t h, int64_t w, int64_t c, uint64_t seed, int low = 0, int high = 255)
      : memory(static_cast<size_t>(h * w * c)),
        image{reinterpret_cast<uint8_t*>(memory.data()), h, w, c},
        before(static_cast<size_t>(h * w * c)) {
    test::Random random(seed);
    for (uint8_t& x : before) x = static_cast<uint8_t>(random.integer(low, high));
    std::copy(before.begin(), before.end(), image.pixels);
  }
  GuardedMemory memory;
  Image image;
  std::vector<uint8_t> before;
};

int clip(double x) { return static_cast<int>(std::clamp(x, 0.0, 255.0)); }

double luma_of(const uint8_t* rgb) {
  return std::floor(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] + 0.5);
}

// Every byte of `change`d pictures of many sizes is at most `tolerance` from what `expected` says of the
// byte's pixel and channel.
void test_bytes(const char* name, const std::function<void(Image&)>& change, int tolerance,
                const std::function<double(const Picture&, const uint8_t* pixel, int channel)>& expected) {
  for (const auto& [h, w, c] : std::vector<std::array<int64_t, 3>>{
           {1, 1, 3}, {3, 5, 3}, {17, 31, 3}, {20, 20, 3}, {1, 257, 3}, {7, 9, 1}, {5, 7, 2}, {0, 4, 3}}) {
    Picture picture(h, w, c, static_cast<uint64_t>(h * w));
    change(picture.image);
    int64_t worst = 0;
    for (int64_t i = 0; i < h * w * c; ++i) {
      const double y = expected(picture, picture.before.data() + i / c * c, static_cast<int>(i % c));
      worst = std::max<int64_t>(worst, std::abs(picture.image.pixels[i] - clip(y)));
    }
    CHECK_THAT(worst <= tolerance, std::string(name) + " " + std::to_string(w) + " " + std::to_string(c));
  }
}

void test_factors() {
  for (const double factor : {0.0, 0.3, 1.0, 1.7, 40.0}) {
    test_bytes(
        "brightness", [&](Image& image) { brightness(image, factor); }, 1,
        [&](const Picture&, const uint8_t* pixel, int channel) { return factor * pixel[channel]; });
    test_bytes(
        "saturation", [&](Image& image) { saturation(image, factor); }, 1,
        [&](const Picture& p, const uint8_t* pixel, int channel) {
          if (p.image.c != 3) return double{pixel[channel] * 1.0};
          return luma_of(pixel) + factor * (pixel[channel] - luma_of(pixel));
        });
    test_bytes(
        "contrast", [&](Image& image) { contrast(image, factor); }, 1,
        [&](const Picture& p, const uint8_t* pixel, int channel) {
          double sum = 0;
          const int64_t c = p.image.c, pixels = p.image.h * p.image.w;
          for (int64_t i = 0; i < pixels; ++i) {
            sum += c == 3 ? luma_of(&p.before[static_cast<size_t>(3 * i)])
                          : p.before[static_cast<size_t>(c * i)];
          }
          const double mean = std::floor(sum / static_cast<double>(pixels) + 0.5);
          return mean + factor * (pixel[channel] - mean);
        });
  }
}

// Smith, "Color gamut transform pairs" (1978), in double.
double hue_of(const uint8_t* rgb, double shift, int channel) {
  const double r = rgb[0] / 255.0, g = rgb[1] / 255.0, b = rgb[2] / 255.0;
  const double v = std::max({r, g, b}), range = v - std::min({r, g, b});
  if (range == 0) return rgb[channel];
  const double sixth = v == r ? (g - b) / range : v == g ? 2 + (b - r) / range : 4 + (r - g) / range;
  const double turns = sixth / 6 + shift, k = std::fmod(std::array{5, 3, 1}[channel] + 6 * turns + 12, 6);
  return 255.999 * (v - range * std::max(0.0, std::min({k, 4 - k, 1.0})));
}

void test_hue() {
  for (const double shift : {-0.5, -0.21, 0.0, 0.08, 0.5}) {
    test_bytes(
        "hue", [&](Image& image) { hue(image, shift); }, 1,
        [&](const Picture& p, const uint8_t* pixel, int channel) {
          return p.image.c == 3 ? hue_of(pixel, shift, channel) : pixel[channel];
        });
  }
  // A third of a turn puts each channel in the place of the next; a whole one does nothing.
  for (const double shift : {1.0 / 3, 1.0}) {
    Picture picture(40, 40, 3, 1);
    hue(picture.image, shift);
    int worst = 0;
    for (size_t i = 0; i < 4800; ++i) {
      const size_t from = shift == 1 ? i : i / 3 * 3 + (i + 2) % 3;
      worst = std::max(worst, std::abs(picture.image.pixels[i] - picture.before[from]));
    }
    CHECK(worst <= 1);
  }
}

void test_tables() {
  using P = const Picture&;
  using X = const uint8_t*;
  test_bytes("invert", invert, 0, [](P, X pixel, int channel) { return 255.0 - pixel[channel]; });
  for (const double exponent : {0.0, 0.4, 1.0, 2.2}) {
    test_bytes(
        "gamma", [&](Image& image) { gamma(image, exponent); }, 0,
        [&](P, X pixel, int channel) { return 255.999 * std::pow(pixel[channel] / 255.0, exponent); });
  }
  for (const int bits : {0, 1, 4, 8}) {
    test_bytes(
        "posterize", [&](Image& image) { posterize(image, bits); }, 0,
        [&](P, X pixel, int channel) {
          return std::floor(pixel[channel] / std::exp2(8 - bits)) * std::exp2(8 - bits);
        });
  }
  for (const double threshold : {-1.0, 0.0, 127.5, 128.0, 255.0, 256.0, 1e300}) {
    test_bytes(
        "solarize", [&](Image& image) { solarize(image, threshold); }, 0,
        [&](P, X pixel, int channel) {
          return pixel[channel] >= threshold ? 255.0 - pixel[channel] : pixel[channel];
        });
  }
  test_bytes("grayscale", grayscale, 0, [](P p, X pixel, int channel) {
    return p.image.c == 3 ? luma_of(pixel) : double{pixel[channel] * 1.0};
  });
  const double offset[3] = {-20.2, 0, 300};
  test_bytes(
      "color_offset", [&](Image& image) { color_offset(image, offset); }, 0,
      [&](P p, X pixel, int k) {
        return p.image.c == 3 ? std::floor(pixel[k] + offset[k] + 0.5) : pixel[k];
      });
}

void test_histograms() {
  Picture picture(40, 50, 3, 3, 30, 90);
  autocontrast(picture.image);
  const auto [low, high] = std::minmax_element(picture.image.pixels, picture.image.pixels + 6000);
  CHECK(*low == 0 && *high == 255);
  for (size_t i = 0; i < 6000; ++i) {
    CHECK(picture.image.pixels[i] == clip((picture.before[i] - 30) * (255.0 / 60) + 1e-9));
  }
  // A level becomes the number of darker pixels of its channel, in steps of a 255th of those that are
  // not the lightest.
  Picture even(40, 50, 3, 3, 30, 90);
  equalize(even.image);
  for (size_t i = 0; i < 6000; ++i) {
    int64_t darker = 0, lightest = 0, top = 0;
    for (size_t j = i % 3; j < 6000; j += 3) top = std::max<int64_t>(top, even.before[j]);
    for (size_t j = i % 3; j < 6000; j += 3) {
      darker += even.before[j] < even.before[i];
      lightest += even.before[j] == top;
    }
    const int64_t step = (2000 - lightest) / 255;
    CHECK(even.image.pixels[i] == std::min<int64_t>(255, (darker + step / 2) / step));
  }
  for (const int level : {0, 7, 255}) {  // one level has nothing to spread
    Picture flat(9, 9, 3, 1, level, level);
    equalize(flat.image);
    autocontrast(flat.image);
    CHECK(std::equal(flat.before.begin(), flat.before.end(), flat.image.pixels));
  }
}

void test_functions() {
  test::Random random(5);
  for (int i = 0; i < 20000; ++i) {
    const double x = random.uniform(-30, 0), positive = std::exp(x);
    CHECK(std::abs(log_of(positive) - std::log(positive)) <= 1e-15 * (1 + std::abs(x)));
    CHECK(std::abs(pow_of(positive, 0.3) / std::pow(positive, 0.3) - 1) < 1e-14);
  }
  CHECK(log_of(1) == 0 && pow_of(0, 0) == 1 && pow_of(0, 2) == 0 && pow_of(1, 7) == 1 &&
        pow_of(0.5, 1e4) == 0);
  CHECK(std::abs(log_of(5e-324) - std::log(5e-324)) < 1e-12);
}

}  // namespace
}  // namespace tenon::augment

int main() {
  tenon::augment::test_factors();
  tenon::augment::test_hue();
  tenon::augment::test_tables();
  tenon::augment::test_histograms();
  tenon::augment::test_functions();
  return tenon::test::report();
}
