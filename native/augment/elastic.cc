#include <cmath>
#include <cstring>

#include "augment/functions.h"
#include "augment/geometric.h"

namespace tenon::augment {
namespace {

// The blur of a row's ends mirrors the row: ... 2 1 0 1 2 ... n-2 n-1 n-2 ...
int64_t mirrored(int64_t i, int64_t n) {
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1), at = ((i % period) + period) % period;
  return std::min(at, period - at);
}

// Weights of a Gaussian kernel from its middle outwards; as wide as torchvision's, 8 sigma + 1.
constexpr int64_t kMaxReach = 512;
struct Kernel {
  explicit Kernel(double sigma) : reach(std::min(static_cast<int64_t>(8 * sigma + 1) / 2, kMaxReach)) {
    double sum = 0;
    for (int64_t i = 0; i <= reach; ++i) {
      const double x = static_cast<double>(i) / sigma;
      const double weight = exp_of(std::max(-x * x / 2, -700.0));
      weights[i] = static_cast<float>(weight);
      sum += i == 0 ? weight : 2 * weight;
    }
    for (int64_t i = 0; i <= reach; ++i) weights[i] = static_cast<float>(weights[i] / sum);
  }
  int64_t reach;
  float weights[kMaxReach + 1];
};

// to[i] += weight * from[i]
void add_scaled(int64_t n, float weight, const float* from, float* to) {
  for (int64_t i = 0; i < n; ++i) to[i] += weight * from[i];
}

void blur_down(const Size& size, const Kernel& kernel, const float* from, float* to) {
  const auto [h, w] = size;
  std::fill_n(to, h * w, 0.0f);
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t i = -kernel.reach; i <= kernel.reach; ++i)
      add_scaled(w, kernel.weights[std::abs(i)], from + mirrored(y + i, h) * w, to + y * w);
  }
}

// `padded` holds w + 2 reach numbers.
void blur_across(const Size& size, const Kernel& kernel, float* padded, const float* from, float* to) {
  const auto [h, w] = size;
  std::fill_n(to, h * w, 0.0f);
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t i = 0; i < w + 2 * kernel.reach; ++i)
      padded[i] = from[y * w + mirrored(i - kernel.reach, w)];
    for (int64_t i = -kernel.reach; i <= kernel.reach; ++i)
      add_scaled(w, kernel.weights[std::abs(i)], padded + kernel.reach + i, to + y * w);
  }
}

}  // namespace

size_t elastic_scratch(const Size& in, int64_t) {
  return static_cast<size_t>(2 * in.h * in.w + in.w + 2 * kMaxReach) * sizeof(float);
}

Frame elastic(const Size& in, const Workspace& workspace, const double* p, Draws& draws) {
  const int64_t pixels = in.h * in.w;
  const Kernel kernel(p[1]);
  float* noise = reinterpret_cast<float*>(workspace.scratch);
  float *blurred = noise + pixels, *padded = blurred + pixels;
  const float scale = static_cast<float>(p[0] / 2);
  for (int axis = 0; axis < 2; ++axis) {
    const Draws::Key key = draws.fork();
    for (int64_t i = 0; i < pixels; i += 4) {
      const PhiloxBlock block = philox(key.v[0], key.v[1], static_cast<uint32_t>(i / 4), 0, 0, 0);
      for (int64_t j = i; j < std::min(i + 4, pixels); ++j)
        noise[j] = scale * (2 * static_cast<float>(philox_uniform(block.v[j - i])) - 1);
    }
    blur_down(in, kernel, noise, blurred);
    blur_across(in, kernel, padded, blurred, workspace.field + axis * pixels);
  }
  return {{1, 0, 0, 0, 1, 0}, in, in, colour_of(p + 3), p[2] != 0 ? Sampling::nearest : Sampling::bilinear,
          workspace.field};
}

}  // namespace tenon::augment
