// The window of each image that a model looks at in one view of it: table f64 [T, 3], index i32 [B], view f64
// [3] -> crops i32 [B, 9] (kernels/resample_images.cc); attribute size[2], height and width of the window.
//
// The view is short side, place, mirrored. The image is resized so that its short side has that length; 0
// leaves it as it is, and below 0 it is made as small as covers the window. Places: 0 centre, 1 top left, 2
// top right, 3 bottom left, 4 bottom right, of the mirrored image where mirrored is 1: the order and rounding
// of torchvision's Resize, FiveCrop and TenCrop. A window that is larger than the resized image is a Fault at
// the image's place.
#define TENON_KERNEL_FILE "kernels/view_crops.cc"
#include "kernels/crop_rows.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

constexpr AttrNames kAttrs{"size[2]"};

struct View {
  int64_t short_side;
  int place;
  bool mirrored;
};

// Half of what a window leaves free, rounded to even as Python's round() does.
inline int64_t centred(int64_t free) {
  return static_cast<int64_t>(std::nearbyint(static_cast<double>(free) / 2));
}

inline int64_t scaled(int64_t side, int64_t to, int64_t from) {
  return std::max<int64_t>(1, side * to / from);
}

void resize(CropRow& crop, int64_t short_side, int64_t oh, int64_t ow) {
  const int64_t h = crop.height, w = crop.width;
  const bool by_height = short_side < 0 ? oh * w >= ow * h : h <= w;
  const int64_t side = short_side < 0 ? (by_height ? oh : ow) : short_side;
  crop.rows = side == 0 ? h : by_height ? side : scaled(h, side, w);
  crop.columns = side == 0 ? w : by_height ? scaled(w, side, h) : side;
}

bool make_crop(const View& view, const StoredImage& image, int64_t oh, int64_t ow, CropRow* crop) {
  crop->height = image.height;
  crop->width = image.width;
  resize(*crop, view.short_side, oh, ow);
  const int64_t free_rows = crop->rows - oh, free_columns = crop->columns - ow;
  const bool bottom = view.place == 3 || view.place == 4, right = view.place == 2 || view.place == 4;
  crop->y = view.place == 0 ? centred(free_rows) : bottom ? free_rows : 0;
  const int64_t x = view.place == 0 ? centred(free_columns) : right ? free_columns : 0;
  crop->x = view.mirrored ? free_columns - x : x;
  crop->mirrored = view.mirrored;
  return crop->fits(image, oh, ow) && crop->rows <= INT32_MAX && crop->columns <= INT32_MAX;
}

Cost prepare(const Call& call) {
  require_operands(call, 4);
  require_image_table(call.t[0]);
  const TensorView &index = call.t[1], &view = call.t[2];
  require(index.rank == 1 && index.dtype == DType::i32, "view_crops: index must be i32 [B]");
  require(view.rank == 1 && view.dims[0] == 3 && view.dtype == DType::f64,
          "view_crops: view must be f64 [3]");
  require_crops(call.t[3], index.dims[0]);
  for (const int i : {kAttrs["size"], kAttrs["size"] + 1}) {
    const int64_t side = integer_attr(call, i, "view_crops: a size must be an integer");
    require(side >= 1 && side <= kLongestSide, "view_crops: a size is out of range");
  }
  return {0, 20.0 * static_cast<double>(index.dims[0]), static_cast<double>(call.t[3].bytes())};
}

void run(const Call& call) {
  const double* v = call.t[2].as<double>();
  const double longest = static_cast<double>(kLongestSide);
  const View view{static_cast<int64_t>(v[0] >= -1 && v[0] <= longest ? v[0] : 0),
                  static_cast<int>(v[1] >= 0 && v[1] <= 4 ? v[1] : 0), v[2] == 1};
  const int64_t oh = call.attr(kAttrs["size"]), ow = call.attr(kAttrs["size"] + 1);
  const ImageTable table(call.t[0]);
  for (int64_t b = 0; b < call.t[1].dims[0]; ++b) {
    CropRow crop;
    const StoredImage image = table.at(call.t[1].as<int32_t>()[b]);
    if (image.height == 0 || !make_crop(view, image, oh, ow, &crop)) {
      call.run->fault(Fault::index_out_of_range, b);
      crop = {};
    }
    crop.store(call.t[3].as<int32_t>() + b * kCropColumns);
  }
}

TENON_KERNEL(view_crops, prepare, run, kAttrs)
#endif
