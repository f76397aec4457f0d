// Operations on the colours of a u8 image, pixel by pixel, in place. Definitions are Pillow's (ImageEnhance,
// ImageOps, Image.convert), to the bit, but for hue and gamma, which are torchvision's for tensors. Factors
// are finite; whoever calls has checked the ranges.
#pragma once

#include "augment/image.h"

namespace tenon::augment {

// round(0.299 r + 0.587 g + 0.114 b) in 16-bit fixed point, as Pillow's convert('L').
inline uint8_t luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

// to[i] = degenerate[i] + factor (to[i] - degenerate[i]), cut to 0..255 and truncated: what Pillow calls
// enhancing. Factor 0 is the degenerate image, 1 the image itself.
void blend(const uint8_t* degenerate, int64_t n, float factor, uint8_t* to);

// Towards black.
void brightness(const Image& image, double factor);
// Towards the mean of the grey image. Of 1 or 3 channels.
void contrast(const Image& image, double factor);
// Towards the grey image. Images without three channels stay as they are, here and in hue,
// grey and color_pca.
void saturation(const Image& image, double factor);
// Turns the hue of HSV by `shift` turns.
void hue(const Image& image, double shift);
// 255.999 (x / 255)^gamma, truncated.
void gamma(const Image& image, double gamma);
// Keeps the highest `bits` of the 8 of each channel.
void posterize(const Image& image, double bits);
// Inverts what is at least `threshold`.
void solarize(const Image& image, double threshold);
void invert(const Image& image);
// A histogram as even as look-up tables make it, for each channel.
void equalize(const Image& image);
// The darkest value of each channel becomes 0, the lightest 255.
void autocontrast(const Image& image);
// All three channels become the luma.
void grayscale(const Image& image);
// Adds an offset to each channel of all pixels, rounded and cut to 0..255: AlexNet's colour PCA offsets
// (Krizhevsky et al. 2012).
void color_offset(const Image& image, const double (&offset)[3]);

}  // namespace tenon::augment
