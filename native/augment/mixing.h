// What mixup and CutMix draw for a sample.
#pragma once

#include "augment/draws.h"
#include "augment/image.h"

namespace tenon::augment {

// Standard normal (Box & Muller 1958).
double draw_normal(Draws& draws);

// A number from the symmetric beta distribution Beta(alpha, alpha), alpha > 0.
double draw_beta(double alpha, Draws& draws);

// Rows [top, bottom) and columns [left, right).
struct Window {
  int64_t top, left, bottom, right;
  int64_t pixels() const { return (bottom - top) * (right - left); }
};

// A window of the share 1 - keep of an image, with the image's ratio of sides, around a pixel that is drawn
// uniformly, and cut off at the edges (Yun et al. 2019; half sides are truncated as torchvision does).
Window draw_window(const Size& size, double keep, Draws& draws);

}  // namespace tenon::augment
