// A list of augmentations as numbers, and an image's way through it.
//
//   program     (place, node)...   place: 1 to 4095, the item's place in its list
//   operation   opcode, p, (low, high, draw) for each parameter
//   sequence    -1, p, length, count, node...   length: of all that follows `count`
//   one of      -2, p, length, count, weight for each node, node...
//   some of     -3, p, length, count, least, most, replace, node...
//
// A node happens with probability p. `draw`: 0 low; 1 uniform from low to below high; 2 a whole number from
// low to high; 3 as 1, with a random sign. `some of`: from `least` to `most` of the nodes, in the order of
// the list; with `replace`, in the order in which they are drawn, each perhaps more than once. All draws of
// an item come from one stream (draws.h), in the order in which they are needed.
#pragma once

#include "augment/operations.h"

namespace tenon::augment {

struct Program {
  const double* numbers;
  int64_t count;
};

// What an image needs on its way.
struct Needs {
  Size out;
  int64_t pixels;  // of the largest image
  size_t scratch;  // bytes
  size_t rows;     // bytes of RowMemory
  bool field;
  double steps;  // operations, at most
};

// Checks a program for images of this size. Throws std::invalid_argument.
Needs check(const Program& program, const Size& in, int64_t c);

// Memory of one walk: two images of Needs::pixels, and what Workspace and RowMemory say.
struct Memory {
  uint8_t* images[2];
  Workspace workspace;
  RowMemory rows;
};

// Takes one image through a program that was checked, and writes the result.
void walk(const Program& program, const Stream& stream, const uint8_t* source, const Size& in, int64_t c,
          const Memory& memory, uint8_t* result);

}  // namespace tenon::augment
