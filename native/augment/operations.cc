#include "augment/operations.h"

#include <iterator>

#include "augment/erasing.h"
#include "augment/geometric.h"

namespace tenon::augment {
namespace {

constexpr Range kByte{0, 255}, kFlag{0, 1}, kShare{0, 1}, kSide{1, kMaxSide};
constexpr Range kLogRatio{-10, 10}, kAngle{-360, 360}, kShear{-89, 89};

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
     .parameters = 7,
     .ranges = {kSide, kSide, kShare, kShare, kLogRatio, kLogRatio, kFlag},
     .frame = random_resized_crop,
     .resizes = true,
     .fixed = 2,
     .nearest = 6},
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
};

}  // namespace

int operation_count() { return static_cast<int>(std::size(kOperations)); }
const Operation& operation(int opcode) { return kOperations[opcode]; }

}  // namespace tenon::augment
