// Geometric operations that follow each other are one resampling: the pixel of the result goes back through
// the frames of all of them, and takes the colour of the first frame that it falls out of, or what the image
// has at the place where it arrives. A pixel (x, y) covers [x, x + 1) x [y, y + 1); it is outside of a frame
// if its centre is. Neighbours for interpolation are clamped at the edge.
#pragma once

#include "augment/image.h"

namespace tenon::augment {

// (x, y) -> (xx x + xy y + x0, yx x + yy y + y0)
struct Matrix {
  double xx, xy, x0;
  double yx, yy, y0;
};

// First `inner`, then `outer`.
Matrix compose(const Matrix& outer, const Matrix& inner);

enum class Sampling : uint8_t { any, bilinear, nearest };

// One operation: where a point of its result comes from in its input.
struct Frame {
  Matrix back;
  Size in, out;
  Colour fill;  // for points outside of the input
  // `any` if every pixel of the result is one of the input.
  Sampling sampling = Sampling::any;
  // Displacements of the input's pixels, x before y, added behind the matrix. Null: none.
  const float* field = nullptr;
};

class Chain {
 public:
  bool empty() const { return count_ == 0; }
  // Whether the frame can be a part of this resampling.
  bool takes(Sampling sampling, bool field) const;
  void add(const Frame& frame);
  void clear() { *this = {}; }
  // The size of the result.
  Size out() const { return frames_[count_ - 1].out; }

  // Writes the result: out().h x out().w pixels of c channels.
  void resample(const uint8_t* source, int64_t c, uint8_t* result) const;

 private:
  static constexpr int kMaxFrames = 16;
  // Pixel by pixel, where a frame has a field.
  void warp(const uint8_t* source, int64_t c, uint8_t* result) const;

  int count_ = 0;
  Sampling sampling_ = Sampling::any;
  bool field_ = false;
  Frame frames_[kMaxFrames];
};

}  // namespace tenon::augment
