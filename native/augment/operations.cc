#include "augment/operations.h"

#include <iterator>

#include "augment/erasing.h"
#include "augment/filters.h"
#include "augment/geometric.h"
#include "augment/mixing.h"
#include "augment/noise.h"
#include "augment/tone.h"

namespace tenon::augment {
namespace {

constexpr Range kByte{0, 255}, kFlag{0, 1}, kShare{0, 1}, kSide{1, kMaxSide};
constexpr Range kLogRatio{-10, 10}, kAngle{-360, 360}, kShear{-89, 89}, kFactor{0, 1000};
constexpr Range kOffset{-1e12, 1e12};

// Operations that take nothing but the image, and perhaps a number.
template <void (*change)(const Image&)>
void of(const Image& image, const Workspace&, const double*, Draws&) {
  change(image);
}
template <void (*change)(const Image&, double)>
void of(const Image& image, const Workspace&, const double* parameters, Draws&) {
  change(image, parameters[0]);
}
template <void (*change)(const Image&, double, double, const Draws::Key&)>
void noise(const Image& image, const Workspace&, const double* parameters, Draws& draws) {
  change(image, parameters[0], parameters[1], draws.fork());
}

void blur(const Image& image, const Workspace& workspace, const double* parameters, Draws&) {
  gaussian_blur(image, static_cast<int>(parameters[0]), parameters[1], workspace.scratch);
}

// Three normal numbers times the columns of a matrix: an offset for each channel.
void color_pca(const Image& image, const Workspace&, const double* columns, Draws& draws) {
  double offset[3] = {};
  for (int component = 0; component < 3; ++component) {
    const double z = draw_normal(draws);
    for (int channel = 0; channel < 3; ++channel) offset[channel] += columns[3 * channel + component] * z;
  }
  color_offset(image, offset);
}

void sharpen(const Image& image, const Workspace& workspace, const double* parameters, Draws&) {
  sharpness(image, parameters[0], workspace.scratch);
}

// What a row says besides its name and parameters follows in the order of Operation's fields. Programs name
// operations by their place here, so lib/augment asks for the names (info().augmentations).
constexpr Operation kOperations[] = {
    {.name = "flip", .parameters = 0, .ranges = {}, .frame = flip},
    {.name = "verticalFlip", .parameters = 0, .ranges = {}, .frame = vertical_flip},
    {.name = "randomCrop",
     .parameters = 7,
     .ranges = {kSide, kSide, {0, kMaxSide}, kByte, kByte, kByte, kByte},
     .frame = random_crop,
     .resizes = true,
     .fixed = 3,
     .fits = crop_fits},
    {.name = "randomResizedCrop",
     .parameters = 8,
     .ranges = {kSide, kSide, kShare, kShare, kLogRatio, kLogRatio, kFlag, kFlag},
     .frame = random_resized_crop,
     .resizes = true,
     .fixed = 2,
     .nearest = 6,
     .averages = true},
    {.name = "affine",
     .parameters = 11,
     .ranges = {kAngle, {-1, 1}, {-1, 1}, {0.01, 100}, kShear, kShear, kFlag, kByte, kByte, kByte, kByte},
     .frame = affine,
     .nearest = 6},
    {.name = "elastic",
     .parameters = 7,
     .ranges = {{0, 1e4}, {0.1, 100}, kFlag, kByte, kByte, kByte, kByte},
     .frame = elastic,
     .nearest = 2,
     .field = true,
     .scratch = elastic_scratch},
    {.name = "cutout",
     .parameters = 7,
     .ranges = {kSide, kSide, {1, 1024}, kByte, kByte, kByte, kByte},
     .apply = cutout},
    {.name = "randomErasing",
     .parameters = 9,
     .ranges = {kShare, kShare, kLogRatio, kLogRatio, kFlag, kByte, kByte, kByte, kByte},
     .apply = random_erasing},
    {.name = "cornerShear",
     .parameters = 7,
     .ranges = {{-10, 10}, {-10, 10}, kFlag, kByte, kByte, kByte, kByte},
     .frame = corner_shear,
     .nearest = 2},
    {.name = "brightness", .parameters = 1, .ranges = {kFactor}, .apply = of<brightness>},
    {.name = "contrast", .parameters = 1, .ranges = {kFactor}, .apply = of<contrast>},
    {.name = "saturation", .parameters = 1, .ranges = {kFactor}, .apply = of<saturation>},
    {.name = "hue", .parameters = 1, .ranges = {{-0.5, 0.5}}, .apply = of<hue>},
    {.name = "gamma", .parameters = 1, .ranges = {{0, 100}}, .apply = of<gamma>},
    {.name = "posterize", .parameters = 1, .ranges = {{0, 8}}, .apply = of<posterize>},
    {.name = "solarize", .parameters = 1, .ranges = {{0, 256}}, .apply = of<solarize>},
    {.name = "invert", .parameters = 0, .ranges = {}, .apply = of<invert>},
    {.name = "equalize", .parameters = 0, .ranges = {}, .apply = of<equalize>},
    {.name = "autocontrast", .parameters = 0, .ranges = {}, .apply = of<autocontrast>},
    {.name = "grayscale", .parameters = 0, .ranges = {}, .apply = of<grayscale>},
    {.name = "colorPca",
     .parameters = 9,
     .ranges = {kOffset, kOffset, kOffset, kOffset, kOffset, kOffset, kOffset, kOffset, kOffset},
     .apply = color_pca},
    {.name = "gaussianBlur",
     .parameters = 2,
     .ranges = {{1, kMaxBlurSize}, {0.01, 100}},
     .apply = blur,
     .scratch = blur_scratch},
    {.name = "sharpness",
     .parameters = 1,
     .ranges = {kFactor},
     .apply = sharpen,
     .scratch = sharpness_scratch},
    {.name = "gaussianNoise", .parameters = 2, .ranges = {{-1, 1}, {0, 10}}, .apply = noise<gaussian_noise>},
    {.name = "saltAndPepper", .parameters = 2, .ranges = {kShare, kShare}, .apply = noise<salt_and_pepper>},
};

}  // namespace

int operation_count() { return static_cast<int>(std::size(kOperations)); }
const Operation& operation(int opcode) { return kOperations[opcode]; }

}  // namespace tenon::augment
