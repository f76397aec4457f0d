// Pooling on every target against the naive float64 reference.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Case {
  Dims x;
  std::vector<double> window;  // kh, kw, sh, sw, padding above, below, left, right, dh, dw
};

std::string describe(const Case& c, Target target) {
  std::string text = std::string(name_of(target)) + " [";
  for (const int64_t dim : c.x) text += std::to_string(dim) + " ";
  text += "]";
  for (const double v : c.window) text += " " + std::to_string(static_cast<int>(v));
  return text;
}

Dims pooled(const Case& c) {
  Dims y = c.x;
  for (size_t axis : {0, 1}) {
    const int64_t window = static_cast<int64_t>(c.window[8 + axis] * (c.window[axis] - 1)) + 1;
    const int64_t padding = static_cast<int64_t>(c.window[4 + 2 * axis] + c.window[5 + 2 * axis]);
    y[1 + axis] = (c.x[1 + axis] + padding - window) / static_cast<int64_t>(c.window[2 + axis]) + 1;
  }
  return y;
}

DType tap_type(const Case& c) { return c.window[0] * c.window[1] <= 256 ? DType::u8 : DType::i32; }

// Small integers: many ties, and every sum exact.
void test_max(const Case& c) {
  const int64_t n = numel_of(c.x), m = numel_of(pooled(c));
  auto values = random_integers(n, 11, -3, 3);
  for (int64_t i = 0; i < n; i += 37) values[static_cast<size_t>(i)] = NAN;
  for (int64_t i = 5; i < n; i += 41) values[static_cast<size_t>(i)] = -INFINITY;
  const auto gradient = random_integers(m, 12, -8, 8);
  const Tensor x(Target::ref, c.x, values), y(Target::ref, pooled(c)), tap(tap_type(c), pooled(c));
  const Tensor dy(Target::ref, pooled(c), gradient), dx(Target::ref, c.x);
  run_kernel("max_pool2d", Target::ref, {x, y, tap}, c.window);
  run_kernel("max_pool2d_backward", Target::ref, {dy, tap, dx}, c.window);
  for_each_target([&](Target target) {
    const std::string what = describe(c, target);
    const Tensor tx(target, c.x, values), ty(target, pooled(c)), ttap(tap_type(c), pooled(c));
    const Tensor tdy(target, pooled(c), gradient), tdx(target, c.x);
    run_kernel("max_pool2d", target, {tx, ty, ttap}, c.window);
    close(ty, y.values(), 0, 0, what + " y");
    close(ttap, tap.values(), 0, 0, what + " tap");
    const Tensor without(target, pooled(c));
    run_kernel("max_pool2d", target, {tx, without}, c.window);
    CHECK_THAT(same_bits(without, ty), what + " y without taps");
    run_kernel("max_pool2d_backward", target, {tdy, ttap, tdx}, c.window);
    close(tdx, dx.values(), 0, 0, what + " dx");
  });
}

void test_avg(const Case& c, bool count_padding) {
  std::vector<double> attrs(c.window.begin(), c.window.begin() + 8);
  attrs.push_back(count_padding);
  const auto values = random_values(numel_of(c.x), 13), gradient = random_values(numel_of(pooled(c)), 14);
  const Tensor x(Target::ref, c.x, values), y(Target::ref, pooled(c));
  const Tensor dy(Target::ref, pooled(c), gradient), dx(Target::ref, c.x);
  run_kernel("avg_pool2d", Target::ref, {x, y}, attrs);
  run_kernel("avg_pool2d_backward", Target::ref, {dy, dx}, attrs);
  for_each_target([&](Target target) {
    const std::string what = describe(c, target) + " avg, padding counts " + std::to_string(count_padding);
    const Tensor tx(target, c.x, values), ty(target, pooled(c));
    const Tensor tdy(target, pooled(c), gradient), tdx(target, c.x);
    run_kernel("avg_pool2d", target, {tx, ty}, attrs);
    // A mean of K values: each sum rounds K times values of at most K.
    close(ty, y.values(), eps_of(target) * c.window[0] * c.window[1], 0, what + " y");
    run_kernel("avg_pool2d_backward", target, {tdy, tdx}, attrs);
    close(tdx, dx.values(), 4 * eps_of(target) * c.window[0] * c.window[1], 0, what + " dx");
  });
}

void test_case(const Case& c) {
  test_max(c);
  if (c.window[8] != 1 || c.window[9] != 1) return;
  test_avg(c, false);
  test_avg(c, true);
}

void test_threads() {
  for_each_target([](Target target) {
    for (const Case& c : {Case{{3, 40, 41, 24}, {3, 3, 2, 2, 1, 1, 1, 1, 1, 1}},
                          Case{{3, 41, 40, 24}, {2, 2, 2, 2, 0, 0, 0, 0, 1, 1}},
                          Case{{3, 41, 40, 24}, {3, 3, 2, 2, 0, 1, 1, 0, 1, 1}}}) {
      const Tensor x(target, c.x, random_values(numel_of(c.x), 1)), y(target, pooled(c)),
          tap(tap_type(c), pooled(c));
      const Tensor dy(target, pooled(c), random_values(numel_of(pooled(c)), 2)), dx(target, c.x);
      check_threads("max_pool2d", target, {x, y, tap}, c.window, y);
      check_threads("max_pool2d", target, {x, y, tap}, c.window, tap);
      check_threads("max_pool2d_backward", target, {dy, tap, dx}, c.window, dx);
      std::vector<double> attrs(c.window.begin(), c.window.begin() + 8);
      attrs.push_back(0);
      check_threads("avg_pool2d", target, {x, y}, attrs, y);
      check_threads("avg_pool2d_backward", target, {dy, dx}, attrs, dx);
    }
  });
}

void test_rejects() {
  for_each_target([](Target target) {
    const Case c{{2, 6, 6, 5}, {2, 2, 2, 2, 0, 0, 0, 0, 1, 1}};
    const Tensor x(target, c.x), y(target, pooled(c)), tap(DType::u8, pooled(c)), wide(DType::i32, pooled(c));
    CHECK(!rejects("max_pool2d", target, {x, y, tap}, c.window));
    CHECK(rejects("max_pool2d", target, {x, y, wide}, c.window));
    CHECK(!rejects("max_pool2d", target, {x, y}, c.window));
    CHECK(rejects("max_pool2d", target, {x}, c.window));
    CHECK(rejects("max_pool2d", target, {x, tap}, c.window));
    CHECK(rejects("max_pool2d", target, {x, x, tap}, c.window));
    CHECK(rejects("max_pool2d_backward", target, {y, tap, y}, c.window));
    CHECK(!rejects("max_pool2d_backward", target, {y, tap, x}, c.window));
    CHECK(rejects("max_pool2d_backward", target, {y, x}, c.window));
    for (size_t i = 0; i < 10; ++i) {
      for (const double bad : {-1.0, 0.5, 7.0, 1e300, -1e300, double(NAN), double(INFINITY)}) {
        auto window = c.window;
        window[i] = bad;
        // A stride of 7 gives one output, a dilation of 7 none: y has the wrong shape either way.
        CHECK_THAT(rejects("max_pool2d", target, {x, y, tap}, window), std::to_string(i));
        if (i < 8) window.resize(8), window.push_back(1);
        if (i < 8) CHECK_THAT(rejects("avg_pool2d", target, {x, y}, window), std::to_string(i));
      }
    }
    const Tensor flat(target, {6, 30});
    CHECK(rejects("max_pool2d", target, {flat, y, tap}, c.window));
    CHECK(rejects("avg_pool2d", target, {x, y}, {2, 2, 2, 2, 0, 0, 0, 0, 2}));
  });
}

}  // namespace

int main() {
  for (const int64_t channels : {0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 33, 64}) {
    for (const std::vector<double>& window : std::vector<std::vector<double>>{
             {2, 2, 2, 2, 0, 0, 0, 0, 1, 1},
             {3, 3, 2, 2, 1, 1, 1, 1, 1, 1},
             {3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
             {3, 2, 3, 2, 0, 0, 0, 0, 1, 1},
             {2, 3, 1, 3, 1, 1, 0, 0, 1, 1},
             {1, 1, 2, 2, 0, 0, 0, 0, 1, 1},
             {3, 3, 2, 1, 2, 2, 2, 2, 2, 2},
             {5, 7, 1, 1, 0, 0, 0, 0, 1, 1},
             {3, 3, 2, 2, 0, 1, 0, 1, 1, 1},
             {2, 2, 2, 2, 0, 1, 0, 1, 1, 1},
             {5, 4, 2, 3, 2, 0, 0, 2, 1, 1},
             {3, 3, 1, 2, 0, 2, 2, 1, 2, 2},
         }) {
      test_case({{2, 9, 11, channels}, window});
      test_case({{1, 5, 7, channels}, window});
    }
  }
  test_case({{2, 7, 7, 20}, {7, 7, 7, 7, 0, 0, 0, 0, 1, 1}});     // global
  test_case({{1, 20, 20, 3}, {17, 17, 1, 1, 8, 8, 8, 8, 1, 1}});  // 289 taps: i32
  test_case({{2, 18, 37, 5}, {18, 18, 18, 18, 0, 0, 0, 0, 1, 1}});
  test_case({{2, 1, 1, 5}, {2, 2, 1, 1, 2, 2, 2, 2, 4, 4}});  // dilated windows that miss the image
  test_case({{0, 4, 4, 5}, {2, 2, 2, 2, 0, 0, 0, 0, 1, 1}});
  test_threads();
  test_rejects();
  return report();
}
