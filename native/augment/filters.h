// Operations on the neighbourhood of pixels, in place; scratch memory holds the image as it was.
#pragma once

#include "augment/image.h"

namespace tenon::augment {

// The largest side of a Gaussian's window.
inline constexpr int kMaxBlurSize = 127;

// Separable Gaussian of `size` x `size` taps (odd, at most kMaxBlurSize), mirrored at the edges without
// repeating them, rounded: torchvision's gaussian_blur. sigma > 0.
void gaussian_blur(const Image& image, int size, double sigma, std::byte* scratch);
// Bytes of `scratch`, which is aligned for floats.
size_t blur_scratch(const Size& size, int64_t c);

// Away from (or, below 1, towards) the image smoothed by [1 1 1; 1 5 1; 1 1 1] / 13, whose edge is that of
// the image: Pillow's ImageEnhance.Sharpness, to the bit.
void sharpness(const Image& image, double factor, std::byte* scratch);
size_t sharpness_scratch(const Size& size, int64_t c);

}  // namespace tenon::augment
