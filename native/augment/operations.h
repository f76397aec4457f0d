// The table of augmentations: adding one is a function and a row (operations.cc). What goes through several
// of them is augment/program.h.
#pragma once

#include "augment/draws.h"
#include "augment/geometry.h"
#include "augment/image.h"

namespace tenon::augment {

// Scratch memory of an operation, as large as its row says, 64-byte aligned, contents undefined.
struct Workspace {
  std::byte* scratch;
  float* field;  // a displacement field, which lives until the resampling
};

// What a parameter may be, both ends included.
struct Range {
  double least, most;
};

inline constexpr int kMaxParameters = 16;

struct Operation {
  const char* name;
  int parameters;
  Range ranges[kMaxParameters];
  // Changes the image in place. Null for a geometric operation.
  void (*apply)(const Image&, const Workspace&, const double* parameters, Draws&) = nullptr;
  // Geometric: says where the result's pixels come from. Null for the others.
  Frame (*frame)(const Size& in, const Workspace&, const double* parameters, Draws&) = nullptr;
  // The first two parameters are the height and width of the result.
  bool resizes = false;
  // As many parameters, the first ones, are whole numbers that are not drawn.
  int fixed = 0;
  // Whether the fixed parameters suit an image of this size. Null: always.
  bool (*fits)(const Size& in, const double* parameters) = nullptr;
  // Geometric operations: the parameter that is 1 for the nearest pixel, 0 for interpolation; -1: every pixel
  // of the result is one of the input.
  int nearest = -1;
  // The frame's sampling may be `averaged`.
  bool averages = false;
  // The frame has a field.
  bool field = false;
  // Bytes of Workspace::scratch for an image of this size. Null: none.
  size_t (*scratch)(const Size&, int64_t c) = nullptr;
};

int operation_count();
// 0 <= opcode < operation_count()
const Operation& operation(int opcode);

// Four parameters, each from 0 to 255.
inline Colour colour_of(const double* parameters) {
  Colour colour{};
  for (int i = 0; i < Colour::kChannels; ++i) colour.v[i] = static_cast<uint8_t>(parameters[i]);
  return colour;
}

// A rectangle, drawn as torchvision does: a share of the image's area and a ratio of the sides, at a random
// place; none if ten attempts do not fit.
struct Box {
  int64_t top, left, h, w;
};
// parameters: the least and most share, the logarithms of the least and most ratio. `within`: the box must be
// smaller than the image in both directions. Ratios are width / height, or the other way round for `upright`.
bool draw_box(const Size& in, const double* parameters, bool within, bool upright, Draws& draws, Box& box);

}  // namespace tenon::augment
