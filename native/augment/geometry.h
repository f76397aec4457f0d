// Geometric operations that follow each other are one resampling: the pixel of the result goes back through
// the frames of all of them, and takes the colour of the first frame that it falls out of, or what the image
// has at the place where it arrives. A pixel is outside of a frame if its centre is. Neighbours for
// interpolation are clamped at the edge.
#pragma once

#include "augment/image.h"
#include "augment/upright.h"

namespace tenon::augment {

// (x, y) -> (xx x + xy y + x0, yx x + yy y + y0)
struct Matrix {
  double xx, xy, x0;
  double yx, yy, y0;
};

// First `inner`, then `outer`.
Matrix compose(const Matrix& outer, const Matrix& inner);

// `averaged` is bilinear along an axis on which the image is enlarged; where it is shrunk, a pixel of the
// result is an average over what it covers. Only pixels that are upright can be.
enum class Sampling : uint8_t { any, bilinear, nearest, averaged };

// One operation: where a point of its result comes from in its input.
struct Frame {
  Matrix back;
  Size in, out;
  Colour fill;  // for points outside of the input
  // `any` if every pixel of the result is one of the input.
  Sampling sampling = Sampling::any;
  // Displacements of the input's pixels, x before y, added behind the matrix. Null: none.
  const float* field = nullptr;
  // The input is a window of the image, which pixels outside of it have no influence on. Such a frame begins
  // a resampling.
  bool window = false;
  int64_t top = 0, left = 0;
};

class Chain {
 public:
  bool empty() const { return count_ == 0; }
  bool has_field() const { return field_; }
  // Whether the frame can be a part of this resampling.
  bool takes(const Frame& frame) const;
  void add(const Frame& frame);
  void clear() { *this = {}; }
  // The size of the result.
  Size out() const { return frames_[count_ - 1].out; }

  // Writes the result: out().h x out().w pixels.
  void resample(const Picture& image, const RowMemory& memory, uint8_t* result) const;

 private:
  static constexpr int kMaxFrames = 16;
  // From the result to the input of each frame.
  struct Matrices {
    Matrix to[kMaxFrames];
  };

  // Pixel by pixel, where a frame has a field.
  void warp(const Source& source, uint8_t* result) const;
  // Row by row, where rows stay rows.
  void stretch(const Source& source, const Matrices& m, const RowMemory& memory, uint8_t* result) const;
  bool is_upright(const Matrices& m) const;
  // Fills what falls out of a frame in a row of the result. Returns the columns that are left.
  Span fill_outside(const Matrices& m, int64_t y, int64_t c, uint8_t* result) const;

  int count_ = 0;
  Sampling sampling_ = Sampling::any;
  bool field_ = false;
  Frame frames_[kMaxFrames];
};

}  // namespace tenon::augment
