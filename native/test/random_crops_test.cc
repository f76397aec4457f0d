// random_scale_crops and random_resized_crops on every target: the windows that their definitions draw, which
// nothing but (key, sample, occurrence, epoch, place) decides, for images of any size.
#include "base/philox.h"
#include "kernels/crop_rows.h"
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

using Numbers = std::vector<double>;

struct Size {
  int64_t h, w;
};

struct Settings {
  double key[2] = {3, 4294967295.0};
  double place = 5, epoch = 2;
  int64_t oh = 3, ow = 2;
};

// The uniform numbers of one window, drawn as they are documented: words of consecutive blocks.
class Uniforms {
 public:
  Uniforms(const Settings& s, double sample, double occurrence)
      : s_(s), sample_(static_cast<uint32_t>(sample)), occurrence_(static_cast<uint32_t>(occurrence)) {}
  double next() {
    const uint32_t block = (static_cast<uint32_t>(s_.place) << 20) + static_cast<uint32_t>(drawn_ / 4);
    const PhiloxBlock words = philox(static_cast<uint32_t>(s_.key[0]), static_cast<uint32_t>(s_.key[1]),
                                     sample_, occurrence_, block, static_cast<uint32_t>(s_.epoch));
    return philox_uniform(words.v[drawn_++ % 4]);
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(next() * static_cast<double>(n)); }

 private:
  Settings s_;
  uint32_t sample_, occurrence_;
  int drawn_ = 0;
};

CropRow scale_crop(const Size& in, const Settings& s, const Numbers& sides, Uniforms draws) {
  CropRow crop;
  crop.height = in.h;
  crop.width = in.w;
  const int64_t low = static_cast<int64_t>(sides[0]), high = static_cast<int64_t>(sides[1]);
  const int64_t side = low + draws.below(high - low + 1), least = std::min(in.h, in.w);
  crop.rows = in.h * side / least;
  crop.columns = in.w * side / least;
  crop.y = draws.below(crop.rows - s.oh + 1);
  crop.x = draws.below(crop.columns - s.ow + 1);
  return crop;
}

// torchvision's RandomResizedCrop.
CropRow resized_crop(const Size& in, const Settings& s, const Numbers& p, Uniforms draws) {
  CropRow crop;
  crop.rows = s.oh;
  crop.columns = s.ow;
  const double area = static_cast<double>(in.h * in.w);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double share = area * (p[0] + draws.next() * (p[1] - p[0]));
    const double ratio = std::exp(p[2] + draws.next() * (p[3] - p[2]));
    crop.width = static_cast<int64_t>(std::floor(std::sqrt(share * ratio) + 0.5));
    crop.height = static_cast<int64_t>(std::floor(std::sqrt(share / ratio) + 0.5));
    if (crop.width < 1 || crop.height < 1 || crop.width > in.w || crop.height > in.h) continue;
    crop.top = draws.below(in.h - crop.height + 1);
    crop.left = draws.below(in.w - crop.width + 1);
    return crop;
  }
  const double h = static_cast<double>(in.h), w = static_cast<double>(in.w);
  const double ratio = std::min(std::max(w / h, std::exp(p[2])), std::exp(p[3]));
  crop.height = std::clamp<int64_t>(static_cast<int64_t>(std::floor(w / ratio + 0.5)), 1, in.h);
  crop.width = std::clamp<int64_t>(static_cast<int64_t>(std::floor(h * ratio + 0.5)), 1, in.w);
  crop.top = (in.h - crop.height) / 2;
  crop.left = (in.w - crop.width) / 2;
  return crop;
}

// A batch of images out of a table, and what its windows are drawn by.
struct Batch {
  Batch(const std::vector<Size>& sizes, int64_t count, const Settings& settings)
      : images(sizes),
        s(settings),
        table(DType::f64, {static_cast<int64_t>(sizes.size()), 3}),
        index(DType::i32, {count}, random_integers(count, 1, 0, static_cast<int64_t>(sizes.size()) - 1)),
        samples(DType::i32, {count}, random_integers(count, 2, 0, 1 << 30)),
        occurrence(DType::i32, {count}, random_integers(count, 3, 0, 3)),
        epoch(DType::f64, {}, {settings.epoch}),
        crops(DType::i32, {count, kCropColumns}) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      const auto row = static_cast<int64_t>(3 * i);
      table.put(row, static_cast<double>(i));
      table.put(row + 1, static_cast<double>(sizes[i].h));
      table.put(row + 2, static_cast<double>(sizes[i].w));
    }
  }
  std::vector<TensorView> views() const { return {table, index, samples, occurrence, epoch, crops}; }
  Numbers attrs(const Numbers& own) const {
    Numbers all{s.key[0], s.key[1], s.place, static_cast<double>(s.oh), static_cast<double>(s.ow)};
    all.insert(all.end(), own.begin(), own.end());
    return all;
  }

  std::vector<Size> images;
  Settings s;
  Tensor table, index, samples, occurrence, epoch, crops;
};

template <class Draw>
void test_windows(const std::string& kernel, const Batch& batch, const Numbers& own, const Draw& draw) {
  Numbers want;
  for (int64_t b = 0; b < batch.index.numel(); ++b) {
    const Size& in = batch.images[static_cast<size_t>(batch.index.at(b))];
    const CropRow crop =
        draw(in, batch.s, own, Uniforms(batch.s, batch.samples.at(b), batch.occurrence.at(b)));
    CHECK_THAT(crop.fits({0, in.h, in.w}, batch.s.oh, batch.s.ow), kernel);
    int32_t row[kCropColumns];
    crop.store(row);
    want.insert(want.end(), row, row + kCropColumns);
  }
  for_each_target([&](Target target) {
    CHECK(!run_kernel(kernel, target, batch.views(), batch.attrs(own)).faulted());
    close(batch.crops, want, 0, 0, kernel + " on " + name_of(target));
    check_threads(kernel, target, batch.views(), batch.attrs(own), batch.crops);
  });
}

void test_draws() {
  const std::vector<Size> sizes{{1, 1}, {1, 40}, {40, 1}, {7, 5}, {480, 640}, {640, 480}, {65535, 65535}};
  for (const int64_t count : {0, 1, 2, 67}) {
    for (const auto& [oh, ow] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {3, 2}, {224, 224}}) {
      Settings s;
      s.oh = oh, s.ow = ow;
      const Batch batch(sizes, count, s);
      const double least = static_cast<double>(std::max(oh, ow));
      for (const Numbers& sides : std::vector<Numbers>{{least, least}, {256, 480}, {32768, 32768}})
        test_windows("random_scale_crops", batch, sides, scale_crop);
      for (const Numbers& p : std::vector<Numbers>{
               {0.08, 1, std::log(3.0 / 4), std::log(4.0 / 3)}, {0, 0, 0, 0}, {1, 1, 0, 0}, {0, 1, -10, 10}})
        test_windows("random_resized_crops", batch, p, resized_crop);
    }
  }
  // A short side of 1 that grows to the longest one: the other is near the largest i32.
  test_windows("random_scale_crops", Batch({{65535, 1}, {1, 65535}}, 9, Settings()), {32768, 32768},
               scale_crop);
  // A resized crop may be as large as any.
  Settings large;
  large.oh = large.ow = 65535;
  test_windows("random_resized_crops", Batch(sizes, 9, large), {0.08, 1, -0.3, 0.3}, resized_crop);
}

// Whether windows differ between two batches of one image.
bool differ(const std::string& kernel, const Numbers& own, const Batch& a, const Batch& b) {
  for (const Batch* batch : {&a, &b}) run_kernel(kernel, Target::ref, batch->views(), batch->attrs(own));
  return a.crops.values() != b.crops.values();
}

void test_what_decides() {
  const std::vector<Size> one{{480, 640}};
  for (const auto& [kernel, own] : std::vector<std::pair<std::string, Numbers>>{
           {"random_scale_crops", {256, 480}}, {"random_resized_crops", {0.1, 0.9, -0.3, 0.3}}}) {
    const Batch base(one, 8, Settings());
    CHECK(!differ(kernel, own, base, Batch(one, 8, Settings())));
    std::vector<Settings> others(4);
    others[0].key[0] = 4, others[1].key[1] = 0, others[2].place = 6, others[3].epoch = 3;
    for (const Settings& other : others) CHECK_THAT(differ(kernel, own, base, Batch(one, 8, other)), kernel);
    const Batch again(one, 8, Settings()), later(one, 8, Settings());
    for (int64_t b = 0; b < 8; ++b) again.samples.put(b, base.samples.at(7 - b));
    for (int64_t b = 0; b < 8; ++b) later.occurrence.put(b, base.occurrence.at(b) + 1);
    CHECK_THAT(differ(kernel, own, base, again) && differ(kernel, own, base, later), kernel);
  }
}

void test_faults() {
  for (const auto& [kernel, own] : std::vector<std::pair<std::string, Numbers>>{
           {"random_scale_crops", {8, 8}}, {"random_resized_crops", {0.1, 0.9, -0.3, 0.3}}}) {
    for_each_target([&, name = kernel, numbers = own](Target target) {
      const Batch batch({{9, 9}, {9, 9}}, 3, Settings());
      const auto fault_at_1 = [&] {
        const Outcome outcome = run_kernel(name, target, batch.views(), batch.attrs(numbers));
        CHECK_THAT(outcome.fault() == Fault::index_out_of_range && outcome.fault_index() == 1, name);
        for (int64_t i = 0; i < kCropColumns; ++i) CHECK(batch.crops.at(kCropColumns + i) == 0);
      };
      batch.index.set({0, 2, 0});
      fault_at_1();
      batch.index.set({0, -1, 0});
      fault_at_1();
      batch.index.set({0, 1, 0});
      for (const double odd : {0.0, -1.0, 0.5, 65536.0, 0x1p63, 1e300, double(NAN), double(INFINITY)}) {
        batch.table.put(4, odd);
        fault_at_1();
        batch.table.put(4, 9);
        batch.table.put(5, odd);
        fault_at_1();
        batch.table.put(5, 9);
        if (odd != 0 && odd != 65536.0) {
          batch.table.put(3, odd);
          fault_at_1();
          batch.table.put(3, 1);
        }
      }
      // Numbers that are not counts are taken as words.
      for (const double odd : {-1.0, 0.5, 1e300, double(NAN)}) {
        batch.epoch.put(0, odd);
        CHECK(!run_kernel(name, target, batch.views(), batch.attrs(numbers)).faulted());
      }
    });
  }
}

void test_rejects() {
  const Batch batch({{9, 9}}, 2, Settings());
  const Numbers sides{8, 9}, shares{0.1, 0.9, -0.3, 0.3};
  const auto refuses = [&](const std::string& kernel, const Numbers& attrs) {
    CHECK_THAT(rejects(kernel, Target::ref, batch.views(), attrs), kernel);
  };
  const Numbers odd{double(NAN), double(INFINITY), -1, 0.5, 1e300, 4294967296.0};
  for (const double value : odd) {
    for (size_t at = 0; at < 5; ++at) {  // key, place, size
      Numbers scale = batch.attrs(sides), resized = batch.attrs(shares);
      scale[at] = resized[at] = value;
      refuses("random_scale_crops", scale);
      refuses("random_resized_crops", resized);
    }
    refuses("random_scale_crops", batch.attrs({value, 9}));
    refuses("random_scale_crops", batch.attrs({8, value}));
  }
  for (const double value : {double(NAN), double(INFINITY), -double(INFINITY), 1e300, -1e300}) {
    for (size_t at = 0; at < 4; ++at) {
      Numbers own = shares;
      own[at] = value;
      refuses("random_resized_crops", batch.attrs(own));
    }
  }
  // Smaller than a window, out of order, too large.
  for (const Numbers& own : std::vector<Numbers>{{2, 9}, {9, 8}, {8, 32769}})
    refuses("random_scale_crops", batch.attrs(own));
  for (const Numbers& own : std::vector<Numbers>{{0.9, 0.1, 0, 0}, {0.1, 0.9, 1, 0}, {0, 1, -11, 0}})
    refuses("random_resized_crops", batch.attrs(own));
  const Tensor floats(DType::f32, {2}), three(DType::i32, {3}), flat(DType::f64, {3});
  for (const auto& [kernel, own] : std::vector<std::pair<std::string, Numbers>>{
           {"random_scale_crops", sides}, {"random_resized_crops", shares}}) {
    for (size_t at = 0; at < 6; ++at) {
      for (const TensorView& other : {floats.view, three.view, flat.view}) {
        std::vector<TensorView> views = batch.views();
        views[at] = other;
        CHECK_THAT(rejects(kernel, Target::ref, views, batch.attrs(own)), kernel);
      }
      std::vector<TensorView> fewer = batch.views();
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(at));
      CHECK_THAT(rejects(kernel, Target::ref, fewer, batch.attrs(own)), kernel);
    }
  }
}

}  // namespace

int main() {
  test_draws();
  test_what_decides();
  test_faults();
  test_rejects();
  return report();
}
