// Noise for u8 images, in place: a function of (key, position in the image).
#pragma once

#include "augment/draws.h"
#include "augment/image.h"

namespace tenon::augment {

// x + 255 (mean + sigma z), rounded and cut to 0..255, with z standard normal for each channel of each pixel.
void gaussian_noise(const Image& image, double mean, double sigma, const Draws::Key& key);

// Salt and pepper: each pixel is flipped with probability `amount`, to white in a share `salt` of the cases,
// otherwise to black.
void salt_and_pepper(const Image& image, double amount, double salt, const Draws::Key& key);

}  // namespace tenon::augment
