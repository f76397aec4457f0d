// augment_images: what prepare refuses, results between guard pages at odd sizes, the same bits on every
// target and number of threads. Values are compared with references in test/augment.
#include "augment/functions.h"
#include "augment/operations.h"
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

using Numbers = std::vector<double>;

int opcode(const std::string& name) {
  for (int i = 0; i < augment::operation_count(); ++i)
    if (augment::operation(i).name == name) return i;
  std::abort();
}

Numbers operator+(Numbers a, const Numbers& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// An operation whose parameters are fixed.
Numbers node(const std::string& name, double p, const Numbers& parameters) {
  Numbers numbers{static_cast<double>(opcode(name)), p};
  for (const double value : parameters) numbers = numbers + Numbers{value, value, 0};
  return numbers;
}

Numbers group(double kind, double p, double count, const Numbers& rest) {
  return Numbers{kind, p, static_cast<double>(rest.size()), count} + rest;
}

const Numbers kColour{1, 2, 3, 4};

Numbers crop(double h, double w, double padding) {
  return node("randomCrop", 1, Numbers{h, w, padding} + kColour);
}
Numbers turn(double degrees, double nearest = 0) {
  return node("affine", 1, Numbers{degrees, 0.1, -0.1, 1.2, 3, -4, nearest} + kColour);
}
Numbers resized(double h, double w, double antialias) {
  return node("randomResizedCrop", 1, {h, w, 0.1, 0.9, -0.3, 0.3, 0, antialias});
}
Numbers warp(double sigma) { return node("elastic", 1, Numbers{30, sigma, 0} + kColour); }
Numbers hole(double p) { return node("cutout", p, Numbers{3, 4, 2} + kColour); }

struct Fixture {
  explicit Fixture(const Dims& dims, const Dims& out)
      : data(DType::u8, dims, random_integers(numel_of(dims), 7, 0, 255)),
        index(DType::i32, {out[0]}, random_integers(out[0], 8, 0, dims[0] - 1)),
        occurrence(DType::i32, {out[0]}, random_integers(out[0], 9, 0, 3)),
        epoch(DType::f64, {}, {2}),
        y(DType::u8, out) {}
  std::vector<TensorView> views() const { return {data, index, index, occurrence, epoch, y}; }

  Tensor data, index, occurrence, epoch, y;
};

const Numbers kKey{3, 4};

void test_same_bits(const Dims& data, int64_t oh, int64_t ow, const Numbers& program) {
  const Fixture f(data, {11, oh, ow, data[3]});
  Numbers first;
  for_each_target([&](Target target) {
    CHECK(!run_kernel("augment_images", target, f.views(), kKey + program).faulted());
    const Numbers values = f.y.values();
    if (first.empty()) first = values;
    CHECK_THAT(values == first, name_of(target));
    check_threads("augment_images", target, f.views(), kKey + program, f.y);
  });
}

void test_programs() {
  const Numbers places = Numbers{1} + turn(20) + Numbers{2} + hole(0.5) + Numbers{3} + warp(2) + Numbers{4} +
                         node("flip", 0.5, {});
  for (const int64_t c : {1, 2, 3, 4, 7}) {
    for (const auto& [h, w] :
         std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 9}, {8, 1}, {7, 5}, {16, 17}}) {
      test_same_bits({4, h, w, c}, h, w, {});
      test_same_bits({4, h, w, c}, h, w, places);
      test_same_bits({4, h, w, c}, 2, 3, places + Numbers{5} + crop(2, 3, 2) + Numbers{6} + turn(-300, 1));
      for (const double antialias : {0, 1}) {
        for (const auto& [oh, ow] :
             std::vector<std::pair<int64_t, int64_t>>{{6, 4}, {1, 1}, {3, 40}, {2, 5}}) {
          test_same_bits({4, h, w, c}, oh, ow,
                         Numbers{1} + resized(oh, ow, antialias) + Numbers{2} + node("flip", 0.5, {}) +
                             Numbers{3} + node("verticalFlip", 0.5, {}));
        }
        test_same_bits({4, h, w, c}, 4, 4,
                       places + Numbers{5} + resized(3, 2, antialias) + Numbers{6} + crop(4, 4, 1));
        test_same_bits({4, h, w, c}, 3, 2,
                       Numbers{1} + resized(3, 2, antialias) + Numbers{2} + turn(40) + Numbers{3} + warp(2));
      }
      test_same_bits({4, h, w, c}, h, w,
                     Numbers{1} + node("randomErasing", 1, Numbers{0.1, 0.9, -1, 1, 1} + kColour));
    }
  }
  // As extreme as parameters may be, several at once.
  Numbers extreme;
  for (int i = 1; i <= 20; ++i)
    extreme = extreme + Numbers{double(i)} +
              node("affine", 1, Numbers{double(i * 17), 1, -1, i % 2 ? 0.01 : 100, 89, -89, 0} + kColour);
  test_same_bits({2, 9, 6, 3}, 9, 6, extreme);
  test_same_bits({2, 3, 3, 3}, 3, 3, Numbers{1} + node("elastic", 1, Numbers{1e4, 100, 0} + kColour));
}

// Images of three channels, which have code of their own, are resampled as three grey ones.
void test_three_channels(int64_t h, int64_t w, const Numbers& program) {
  const Fixture rgb({1, h, w, 3}, {1, h, w, 3});
  const Tensor row(DType::i32, {1}, {0});
  run_kernel("augment_images", Target::ref, {rgb.data, row, row, row, rgb.epoch, rgb.y}, kKey + program);
  for (int64_t c = 0; c < 3; ++c) {
    const Tensor grey(DType::u8, {1, h, w, 1}), y(DType::u8, {1, h, w, 1});
    for (int64_t i = 0; i < h * w; ++i) grey.put(i, rgb.data.at(3 * i + c));
    run_kernel("augment_images", Target::ref, {grey, row, row, row, rgb.epoch, y}, kKey + program);
    for (int64_t i = 0; i < h * w; ++i) CHECK(y.at(i) == rgb.y.at(3 * i + c));
  }
}

void test_channels() {
  const auto affine = [](double angle, double scale) {
    return Numbers{1} + node("affine", 1, Numbers{angle, 0, 0, scale, 0, 0, 0, 9, 9, 9, 9});
  };
  for (const auto& [h, w] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {2, 3}, {3, 2}, {1, 40}, {33, 34}}) {
    test_three_channels(h, w, Numbers{1} + node("flip", 1, {}));
    for (const double angle : {0.0, 13.0, 90.0, -117.0})
      for (const double scale : {0.4, 0.99, 1.0, 3.0}) test_three_channels(h, w, affine(angle, scale));
  }
}

void test_rejects() {
  const Fixture f({3, 6, 5, 3}, {2, 6, 5, 3});
  const auto refused = [&](const Numbers& program) {
    return rejects("augment_images", Target::ref, f.views(), kKey + program);
  };
  const double flip = opcode("flip");
  CHECK(!refused(Numbers{1, flip, 1}));
  const Numbers both = node("flip", 1, {}) + node("verticalFlip", 1, {});
  CHECK(!refused(Numbers{1} + group(-1, 1, 2, both)));
  CHECK(!refused(Numbers{1} + group(-2, 1, 2, Numbers{1, 0} + both)));
  CHECK(!refused(Numbers{1} + group(-3, 1, 2, Numbers{1, 9, 1} + both)));
  for (const Numbers& bad : std::vector<Numbers>{
           {1},
           {1, flip},
           {0, flip, 1},
           {0.5, flip, 1},
           {4096, flip, 1},
           {NAN, flip, 1},
           {1, 1e300, 1},
           {1, NAN, 1},
           {1, 0.5, 1},
           {1, -4, 1},
           {1, flip, 1.5},
           {1, flip, -0.1},
           {1, flip, NAN},
           Numbers{1} + group(-1, 1, 3, both),
           Numbers{1} + group(-1, 1, 1, both),
           Numbers{1} + group(-1, 1, 0, {}),
           Numbers{1, -1, 1, 1e9, 2} + both,
           Numbers{1, -1, 1, -1, 2} + both,
           Numbers{1, -1, 1, 3, 2} + both,
           Numbers{1, -1, 1, 4, NAN} + both,
           Numbers{1} + group(-2, 1, 2, Numbers{0, 0} + both),
           Numbers{1} + group(-2, 1, 2, Numbers{-1, 2} + both),
           Numbers{1} + group(-2, 1, 2, Numbers{NAN, 2} + both),
           Numbers{1} + group(-3, 1, 2, Numbers{1, 3, 0} + both),
           Numbers{1} + group(-3, 1, 2, Numbers{2, 1, 0} + both),
           Numbers{1} + group(-3, 1, 2, Numbers{1, 2, 2} + both),
           Numbers{1} + group(-3, 1, 2, Numbers{1, 1e9, 1} + both),
           Numbers{1} + group(-2, 1, 2, Numbers{1, 1} + node("flip", 1, {}) + crop(4, 4, 0)),
           Numbers{1} + group(-3, 1, 1, Numbers{1, 1, 0} + crop(4, 4, 0)),
           Numbers{1} + node("randomCrop", 0.5, Numbers{4, 4, 0} + kColour),
           Numbers{1} + crop(4, 4, 0),  // y has another size
           Numbers{1} + crop(11, 5, 2),
           Numbers{1} + crop(6, 5, -1),
           Numbers{1} + crop(6.5, 5, 2),
           Numbers{1} + crop(1e9, 5, 1e9),
           Numbers{1} + node("randomCrop", 1, {6, 5, 0, 256, 0, 0, 0}),
           Numbers{1} + node("affine", 1, Numbers{0, 0, 0, 0, 0, 0, 0} + kColour),
           Numbers{1} + node("affine", 1, Numbers{0, 0, 0, NAN, 0, 0, 0} + kColour),
           Numbers{1} + node("affine", 1, Numbers{0, 0, 0, 1, 90, 0, 0} + kColour),
           Numbers{1} + node("elastic", 1, Numbers{1, 1e300, 0} + kColour),
           Numbers{1} + node("cutout", 1, Numbers{3, 3, 1e9} + kColour),
       })
    CHECK(refused(bad));
  // How parameters are drawn.
  const double elastic = opcode("elastic");
  const Numbers rest{1, 1, 0, 0, 1, 2, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0};
  CHECK(!refused(Numbers{1, elastic, 1, 1, 2, 1} + rest));
  CHECK(refused(Numbers{1, elastic, 1, 2, 1, 1} + rest));
  CHECK(refused(Numbers{1, elastic, 1, 1, 2, 4} + rest));
  CHECK(refused(Numbers{1, elastic, 1, 1, 2, 3} + rest));    // a negative alpha
  CHECK(refused(Numbers{1, elastic, 1, 1.5, 2, 2} + rest));  // not whole
  Numbers deep = node("flip", 1, {});
  for (int i = 0; i < 16; ++i) deep = group(-1, 1, 1, deep);
  CHECK(!refused(Numbers{1} + deep));
  deep = group(-1, 1, 1, deep);
  CHECK(refused(Numbers{1} + deep));
  Numbers often = node("flip", 1, {});
  for (int i = 0; i < 4; ++i) often = group(-3, 1, 1, Numbers{1, 100, 1} + often);
  CHECK(refused(Numbers{1} + often));
}

void test_operands() {
  const Fixture f({3, 6, 5, 3}, {3, 6, 5, 3});
  const Numbers program = kKey + Numbers{1, static_cast<double>(opcode("flip")), 1};
  for_each_target([&](Target target) {
    const Tensor index(DType::i32, {3}, {2, 3, -1}), two(DType::i32, {2}), floats(target, {3, 6, 5, 3});
    const Outcome outcome =
        run_kernel("augment_images", target, {f.data, index, index, f.occurrence, f.epoch, f.y}, program);
    CHECK(outcome.fault() == Fault::index_out_of_range && outcome.fault_index() == 1);
    for (const double odd : {-1.0, 1e300, double(NAN), double(INFINITY), 0.5}) {
      const Tensor epoch(DType::f64, {}, {odd});
      CHECK(
          !run_kernel("augment_images", target, {f.data, f.index, f.index, f.occurrence, epoch, f.y}, program)
               .faulted());
    }
    CHECK(rejects("augment_images", target, {floats, f.index, f.index, f.occurrence, f.epoch, f.y}, program));
    CHECK(rejects("augment_images", target, {f.data, two, f.index, f.occurrence, f.epoch, f.y}, program));
    CHECK(rejects("augment_images", target, {f.data, f.index, two, f.occurrence, f.epoch, f.y}, program));
    CHECK(rejects("augment_images", target, {f.data, f.index, f.index, two, f.epoch, f.y}, program));
    CHECK(rejects("augment_images", target, {f.data, f.index, f.index, f.occurrence, f.index, f.y}, program));
    CHECK(rejects("augment_images", target, {f.data, f.index, f.index, f.occurrence, f.epoch, floats},
                  program));
    CHECK(rejects("augment_images", target, {f.data, f.index, f.index, f.occurrence, f.epoch}, program));
    CHECK(rejects("augment_images", target, f.views(), {-1, 2}));
    CHECK(rejects("augment_images", target, f.views(), {1}));
  });
}

// The numbers of sample_uniform are those that the interpreter draws from.
void test_sample_uniform() {
  const Tensor samples(DType::i32, {3}, {5, 0, 5}), occurrence(DType::i32, {3}, {0, 0, 2}),
      epoch(DType::f64, {}, {7});
  for_each_target([&](Target target) {
    for (const int64_t n : {1, 4, 7}) {
      const Tensor y(target, {3, n});
      const std::vector<TensorView> views{samples, occurrence, epoch, y};
      CHECK(!run_kernel("sample_uniform", target, views, {3, 4, 9}).faulted());
      for (int64_t b = 0; b < 3; ++b) {
        augment::Draws draws(
            {{3, 4}, static_cast<uint32_t>(samples.at(b)), static_cast<uint32_t>(occurrence.at(b)), 7}, 9);
        for (int64_t i = 0; i < n; ++i) CHECK(y.at(b * n + i) == draws.uniform());
      }
      check_threads("sample_uniform", target, views, {3, 4, 9}, y);
    }
    const Tensor y(target, {3, 2}), two(DType::i32, {2}), flat(target, {3}), bytes(DType::u8, {3, 2});
    CHECK(rejects("sample_uniform", target, {samples, two, epoch, y}, {3, 4, 9}));
    CHECK(rejects("sample_uniform", target, {two, occurrence, epoch, y}, {3, 4, 9}));
    CHECK(rejects("sample_uniform", target, {samples, occurrence, samples, y}, {3, 4, 9}));
    CHECK(rejects("sample_uniform", target, {samples, occurrence, epoch, flat}, {3, 4, 9}));
    CHECK(rejects("sample_uniform", target, {samples, occurrence, epoch, bytes}, {3, 4, 9}));
    for (const double place : {0.0, 4096.0, 1.5, double(NAN)})
      CHECK(rejects("sample_uniform", target, {samples, occurrence, epoch, y}, {3, 4, place}));
  });
}

void test_functions() {
  for (double degrees = -720; degrees <= 720; degrees += 7.25) {
    const augment::SinCos got = augment::sin_cos(degrees);
    const double radians = degrees / 180 * 3.14159265358979323846;
    CHECK(std::fabs(got.sin - std::sin(radians)) < 1e-14 && std::fabs(got.cos - std::cos(radians)) < 1e-14);
  }
  CHECK(augment::sin_cos(90).cos == 0 && augment::sin_cos(90).sin == 1 && augment::sin_cos(-180).sin == 0);
  for (double x = -700; x <= 700; x += 3.3) CHECK(std::fabs(augment::exp_of(x) / std::exp(x) - 1) < 1e-13);
}

}  // namespace

int main() {
  test_programs();
  test_channels();
  test_rejects();
  test_operands();
  test_sample_uniform();
  test_functions();
  return report();
}
