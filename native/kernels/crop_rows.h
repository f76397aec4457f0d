// Images of different sizes in one buffer, and the windows that are cut out of them: operands that several
// kernels share.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/resample_geom.h"
#include "kernels/checks.h"

namespace tenon {

// An image in a buffer: where its first byte is. A height of 0: there is no such image.
struct StoredImage {
  int64_t offset = 0, height = 0, width = 0;
};

// Offset, height and width of every image, f64 [T, 3]: bytes may be more than 32 bits count.
class ImageTable {
 public:
  // For a kernel that reads no pixels: whether an offset fits the buffer is known to the one that does.
  explicit ImageTable(const TensorView& table) : ImageTable(table, 0, int64_t{1} << 53) {}
  // `bytes` of the buffer, `channels` of each pixel in it.
  ImageTable(const TensorView& table, int64_t channels, int64_t bytes)
      : rows_(table.as<double>()), count_(table.dims[0]), channels_(channels), bytes_(bytes) {}

  // Numbers of the table are data, so they may be anything.
  StoredImage at(int64_t row) const {
    if (row < 0 || row >= count_) return {};
    const double *r = rows_ + row * 3, offset = r[0], height = r[1], width = r[2];
    const double longest = static_cast<double>(kLongestSide);
    if (!whole(height, 1, longest) || !whole(width, 1, longest)) return {};
    const double size = height * width * static_cast<double>(channels_);
    if (!whole(offset, 0, static_cast<double>(bytes_) - size)) return {};
    return {static_cast<int64_t>(offset), static_cast<int64_t>(height), static_cast<int64_t>(width)};
  }

 private:
  static bool whole(double value, double least, double most) {
    return value >= least && value <= most && std::floor(value) == value;
  }

  const double* rows_;
  int64_t count_, channels_, bytes_;
};

inline constexpr int64_t kCropColumns = 9;

// A rectangle of an image is resized to rows x columns; a window of it begins at (y, x).
struct CropRow {
  CropRow() = default;
  explicit CropRow(const int32_t* r)
      : top(r[0]),
        left(r[1]),
        height(r[2]),
        width(r[3]),
        rows(r[4]),
        columns(r[5]),
        y(r[6]),
        x(r[7]),
        mirrored(r[8] != 0) {}

  void store(int32_t* r) const {
    const int64_t all[] = {top, left, height, width, rows, columns, y, x, mirrored ? 1 : 0};
    for (int64_t i = 0; i < kCropColumns; ++i) r[i] = static_cast<int32_t>(all[i]);
  }

  // Whether the rectangle lies inside the image, and a window of oh x ow inside what it is resized to.
  bool fits(const StoredImage& image, int64_t oh, int64_t ow) const {
    return inside(top, height, image.height) && inside(left, width, image.width) && inside(y, oh, rows) &&
           inside(x, ow, columns);
  }

  int64_t top = 0, left = 0, height = 0, width = 0, rows = 0, columns = 0, y = 0, x = 0;
  bool mirrored = false;

 private:
  static bool inside(int64_t begin, int64_t count, int64_t size) {
    return begin >= 0 && count >= 1 && begin <= size - count;
  }
};

inline void require_image_table(const TensorView& table) {
  require(table.dtype == DType::f64 && table.rank == 2 && table.dims[1] == 3,
          "an image table must be f64 [T, 3]");
}

inline void require_crops(const TensorView& crops, int64_t batch) {
  require(
      crops.dtype == DType::i32 && crops.rank == 2 && crops.dims[0] == batch && crops.dims[1] == kCropColumns,
      "crops must be i32 [B, 9]");
}

}  // namespace tenon
