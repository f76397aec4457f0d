// Moving elements of any dtype: what counts is their size. A Cell is one element as bytes, so that reading it
// through a pointer is defined whatever the tensor's type is.
#pragma once

#include <cstddef>
#include <cstring>

namespace tenon {

template <int Bytes>
struct Cell {
  std::byte bytes[Bytes];
};

// Calls fn(Cell<size>{}) for an element of 1, 2, 4 or 8 bytes.
template <class Fn>
void with_cell(size_t size, Fn&& fn) {
  switch (size) {
    case 1:
      return fn(Cell<1>{});
    case 2:
      return fn(Cell<2>{});
    case 4:
      return fn(Cell<4>{});
    default:
      return fn(Cell<8>{});
  }
}

}  // namespace tenon
