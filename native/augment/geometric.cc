#include "augment/geometric.h"

#include <cmath>

#include "augment/functions.h"

namespace tenon::augment {
namespace {

Sampling sampling_of(double nearest) { return nearest != 0 ? Sampling::nearest : Sampling::bilinear; }

double round_half_up(double x) { return std::floor(x + 0.5); }

}  // namespace

bool draw_box(const Size& in, const double* p, bool within, bool upright, Draws& draws, Box& box) {
  const double area = static_cast<double>(in.h * in.w);
  const int64_t spare = within ? 1 : 0;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double share = area * draws.uniform(p[0], p[1]);
    const double ratio = exp_of(draws.uniform(p[2], p[3]));
    const double wide = std::sqrt(share * ratio), narrow = std::sqrt(share / ratio);
    const double h = round_half_up(upright ? wide : narrow), w = round_half_up(upright ? narrow : wide);
    if (h < 1 || w < 1 || h > static_cast<double>(in.h - spare) || w > static_cast<double>(in.w - spare))
      continue;
    box.h = static_cast<int64_t>(h);
    box.w = static_cast<int64_t>(w);
    box.top = draws.below(in.h - box.h + 1);
    box.left = draws.below(in.w - box.w + 1);
    return true;
  }
  return false;
}

Frame flip(const Size& in, const Workspace&, const double*, Draws&) {
  return {{-1, 0, static_cast<double>(in.w), 0, 1, 0}, in, in, {}};
}

Frame vertical_flip(const Size& in, const Workspace&, const double*, Draws&) {
  return {{1, 0, 0, 0, -1, static_cast<double>(in.h)}, in, in, {}};
}

Frame random_crop(const Size& in, const Workspace&, const double* p, Draws& draws) {
  const Size out{static_cast<int64_t>(p[0]), static_cast<int64_t>(p[1])};
  const int64_t padding = static_cast<int64_t>(p[2]);
  const double top = static_cast<double>(draws.below(in.h + 2 * padding - out.h + 1) - padding);
  const double left = static_cast<double>(draws.below(in.w + 2 * padding - out.w + 1) - padding);
  return {{1, 0, left, 0, 1, top}, in, out, colour_of(p + 3)};
}

bool crop_fits(const Size& in, const double* p) {
  const double border = 2 * p[2];
  return p[0] <= static_cast<double>(in.h) + border && p[1] <= static_cast<double>(in.w) + border;
}

Frame random_resized_crop(const Size& in, const Workspace&, const double* p, Draws& draws) {
  const Size out{static_cast<int64_t>(p[0]), static_cast<int64_t>(p[1])};
  Box box{};
  if (!draw_box(in, p + 2, false, false, draws, box)) {
    // As large as the image lets it be within the ratios, in the middle.
    const double h = static_cast<double>(in.h), w = static_cast<double>(in.w);
    const double ratio = std::min(std::max(w / h, exp_of(p[4])), exp_of(p[5]));
    box.h = std::clamp<int64_t>(static_cast<int64_t>(round_half_up(w / ratio)), 1, in.h);
    box.w = std::clamp<int64_t>(static_cast<int64_t>(round_half_up(h * ratio)), 1, in.w);
    box.top = (in.h - box.h) / 2;
    box.left = (in.w - box.w) / 2;
  }
  const double sx = static_cast<double>(box.w) / static_cast<double>(out.w);
  const double sy = static_cast<double>(box.h) / static_cast<double>(out.h);
  Frame frame{{sx, 0, 0, 0, sy, 0}, {box.h, box.w}, out, {}, sampling_of(p[6])};
  if (frame.sampling == Sampling::bilinear && p[7] != 0 && (sx > 1 || sy > 1))
    frame.sampling = Sampling::averaged;
  frame.window = true;
  frame.top = box.top;
  frame.left = box.left;
  return frame;
}

Frame affine(const Size& in, const Workspace&, const double* p, Draws&) {
  const double h = static_cast<double>(in.h), w = static_cast<double>(in.w);
  const double tx = round_half_up(p[1] * w), ty = round_half_up(p[2] * h), scale = p[3];
  const SinCos along = sin_cos(p[0] - p[5]), turn = sin_cos(p[0]), sx = sin_cos(p[4]), sy = sin_cos(p[5]);
  // Rotation, scale and shear of torchvision's affine, and what undoes them.
  const double tangent = sx.sin / sx.cos;
  const double a = along.cos / sy.cos, b = -a * tangent - turn.sin;
  const double c = along.sin / sy.cos, d = -c * tangent + turn.cos;
  Matrix back{d / scale, -b / scale, 0, -c / scale, a / scale, 0};
  back.x0 = w / 2 - back.xx * (w / 2 + tx) - back.xy * (h / 2 + ty);
  back.y0 = h / 2 - back.yx * (w / 2 + tx) - back.yy * (h / 2 + ty);
  return {back, in, in, colour_of(p + 7), sampling_of(p[6])};
}

Frame corner_shear(const Size& in, const Workspace&, const double* p, Draws&) {
  return {{1, p[0], 0, p[1], 1, 0}, in, in, colour_of(p + 3), sampling_of(p[2])};
}

}  // namespace tenon::augment
