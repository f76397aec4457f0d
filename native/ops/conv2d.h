// The parts of the convolution driver. Each algorithm states its workspace in floats and runs with that much.
#pragma once

#include <cstdint>

#include "base/conv_geom.h"
#include "kernels/gemm_bf16.h"
#include "ops/heavy.h"

namespace tenon {

// 1x1, stride 1, no padding: all pixels are one matrix.
bool conv2d_is_matrix(const ConvGeom& g);

// Every algorithm that takes a residual adds to what y holds. Copies the residual there, unless it
// lies there already.
void conv2d_place_residual(const ConvCall& call);

// Batch-reduce GEMM over the taps, no column buffer (conv2d_direct.cc).
int64_t conv2d_direct_workspace(const ConvCall& call, const GemmKernels& kernels);
void conv2d_direct(const ConvCall& call, const GemmKernels& kernels, float* workspace);
// The same forward pass, bit for bit, with weights packed once and kept between calls: conv2d_direct_pack()
// fills conv2d_direct_packed_floats() floats (64-byte aligned; 0: the weights are read as they are).
int64_t conv2d_direct_packed_floats(const ConvCall& call, const GemmKernels& kernels);
int64_t conv2d_direct_packed_layout(const ConvCall& call, const GemmKernels& kernels);
void conv2d_direct_pack(const ConvCall& call, const GemmKernels& kernels, float* packed);
int64_t conv2d_direct_packed_workspace(const ConvCall& call, const GemmKernels& kernels);
void conv2d_direct_packed(const ConvCall& call, const GemmKernels& kernels, const float* packed,
                          float* workspace);

// The same in float, of few input channels, between activations that are stored as bf16 (the output may be
// f32). `packed`: as above, or null. The gradient of its weights is conv2d_weights_narrow().
bool conv2d_is_thin(const ConvGeom& g);
int64_t conv2d_thin_workspace(const ConvCall& call, const GemmKernels& kernels, const Bf16Kernels& storage,
                              bool packed);
void conv2d_thin(const ConvCall& call, const GemmKernels& kernels, const Bf16Kernels& storage,
                 const float* packed, float* workspace);

// conv2d_direct_data.cc
int64_t conv2d_direct_data_workspace(const ConvCall& call, const GemmKernels& kernels);
void conv2d_direct_data(const ConvCall& call, const GemmKernels& kernels, float* workspace);

// Weight gradients: M = output channels, N = input channels, K = pixels (conv2d_weights.cc); the other way
// round for few input channels (conv2d_weights_narrow.cc); N = the taps of a kernel row for few weights
// (conv2d_weights_rows.cc); and one product for 1x1 kernels of stride 1 that
// are not too large (conv2d_weights_matrix.cc). Chunks of pixels that have sums of their own, added in order:
// about 32 tasks with the `tiles` of each, as far as there are blocks of pixels and the sums do not take too
// much memory.
inline int64_t weight_chunks(int64_t tiles, int64_t blocks, int64_t weights) {
  constexpr int64_t kTasks = 32, kMostFloats = 1 << 23;
  return std::clamp<int64_t>(ceil_div(kTasks, tiles), 1,
                             std::max<int64_t>(1, std::min(blocks, kMostFloats / weights)));
}
// dw = part 0 + part 1 + ... in order; each is of the shape of dw.
void conv2d_add_weight_parts(const ConvGeom& g, const float* parts, int64_t count, float* dw);
int64_t conv2d_weights_workspace(const ConvCall& call, const GemmKernels& kernels);
void conv2d_weights(const ConvCall& call, const GemmKernels& kernels, float* workspace);
bool conv2d_weights_by_rows(const ConvGeom& g, const GemmKernels& kernels);
int64_t conv2d_weights_rows_workspace(const ConvCall& call, const GemmKernels& kernels);
void conv2d_weights_rows(const ConvCall& call, const GemmKernels& kernels, float* workspace);
bool conv2d_weights_is_matrix(const ConvGeom& g, const GemmKernels& kernels);
int64_t conv2d_weights_matrix_workspace(const ConvCall& call, const GemmKernels& kernels);
void conv2d_weights_matrix(const ConvCall& call, const GemmKernels& kernels, float* workspace);
bool conv2d_weights_is_narrow(const ConvGeom& g, const GemmKernels& kernels);
int64_t conv2d_weights_narrow_workspace(const ConvCall& call, const GemmKernels& kernels);
// `storage`: where x and dy are bf16, else null.
void conv2d_weights_narrow(const ConvCall& call, const GemmKernels& kernels, const Bf16Kernels* storage,
                           float* workspace);

// A column matrix per image and one GEMM per group (conv2d_im2col.cc): the alternative,
// correct for everything.
int64_t conv2d_im2col_workspace(ConvPass pass, const ConvCall& call, const GemmKernels& kernels);
void conv2d_im2col(ConvPass pass, const ConvCall& call, const GemmKernels& kernels, float* workspace);

// Output pixels in blocks: either `images` whole images, or `rows` output rows of one image.
struct PixelBlocks {
  int64_t n, oh;         // all there is
  int64_t images, rows;  // of a block

  struct Block {
    int64_t n0, n1, i0, i1;
  };
  int64_t row_blocks() const { return ceil_div(oh, rows); }
  int64_t count() const { return ceil_div(n, images) * row_blocks(); }
  Block at(int64_t index) const {
    const int64_t n0 = index / row_blocks() * images, i0 = index % row_blocks() * rows;
    return {n0, std::min(n, n0 + images), i0, std::min(oh, i0 + rows)};
  }
  // The block behind, or the last one again.
  Block after(int64_t index) const { return at(std::min(index + 1, count() - 1)); }
  // Blocks of about `pixels` pixels of images oh x ow; several images only when they are whole.
  static PixelBlocks make(int64_t n, int64_t oh, int64_t ow, int64_t pixels, int64_t most_rows) {
    const int64_t rows = std::clamp<int64_t>(pixels / ow, 1, std::max<int64_t>(1, std::min(oh, most_rows)));
    const int64_t even = ceil_div(oh, ceil_div(oh, rows));
    const int64_t images =
        even == oh ? std::clamp<int64_t>(pixels / (oh * ow), 1, std::max<int64_t>(n, 1)) : 1;
    return {n, oh, images, even};
  }
};

}  // namespace tenon
