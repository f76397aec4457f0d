#include "augment/erasing.h"

namespace tenon::augment {
namespace {

void paint(const Image& image, const Box& box, const Colour& colour) {
  for (int64_t y = box.top; y < box.top + box.h; ++y)
    fill(image.pixels + (y * image.w + box.left) * image.c, box.w, image.c, colour);
}

void paint_noise(const Image& image, const Box& box, Draws& draws) {
  const Draws::Key key = draws.fork();
  const int64_t row = box.w * image.c;
  PhiloxBlock block{};
  uint32_t number = 0;
  for (int64_t y = 0; y < box.h; ++y) {
    uint8_t* to = image.pixels + ((box.top + y) * image.w + box.left) * image.c;
    for (int64_t i = 0; i < row; ++i) {
      const int64_t at = (y * row + i) % 16;
      if (at == 0) block = philox(key.v[0], key.v[1], number++, 0, 0, 0);
      to[i] = static_cast<uint8_t>(block.v[at / 4] >> (8 * (at % 4)));
    }
  }
}

}  // namespace

void cutout(const Image& image, const Workspace&, const double* p, Draws& draws) {
  const int64_t h = static_cast<int64_t>(p[0]), w = static_cast<int64_t>(p[1]);
  const Colour colour = colour_of(p + 3);
  for (int64_t hole = 0; hole < static_cast<int64_t>(p[2]); ++hole) {
    const int64_t y = draws.below(image.h), x = draws.below(image.w);
    const int64_t top = std::max<int64_t>(y - h / 2, 0), left = std::max<int64_t>(x - w / 2, 0);
    const int64_t bottom = std::min(y - h / 2 + h, image.h), right = std::min(x - w / 2 + w, image.w);
    paint(image, {top, left, bottom - top, right - left}, colour);
  }
}

void random_erasing(const Image& image, const Workspace&, const double* p, Draws& draws) {
  Box box{};
  if (!draw_box(image.size(), p, true, true, draws, box)) return;
  if (p[4] != 0) {
    paint_noise(image, box, draws);
  } else {
    paint(image, box, colour_of(p + 5));
  }
}

}  // namespace tenon::augment
