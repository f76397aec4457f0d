// Geometric operations. Angles are in degrees; parameters in the order of their rows in operations.cc.
#pragma once

#include "augment/operations.h"

namespace tenon::augment {

// Mirrors left and right, top and bottom. No parameters.
Frame flip(const Size& in, const Workspace&, const double*, Draws&);
Frame vertical_flip(const Size& in, const Workspace&, const double*, Draws&);

// height, width, padding, fill[4]: a window at a random place of the image with a border of the fill.
Frame random_crop(const Size& in, const Workspace&, const double* p, Draws& draws);
bool crop_fits(const Size& in, const double* p);

// height, width, least and most share of the area, logarithms of the least and most ratio, nearest,
// antialiased: averages where it shrinks the window. torchvision's RandomResizedCrop.
Frame random_resized_crop(const Size& in, const Workspace&, const double* p, Draws& draws);

// angle, x and y translation as shares of the sides, scale, x and y shear, nearest, fill[4]. torchvision's
// affine about the centre: angles turn clockwise, translations are rounded to whole pixels.
Frame affine(const Size& in, const Workspace&, const double* p, Draws&);

// x and y shear as tangents, nearest, fill[4]: (x, y) comes from (x + p[0] y, y + p[1] x), so that the corner
// (0, 0) stays, as AutoAugment shears.
Frame corner_shear(const Size& in, const Workspace&, const double* p, Draws&);

// alpha, sigma, nearest, fill[4]: displacements of alpha / 2 pixels times uniform noise from -1 to 1, blurred
// by a Gaussian of deviation sigma. torchvision's ElasticTransform.
Frame elastic(const Size& in, const Workspace& workspace, const double* p, Draws& draws);
size_t elastic_scratch(const Size& in, int64_t c);

}  // namespace tenon::augment
