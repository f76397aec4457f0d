// resample_images and view_crops on every target: the same bytes everywhere, against loops that resize the
// whole rectangle and then cut the window out of it.
#include "base/resample_geom.h"
#include "kernels/crop_rows.h"
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

using Bytes = std::vector<double>;

struct Picture {
  int64_t h, w, c;
  Bytes bytes;
  double at(int64_t y, int64_t x, int64_t j) const { return bytes[static_cast<size_t>((y * w + x) * c + j)]; }
};

// One axis resized: the triangle filter of Pillow, in the order of its definition.
double resized_value(int64_t extent, int64_t resized, int64_t i, const std::vector<double>& line) {
  const double scale = static_cast<double>(extent) / static_cast<double>(resized);
  const double support = std::max(scale, 1.0), centre = (static_cast<double>(i) + 0.5) * scale;
  double total = 0, sum = 1 << (kWeightBits - 1);
  const auto weight = [&](int64_t x) {
    return std::max(0.0, 1 - std::fabs((static_cast<double>(x) + 0.5 - centre) / support));
  };
  for (int64_t x = 0; x < extent; ++x) total += weight(x);
  for (int64_t x = 0; x < extent; ++x) {
    sum += std::floor(weight(x) / total * (1 << kWeightBits) + 0.5) * line[static_cast<size_t>(x)];
  }
  return std::min(255.0, std::floor(sum / (1 << kWeightBits)));
}

Picture resized(const Picture& p, const CropRow& crop) {
  Picture across{crop.height, crop.columns, p.c, {}}, both{crop.rows, crop.columns, p.c, {}};
  for (int64_t y = 0; y < crop.height; ++y)
    for (int64_t x = 0; x < crop.columns; ++x)
      for (int64_t j = 0; j < p.c; ++j) {
        std::vector<double> line;
        for (int64_t i = 0; i < crop.width; ++i) line.push_back(p.at(crop.top + y, crop.left + i, j));
        across.bytes.push_back(resized_value(crop.width, crop.columns, x, line));
      }
  for (int64_t y = 0; y < crop.rows; ++y)
    for (int64_t x = 0; x < crop.columns; ++x)
      for (int64_t j = 0; j < p.c; ++j) {
        std::vector<double> line;
        for (int64_t i = 0; i < crop.height; ++i) line.push_back(across.at(i, x, j));
        both.bytes.push_back(resized_value(crop.height, crop.rows, y, line));
      }
  return both;
}

CropRow random_crop(Random& random, int64_t h, int64_t w, int64_t oh, int64_t ow) {
  CropRow crop;
  crop.height = random.integer(1, h);
  crop.width = random.integer(1, w);
  crop.top = random.integer(0, h - crop.height);
  crop.left = random.integer(0, w - crop.width);
  crop.rows = random.integer(oh, oh + 9);
  crop.columns = random.integer(ow, ow + 9);
  crop.y = random.integer(0, crop.rows - oh);
  crop.x = random.integer(0, crop.columns - ow);
  crop.mirrored = random.integer(0, 1) == 1;
  return crop;
}

void test_case(int64_t channels, int64_t oh, int64_t ow) {
  Random random(static_cast<uint64_t>(channels * 1000 + oh * 10 + ow));
  std::vector<Picture> pictures;
  Bytes data, table, index, crops, want;
  for (int64_t i = 0; i < 5; ++i) {
    const int64_t h = random.integer(1, 24), w = random.integer(1, 30);
    pictures.push_back({h, w, channels, random_integers(h * w * channels, random.bits(), 0, 255)});
    for (const double v : {static_cast<double>(data.size()), static_cast<double>(h), static_cast<double>(w)})
      table.push_back(v);
    data.insert(data.end(), pictures.back().bytes.begin(), pictures.back().bytes.end());
  }
  for (int64_t b = 0; b < 7; ++b) {
    const int64_t i = random.integer(0, 4);
    const Picture& p = pictures[static_cast<size_t>(i)];
    const CropRow crop = random_crop(random, p.h, p.w, oh, ow);
    index.push_back(static_cast<double>(i));
    int32_t row[kCropColumns];
    crop.store(row);
    crops.insert(crops.end(), row, row + kCropColumns);
    const Picture whole = resized(p, crop);
    for (int64_t y = 0; y < oh; ++y)
      for (int64_t x = 0; x < ow; ++x)
        for (int64_t j = 0; j < channels; ++j)
          want.push_back(whole.at(crop.y + y, crop.x + (crop.mirrored ? ow - 1 - x : x), j));
  }
  for_each_target([&](Target target) {
    const Tensor d(DType::u8, {static_cast<int64_t>(data.size())}, data), t(DType::f64, {5, 3}, table),
        i(DType::i32, {7}, index), c(DType::i32, {7, kCropColumns}, crops),
        y(DType::u8, {7, oh, ow, channels});
    const std::vector<TensorView> views{d, t, i, c, y};
    CHECK(!run_kernel("resample_images", target, views, {24, 30}).faulted());
    close(y, want, 0, 0, std::string(name_of(target)) + " channels " + std::to_string(channels));
    check_threads("resample_images", target, views, {24, 30}, y);
  });
}

void test_faults_and_rejects() {
  for_each_target([](Target target) {
    const Tensor data(DType::u8, {24}), table(DType::f64, {2, 3}, {0, 2, 4, 8, 4, 4}),
        index(DType::i32, {2}, {0, 1}), y(DType::u8, {2, 2, 4, 1}), view(DType::f64, {3}, {0, 0, 0});
    const Tensor crops(DType::i32, {2, kCropColumns}, {0, 0, 2, 4, 2, 4, 0, 0, 0, 0, 0, 4, 4, 2, 4, 0, 0, 0});
    CHECK(!run_kernel("resample_images", target, {data, table, index, crops, y}, {4, 4}).faulted());
    table.set({0, 2, 4, 9, 4, 4});  // ends one byte behind the data
    const Outcome outcome = run_kernel("resample_images", target, {data, table, index, crops, y}, {4, 4});
    CHECK(outcome.fault() == Fault::index_out_of_range && outcome.fault_index() == 1);
    CHECK(y.at(0) == 255 && y.at(8) == 0);
    const Tensor floats(target, {24}), three(DType::i32, {3}), flat(DType::u8, {2, 8});
    CHECK(rejects("resample_images", target, {floats, table, index, crops, y}, {4, 4}));
    CHECK(rejects("resample_images", target, {data, crops, index, crops, y}, {4, 4}));
    CHECK(rejects("resample_images", target, {data, table, three, crops, y}, {4, 4}));
    CHECK(rejects("resample_images", target, {data, table, index, index, y}, {4, 4}));
    CHECK(rejects("resample_images", target, {data, table, index, crops, flat}, {4, 4}));
    CHECK(rejects("resample_images", target, {data, table, index, crops}, {4, 4}));
    for (const auto& bad :
         std::vector<std::vector<double>>{{0, 4}, {4, 65536}, {4, 0.5}, {NAN, 4}, {1e300, 4}})
      CHECK(rejects("resample_images", target, {data, table, index, crops, y}, bad));
    CHECK(rejects("view_crops", target, {table, index, view, crops}, {0, 4}));
    CHECK(rejects("view_crops", target, {table, index, three, crops}, {2, 4}));
    CHECK(rejects("view_crops", target, {table, index, view, index}, {2, 4}));
    for (const double odd : {-1.0, 1e300, double(NAN), double(INFINITY), 0.5}) {
      view.set({odd, odd, odd});
      run_kernel("view_crops", target, {table, index, view, crops}, {2, 4});
    }
  });
}

}  // namespace

int main() {
  for (const int64_t channels : {1, 2, 3, 4, 5, 16, 17}) {
    test_case(channels, 1, 1);
    test_case(channels, 5, 11);
    test_case(channels, 12, 3);
    test_case(channels, 30, 33);
  }
  test_faults_and_rejects();
  return report();
}
