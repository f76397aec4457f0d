// Random windows of images of different sizes, as rows that resample_images takes (kernels/crop_rows.h):
// table f64 [T, 3], index i32 [B], samples i32 [B], occurrence i32 [B], epoch f64 scalar -> crops i32 [B, 9].
//
// random_scale_crops: key[2], place, size[2], shortSide[2]. The image is resized so that its short side has a
// random length within these, and a window of `size` is cut out at a random place (Simonyan, Zisserman 2015;
// He et al. 2016). random_resized_crops: key[2], place, size[2], scale[2], ratio[2]. A rectangle of a random
// share of the area, and of a random ratio, whose logarithm is within these, is resized to `size` (Szegedy et
// al. 2015, as torchvision has it).
//
// What is drawn depends on (key, samples[b], occurrence[b], epoch, place) alone.
#include <algorithm>
#include <cmath>

#include "augment/draws.h"
#include "augment/functions.h"
#include "augment/image.h"
#include "augment/operations.h"
#include "kernels/crop_rows.h"
#include "ops/once.h"

namespace tenon {
namespace {

constexpr AttrNames kScaleAttrs{"key[2]", "place", "size[2]", "shortSide[2]"};
constexpr AttrNames kResizedAttrs{"key[2]", "place", "size[2]", "scale[2]", "ratio[2]"};

// The attributes that both have in common stand at the same places.
constexpr int kKey = kScaleAttrs["key"], kPlace = kScaleAttrs["place"], kSize = kScaleAttrs["size"];
static_assert(kKey == kResizedAttrs["key"] && kPlace == kResizedAttrs["place"] &&
              kSize == kResizedAttrs["size"]);

void check_operands(const Call& call) {
  require_operands(call, 6);
  require_image_table(call.t[0]);
  const TensorView& index = call.t[1];
  for (const int i : {1, 2, 3}) {
    require(call.t[i].rank == 1 && call.t[i].dtype == DType::i32 && call.t[i].dims[0] == index.dims[0],
            "random crops: index, samples and occurrence must be i32 [B]");
  }
  require_scalar(call.t[4], "random crops: epoch must be a scalar");
  require_crops(call.t[5], index.dims[0]);
  require_words(call, kKey, kKey + 2, "random crops: a key is not a 32-bit word");
  const int64_t place = integer_attr(call, kPlace, "random crops: place must be an integer");
  require(place >= 0 && place < augment::kMaxPlaces, "random crops: place out of range");
  for (const int i : {kSize, kSize + 1}) {
    const int64_t side = integer_attr(call, i, "random crops: a size must be an integer");
    require(side >= 1 && side <= kLongestSide, "random crops: a size is out of range");
  }
}

Cost cost_of(const Call& call) {
  return {0, 100.0 * static_cast<double>(call.t[1].dims[0]), static_cast<double>(call.t[5].bytes())};
}

// draw(image, draws) for every image of the batch. One that does not exist is a Fault.
template <class Draw>
void draw_all(const Call& call, const Draw& draw) {
  const ImageTable table(call.t[0]);
  const uint32_t epoch = word_of(scalar(call.t[4]));
  for (int64_t b = 0; b < call.t[1].dims[0]; ++b) {
    const StoredImage image = table.at(call.t[1].as<int32_t>()[b]);
    CropRow crop;
    if (image.height == 0) {
      call.run->fault(Fault::index_out_of_range, b);
    } else {
      const augment::Stream stream{{word_of(call.attrs[kKey]), word_of(call.attrs[kKey + 1])},
                                   static_cast<uint32_t>(call.t[2].as<int32_t>()[b]),
                                   static_cast<uint32_t>(call.t[3].as<int32_t>()[b]),
                                   epoch};
      augment::Draws draws(stream, static_cast<uint32_t>(call.attr(kPlace)));
      crop = draw(image, draws);
    }
    crop.store(call.t[5].as<int32_t>() + b * kCropColumns);
  }
}

Cost prepare_scale(const Call& call) {
  check_operands(call);
  const int at = kScaleAttrs["shortSide"];
  const int64_t low = integer_attr(call, at, "random_scale_crops: a short side must be an integer");
  const int64_t high = integer_attr(call, at + 1, "random_scale_crops: a short side must be an integer");
  require(low >= call.attr(kSize) && low >= call.attr(kSize + 1),
          "random_scale_crops: a window is larger than the least short side");
  require(high >= low && high <= augment::kMaxSide, "random_scale_crops: short sides out of range");
  return cost_of(call);
}

void run_scale(const Call& call) {
  const int at = kScaleAttrs["shortSide"];
  const int64_t low = call.attr(at), high = call.attr(at + 1), oh = call.attr(kSize),
                ow = call.attr(kSize + 1);
  draw_all(call, [&](const StoredImage& image, augment::Draws& draws) {
    CropRow crop;
    crop.height = image.height;
    crop.width = image.width;
    const int64_t side = low + draws.below(high - low + 1), s = std::min(image.height, image.width);
    crop.rows = image.height == s ? side : image.height * side / s;
    crop.columns = image.width == s ? side : image.width * side / s;
    crop.y = static_cast<int64_t>(draws.uniform() * static_cast<double>(crop.rows - oh + 1));
    crop.x = static_cast<int64_t>(draws.uniform() * static_cast<double>(crop.columns - ow + 1));
    return crop;
  });
}

Cost prepare_resized(const Call& call) {
  check_operands(call);
  const double* scale = call.attrs + kResizedAttrs["scale"];
  const double* ratio = call.attrs + kResizedAttrs["ratio"];
  require(scale[0] >= 0 && scale[0] <= scale[1] && scale[1] <= 1,
          "random_resized_crops: shares must be between 0 and 1");
  require(ratio[0] >= -10 && ratio[0] <= ratio[1] && ratio[1] <= 10,
          "random_resized_crops: ratios out of range");
  return cost_of(call);
}

// As large as the image lets it be within the ratios, in the middle.
augment::Box largest_box(const augment::Size& in, const double* ratio) {
  const double h = static_cast<double>(in.h), w = static_cast<double>(in.w);
  const double within = std::min(std::max(w / h, augment::exp_of(ratio[0])), augment::exp_of(ratio[1]));
  augment::Box box{};
  box.h = std::clamp<int64_t>(static_cast<int64_t>(std::floor(w / within + 0.5)), 1, in.h);
  box.w = std::clamp<int64_t>(static_cast<int64_t>(std::floor(h * within + 0.5)), 1, in.w);
  box.top = (in.h - box.h) / 2;
  box.left = (in.w - box.w) / 2;
  return box;
}

void run_resized(const Call& call) {
  const int at = kResizedAttrs["scale"];
  draw_all(call, [&](const StoredImage& image, augment::Draws& draws) {
    const augment::Size in{image.height, image.width};
    augment::Box box{};
    // The ratios stand behind the shares.
    if (!augment::draw_box(in, call.attrs + at, false, false, draws, box))
      box = largest_box(in, call.attrs + at + 2);
    CropRow crop;
    crop.top = box.top;
    crop.left = box.left;
    crop.height = box.h;
    crop.width = box.w;
    crop.rows = call.attr(kSize);
    crop.columns = call.attr(kSize + 1);
    return crop;
  });
}

const RegisterOnce scale("random_scale_crops", prepare_scale, run_scale, kScaleAttrs);
const RegisterOnce resized("random_resized_crops", prepare_resized, run_resized, kResizedAttrs);

}  // namespace
}  // namespace tenon
