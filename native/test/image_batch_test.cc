// image_batch on every target: against a pixel-by-pixel statement of what it is, written here.
#include "base/philox.h"
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Case {
  Dims data;  // T, H, W, C
  int64_t oh, ow;
  double flip;
  int64_t padding;
};

constexpr uint32_t kKey0 = 0xDEADBEEF, kKey1 = 77;

// Element (row, col, ch) of y for one sample.
double pixel(const Case& c, const std::vector<double>& data, int64_t sample, uint32_t epoch, int64_t row,
             int64_t col, int64_t ch, double mean, double std) {
  const PhiloxBlock r = philox(kKey0, kKey1, static_cast<uint32_t>(sample), 0, 0, epoch);
  const int64_t h = c.data[1], w = c.data[2];
  const int64_t top =
      static_cast<int64_t>(philox_uniform(r.v[1]) * static_cast<double>(h + 2 * c.padding - c.oh + 1));
  const int64_t left =
      static_cast<int64_t>(philox_uniform(r.v[2]) * static_cast<double>(w + 2 * c.padding - c.ow + 1));
  if (philox_uniform(r.v[0]) < c.flip) col = c.ow - 1 - col;
  const int64_t y = row + top - c.padding, x = col + left - c.padding;
  const bool inside = y >= 0 && y < h && x >= 0 && x < w;
  const double byte = inside ? data[static_cast<size_t>(((sample * h + y) * w + x) * c.data[3] + ch)] : 0;
  return (byte / 255 - mean) / std;
}

void test_case(const Case& c) {
  const int64_t channels = c.data[3];
  const auto bytes = random_integers(numel_of(c.data), 41, 0, 255);
  const auto index = random_integers(9, 42, 0, c.data[0] - 1);
  const auto mean = random_values(channels, 43, 0.2, 0.6), std = random_values(channels, 44, 0.2, 0.4);
  const Dims out{9, c.oh, c.ow, channels};
  for (const uint32_t epoch : {0u, 3u}) {
    std::vector<double> want;
    for (const double sample : index)
      for (int64_t row = 0; row < c.oh; ++row)
        for (int64_t col = 0; col < c.ow; ++col)
          for (int64_t ch = 0; ch < channels; ++ch)
            want.push_back(pixel(c, bytes, static_cast<int64_t>(sample), epoch, row, col, ch,
                                 mean[static_cast<size_t>(ch)], std[static_cast<size_t>(ch)]));
    for_each_target([&](Target target) {
      const Tensor data(DType::u8, c.data, bytes), indices(DType::i32, {9}, index),
          step(DType::f64, {}, {double(epoch)});
      const Tensor means(target, {channels}, mean), stds(target, {channels}, std), y(target, out);
      const std::vector<TensorView> views{data, indices, means, stds, step, y};
      const std::vector<double> attrs{kKey0, kKey1, c.flip, static_cast<double>(c.padding)};
      CHECK(!run_kernel("image_batch", target, views, attrs).faulted());
      std::string what = std::string(name_of(target));
      for (const int64_t dim : c.data) what += " " + std::to_string(dim);
      close(y, want, 16 * eps_of(target), 0, what);
      check_threads("image_batch", target, views, attrs, y);
    });
  }
}

void test_faults_and_rejects() {
  for_each_target([](Target target) {
    const Tensor data(DType::u8, {3, 4, 5, 2}), index(DType::i32, {3}, {2, 3, -1}),
        epoch(DType::f64, {}, {0});
    const Tensor mean(target, {2}, {0, 0}), std(target, {2}, {1, 1}), y(target, {3, 4, 5, 2});
    const std::vector<double> attrs{1, 2, 0.5, 0};
    const Outcome outcome = run_kernel("image_batch", target, {data, index, mean, std, epoch, y}, attrs);
    CHECK(outcome.fault() == Fault::index_out_of_range && outcome.fault_index() == 1);
    CHECK(y.at(0) == 1 && y.at(40) == 0 && y.at(80) == 0);
    index.set({0, 0, 0});
    for (const double odd : {-1.0, 1e300, double(NAN), double(INFINITY), 0.5}) {
      epoch.set({odd});
      CHECK(!run_kernel("image_batch", target, {data, index, mean, std, epoch, y}, attrs).faulted());
    }
    const Tensor three(target, {3}), floats(target, {3, 4, 5, 2}), larger(target, {3, 5, 5, 2}),
        two(target, {2, 4, 5, 2});
    CHECK(rejects("image_batch", target, {floats, index, mean, std, epoch, y}, attrs));
    CHECK(rejects("image_batch", target, {data, three, mean, std, epoch, y}, attrs));
    CHECK(rejects("image_batch", target, {data, index, three, std, epoch, y}, attrs));
    CHECK(rejects("image_batch", target, {data, index, mean, three, epoch, y}, attrs));
    CHECK(rejects("image_batch", target, {data, index, mean, std, mean, y}, attrs));
    CHECK(rejects("image_batch", target, {data, index, mean, std, epoch, larger}, attrs));
    CHECK(rejects("image_batch", target, {data, index, mean, std, epoch, two}, attrs));
    CHECK(rejects("image_batch", target, {data, index, mean, std, epoch}, attrs));
    for (const auto& bad : std::vector<std::vector<double>>{{-1, 2, 0.5, 0},
                                                            {1, 4294967296.0, 0.5, 0},
                                                            {1, 2, 1.5, 0},
                                                            {1, 2, NAN, 0},
                                                            {1, 2, 0, -1},
                                                            {1, 2, 0, 0.5},
                                                            {1, 2, 0, 1e18},
                                                            {1, 2, 0}}) {
      CHECK(rejects("image_batch", target, {data, index, mean, std, epoch, y}, bad));
    }
  });
}

// A sample that comes again in an epoch is drawn anew.
void test_occurrence() {
  for_each_target([](Target target) {
    const Tensor data(DType::u8, {1, 8, 8, 1}, random_integers(64, 45, 0, 255)),
        index(DType::i32, {2}, {0, 0}), epoch(DType::f64, {}, {0}), mean(target, {1}, {0}),
        std(target, {1}, {1});
    const Tensor y(target, {2, 8, 8, 1}), first(target, {2, 8, 8, 1});
    const std::vector<double> attrs{1, 2, 0.5, 4};
    const auto values = [&](const Tensor& occurrence) {
      run_kernel("image_batch", target, {data, index, mean, std, epoch, occurrence, y}, attrs);
      return y.values();
    };
    run_kernel("image_batch", target, {data, index, mean, std, epoch, first}, attrs);
    const std::vector<double> never = first.values();
    CHECK(values(Tensor(DType::i32, {2}, {0, 0})) == never);
    const std::vector<double> again = values(Tensor(DType::i32, {2}, {0, 1}));
    CHECK(std::equal(again.begin(), again.begin() + 64, never.begin()) && again != never);
    const Tensor three(DType::i32, {3}), floats(target, {2});
    CHECK(rejects("image_batch", target, {data, index, mean, std, epoch, three, y}, attrs));
    CHECK(rejects("image_batch", target, {data, index, mean, std, epoch, floats, y}, attrs));
  });
}

}  // namespace

int main() {
  test_occurrence();
  for (const int64_t channels : {1, 2, 3, 4, 5, 16, 17}) {
    test_case({{5, 7, 9, channels}, 7, 9, 0, 0});
    test_case({{5, 7, 9, channels}, 7, 9, 0.5, 2});
    test_case({{5, 7, 9, channels}, 4, 5, 1, 1});
    test_case({{5, 3, 3, channels}, 2, 2, 0.5, 9});  // crops that miss the image
  }
  for (int64_t width = 1; width <= 24; ++width) test_case({{3, 2, width, 3}, 2, width, 1, 0});
  test_case({{3, 32, 32, 3}, 32, 32, 0.5, 4});
  test_case({{2, 3, 600, 3}, 3, 500, 0.5, 0});  // rows longer than a piece of a flipped one
  test_case({{2, 2, 5, 1500}, 2, 4, 0.5, 1});
  test_faults_and_rejects();
  return report();
}
