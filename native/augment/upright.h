// Resampling where rows stay rows and columns stay columns: along each row of the source that is
// needed, once, then across rows (kernels/resample_rows.h). Interpolates, as geometry.cc does pixel
// by pixel, to the bit; or averages along an axis on which the image is shrunk, with the triangle
// filter of base/resample_geom.h.
#pragma once

#include <cstddef>

#include "augment/lines.h"
#include "kernels/resample_rows.h"

namespace tenon::augment {

// Memory for it, as large as upright_bytes says, 64-byte aligned.
struct RowMemory {
  std::byte* at;
  const ResampleRows* kernels;
};

// How many pixels of an axis make one of the result where `extent` of them become at least `count`:
// an even number.
int64_t averaged_taps(int64_t extent, int64_t count);

// For results of at most so many columns, from so many taps in each direction.
int64_t upright_bytes(int64_t columns, int64_t c, int64_t across, int64_t down);

class Upright {
 public:
  // Columns of the result come from positions x[begin] to x[end - 1], rows from positions that
  // are `y_step` apart.
  Upright(const Source& s, const Line& x, Span columns, int64_t y_step, bool averages,
          const RowMemory& memory);

  // Writes the columns of a row that comes from position y.
  void row(int64_t y, uint8_t* result);

 private:
  const int16_t* resampled(int64_t y);

  const Source& s_;
  const ResampleRows& kernels_;
  RowTaps taps_;
  int64_t down_step_;  // 0: interpolates
  int64_t down_taps_, row_length_;
  int16_t *down_weights_, *ring_;
  const int16_t** rows_;
  int32_t* held_;  // which row of the source each row of the ring is
};

}  // namespace tenon::augment
