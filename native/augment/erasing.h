// Operations that paint over a part of an image.
#pragma once

#include "augment/operations.h"

namespace tenon::augment {

// height, width, holes, fill[4]: rectangles whose centres are anywhere in the image, cut off at its edges.
// DeVries and Taylor 2017, "Improved regularization of convolutional neural networks with cutout".
void cutout(const Image& image, const Workspace&, const double* p, Draws& draws);

// least and most share of the area, logarithms of the least and most ratio (height / width), noise, fill[4]:
// a rectangle within the image, of the fill or, with noise 1, of random bytes. Zhong et al. 2017, "Random
// erasing data augmentation", with torchvision's draws.
void random_erasing(const Image& image, const Workspace&, const double* p, Draws& draws);

}  // namespace tenon::augment
