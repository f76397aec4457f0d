// Cuts windows out of images of different sizes, resized on the way: data u8 (images H W C, one after the
// other), table f64 [T, 3] (of each image its first byte, height and width), index i32 [B], crops i32 [B, 9]
// -> y u8 [B, OH, OW, C]; attribute largest[2], the largest height and width in the table.
//
// A row of crops is top, left, height, width, rows, columns, y, x, mirrored: that rectangle of the image,
// resized to rows x columns, from which the window of OH x OW pixels at (y, x) is taken, and mirrored
// left and right where the last number is 1. Only the window is computed. Pixels outside the rectangle
// have no influence.
//
// Resized as Pillow does it, to the bit (base/resample_geom.h): along rows, rounded to bytes, then along
// columns. All arithmetic is in whole numbers. A ring holds the rows that a row of the window needs.
// Parallel over images, each slot with memory of its own. An image or a crop that does not exist is a
// Fault, and zeros.
#define TENON_KERNEL_FILE "kernels/resample_images.cc"
#include "base/conv_geom.h"
#include "base/resample_geom.h"
#include "kernels/checks.h"
#include "kernels/crop_rows.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/bytes.h"

constexpr AttrNames kAttrs{"largest[2]"};
constexpr int64_t kSlots = 64;
constexpr int32_t kHalf = 1 << (kWeightBits - 1);

// Sizes of a call, and where the parts of a slot's memory lie.
struct Shape {
  explicit Shape(const Call& call)
      : batch(call.t[4].dims[0]),
        oh(call.t[4].dims[1]),
        ow(call.t[4].dims[2]),
        c(call.t[4].dims[3]),
        row_bytes(checked_product(ow, c)),
        taps_across(most_taps(call.attr(kAttrs["largest"] + 1), ow)),
        taps_down(most_taps(call.attr(kAttrs["largest"]), oh)),
        slots(std::min(batch, kSlots)) {}

  // first and count of each column, the weights of all columns, the weights of a row, the ring of rows
  int64_t ints() const { return 2 * ow + checked_product(ow, taps_across) + taps_down; }
  int64_t slot_bytes() const {
    return checked_product(ceil_div(4 * ints() + checked_product(taps_down, row_bytes), 64), 64);
  }

  int64_t batch, oh, ow, c, row_bytes, taps_across, taps_down, slots;
};

struct Slot {
  Slot(const Shape& s, std::byte* memory)
      : first(reinterpret_cast<int32_t*>(memory)),
        count(first + s.ow),
        across(count + s.ow),
        down(across + s.ow * s.taps_across),
        ring(reinterpret_cast<uint8_t*>(down + s.taps_down)) {}
  int32_t *first, *count, *across, *down;
  uint8_t* ring;
};

inline uint8_t rounded(int32_t sum) { return static_cast<uint8_t>(std::min(sum >> kWeightBits, 255)); }

// A row of the window from a row of the rectangle. C is 0 where the number of channels is c.
template <int C>
void resample_row(const uint8_t* row, const Shape& s, const Slot& k, uint8_t* out) {
  for (int64_t x = 0; x < s.ow; ++x) {
    const int32_t* weights = k.across + x * s.taps_across;
    const int32_t count = k.count[x];
    if constexpr (C == 0) {
      for (int64_t j = 0; j < s.c; ++j) {
        const uint8_t* p = row + k.first[x] * s.c + j;
        int32_t sum = kHalf;
        for (int32_t t = 0; t < count; ++t) sum += weights[t] * p[t * s.c];
        *out++ = rounded(sum);
      }
    } else {
      const uint8_t* p = row + int64_t{k.first[x]} * C;
      int32_t sums[C];
      for (int j = 0; j < C; ++j) sums[j] = kHalf;
      for (int32_t t = 0; t < count; ++t, p += C) {
        for (int j = 0; j < C; ++j) sums[j] += weights[t] * p[j];
      }
      for (int j = 0; j < C; ++j) *out++ = rounded(sums[j]);
    }
  }
}

void resample_row(const uint8_t* row, const Shape& s, const Slot& k, uint8_t* out) {
  if (s.c == 3) return resample_row<3>(row, s, k, out);
  if (s.c == 1) return resample_row<1>(row, s, k, out);
  resample_row<0>(row, s, k, out);
}

// A row of y from rows [taps.first, taps.first + taps.count) of the ring.
void blend_rows(const Shape& s, const Slot& k, const Taps& taps, uint8_t* y) {
  for_vectors(s.row_bytes, [&](int64_t i, auto lanes) {
    M sum = M{} + kHalf;
    for (int64_t t = 0; t < taps.count; ++t) {
      const uint8_t* row = k.ring + (taps.first + t) % s.taps_down * s.row_bytes;
      sum += load_bytes(row + i, lanes) * k.down[t];
    }
    sum >>= kWeightBits;
    store_bytes(y + i, sum > 255 ? M{} + 255 : sum, lanes);
  });
}

void resample(const Shape& s, const CropRow& crop, const uint8_t* image, int64_t width, const Slot& k,
              uint8_t* y) {
  const ResampleAxis across{crop.width, crop.columns, crop.x}, down{crop.height, crop.rows, crop.y};
  for (int64_t x = 0; x < s.ow; ++x) {
    const int64_t to = crop.mirrored ? s.ow - 1 - x : x;
    const Taps taps = taps_of(across, x, k.across + to * s.taps_across);
    k.first[to] = static_cast<int32_t>(taps.first);
    k.count[to] = static_cast<int32_t>(taps.count);
  }
  const uint8_t* corner = image + (crop.top * width + crop.left) * s.c;
  int64_t ready = 0;  // rows before this one are in the ring, or no longer needed
  for (int64_t row = 0; row < s.oh; ++row, y += s.row_bytes) {
    const Taps taps = taps_of(down, row, k.down);
    ready = std::max(ready, taps.first);
    for (; ready < taps.first + taps.count; ++ready) {
      resample_row(corner + ready * width * s.c, s, k, k.ring + ready % s.taps_down * s.row_bytes);
    }
    blend_rows(s, k, taps, y);
  }
}

void make_image(const Call& call, const Shape& s, int64_t b, const Slot& k) {
  uint8_t* y = call.t[4].as<uint8_t>() + b * s.oh * s.row_bytes;
  const ImageTable table(call.t[1], s.c, call.t[0].numel());
  const StoredImage image = table.at(call.t[2].as<int32_t>()[b]);
  const CropRow crop(call.t[3].as<int32_t>() + b * kCropColumns);
  const bool known = image.height >= 1 && image.height <= call.attr(kAttrs["largest"]) &&
                     image.width <= call.attr(kAttrs["largest"] + 1);
  if (!known || !crop.fits(image, s.oh, s.ow)) {
    call.run->fault(Fault::index_out_of_range, b);
    std::memset(y, 0, static_cast<size_t>(s.oh * s.row_bytes));
    return;
  }
  resample(s, crop, call.t[0].as<uint8_t>() + image.offset, image.width, k, y);
}

Cost prepare(const Call& call) {
  require_operands(call, 5);
  const TensorView &crops = call.t[3], &y = call.t[4];
  require_dtype(call.t[0], DType::u8, "resample_images: data must be u8");
  require_image_table(call.t[1]);
  require(y.rank == 4 && y.dtype == DType::u8, "resample_images: y must be u8 [B, OH, OW, C]");
  require(y.dims[1] >= 1 && y.dims[2] >= 1 && y.dims[3] >= 1, "resample_images: y has an empty axis");
  require(y.dims[1] <= kLongestSide && y.dims[2] <= kLongestSide, "resample_images: y is too large");
  require(call.t[2].rank == 1 && call.t[2].dtype == DType::i32 && call.t[2].dims[0] == y.dims[0],
          "resample_images: index must be i32 [B]");
  require_crops(crops, y.dims[0]);
  for (const int i : {kAttrs["largest"], kAttrs["largest"] + 1}) {
    const int64_t side = integer_attr(call, i, "resample_images: a size must be an integer");
    require(side >= 1 && side <= kLongestSide, "resample_images: a size is out of range");
  }
  const Shape s(call);
  const double rows = static_cast<double>(y.numel());
  return {static_cast<size_t>(checked_product(s.slots, s.slot_bytes())),
          rows * 2 * static_cast<double>(s.taps_across + s.taps_down), 2 * rows};
}

void run(const Call& call) {
  const Shape s(call);
  const double cost =
      static_cast<double>(call.t[4].numel()) * static_cast<double>(s.taps_across + s.taps_down);
  parallel_for(s.slots, cost, [&](int64_t slot) {
    const Slot memory(s, call.workspace + slot * s.slot_bytes());
    for (int64_t b = slot; b < s.batch; b += s.slots) make_image(call, s, b, memory);
  });
}

TENON_KERNEL(resample_images, prepare, run, kAttrs)
#endif
