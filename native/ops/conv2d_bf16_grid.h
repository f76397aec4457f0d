// Convolutions in bf16 without a matrix of taps: for each block of output rows, the input pixels that they
// meet are copied once, with their padding, and every tap of the kernel multiplies that copy at an offset of
// its own (Bf16TapProduct). Output pixels are numbered through the rows of the copy, so that one tile may
// reach over the end of a row; what lies there between two rows is computed and left.
//
// Where the channels are not a multiple of a step of K, a run of taps ends in the pixel after them, whose
// weights are zero: a value there that is not finite makes this output NaN too.
#pragma once

#include <vector>

#include "ops/conv2d_bf16.h"

namespace tenon {

struct ConvGrid {
  ConvPhase phase;
  int64_t pixel;           // elements between pixels of the copy
  int64_t pitch, pitch_q;  // pixels in a row of the copy; output pixels that are numbered in a row
  int64_t width;           // input columns that a row meets; the last ones may be the next row's first
  int64_t planes, shift;   // rows of the same remainder by the stride; how many more of them than output
  bool whole_rows;         // a run is a row of taps, not one tap
  int64_t steps;           // of K in a run
  int64_t images, rows, panels;  // of a task
  int64_t plane_size;            // elements

  // Whether the input's pixels, as they lie, are rows of a product; and whether tiles of AMX read those well.
  static bool is_matrix(const ConvPhase& phase);
  static bool is_dense(const ConvPhase& phase) { return is_matrix(phase) && spreads_well(phase.k); }
  static ConvGrid make(const ConvPhase& phase, const Bf16Kernels& kernels);

  int64_t run_taps() const { return whole_rows ? phase.w.taps : 1; }
  int64_t run_count() const { return phase.taps() / run_taps(); }
  std::vector<int64_t> runs() const;
  // How weights are packed: K in the order of the runs, each padded to whole steps.
  Bf16Blocks blocks(const Bf16Kernels& kernels) const;

  int64_t workspace(const Bf16Kernels& kernels) const;  // floats
  void run(const Bf16Kernels& kernels, const bf16* packed, float* workspace) const;

 private:
  // What a task computes.
  struct Block {
    int64_t group, image, row, panel;
    int64_t images, rows, columns;
  };

  static bool spreads_well(int64_t channels);
  void cut(const Bf16Kernels& kernels);
  int64_t parts() const { return ceil_div(ceil_div(phase.n, kBf16Panel), panels); }
  int64_t tasks() const;
  Block block(int64_t task) const;
  int64_t image_size() const { return planes * plane_size; }
  int64_t copied() const;                                                    // elements of a task
  int64_t numbered() const { return (rows - 1) * pitch_q + phase.w.count; }  // of an image of a task
  void copy(const Block& block, int64_t image, bf16* to) const;
  void put(const Bf16Kernels& kernels, const Block& block, int64_t image, const float* c, int64_t ldc) const;
};

}  // namespace tenon
