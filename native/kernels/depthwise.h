// Depthwise convolution: every channel has a filter of its own. Vectors run over channels, which lie next to
// each other in a pixel, so that all three passes are sums of products of rows. Images are f32 or bf16;
// filters, their gradients and all arithmetic are f32. The drivers (ops/conv2d_depthwise.cc) cut output rows
// in spans of pixels that the same taps reach: those in the middle, which all taps do, and those at an edge
// of the image.
#pragma once

#include <cstdint>

#include "kernels/gemm.h"

namespace tenon {

// Where a tap reads for the first pixel of a span, and where its filter lies: offsets in elements.
struct DepthwiseTap {
  int64_t in, filter;
};

// Some channels of `pixels` outputs: out[p][c] = activation(bias[c] + sum over taps of in[p][tap][c] *
// filters[tap][c]). Pixels are in_step and out_step elements apart.
struct DepthwiseSpan {
  const DepthwiseTap* taps;
  int64_t tap_count;  // may be 0
  DType in_type, out_type;
  const std::byte* in;
  int64_t in_step;
  const float* filters;
  std::byte* out;
  int64_t out_step;
  int64_t pixels, channels;
  int64_t image_channels;  // of a pixel, which these are some of
  const float* bias;       // [channels], or null
  Activation activation;
  size_t out_bytes;  // of the whole output, which is streamed where it is large
  // Where the first pixel of the next row finds input that this row does not reach, in elements, how
  // many such rows there are, and how many columns for each pixel: fetched meanwhile. 0 rows where that
  // is in cache.
  int64_t ahead, ahead_rows, ahead_row_step, ahead_columns;
};

// An input row, in elements from the first one, and the row of the filter that it meets for each of two
// output rows, negative where it is not theirs.
struct DepthwiseInputRow {
  int64_t in, upper, lower;
};

// One or two whole output rows of a forward pass without dilation, the lower one below the upper one: what
// both read is read once.
struct DepthwiseRows {
  DepthwiseSpan span;  // the upper row, without taps
  std::byte* lower;    // out, or null
  const DepthwiseInputRow* rows;
  int64_t row_count;
  int64_t width;     // of the input
  int64_t columns;   // of the filter
  int64_t step;      // input columns from an output pixel to the next one
  int64_t padding;   // columns on the left
  int64_t tap_step;  // from a filter's column to the next one, in elements
};

// The gradient of the filters: filters[tap][c] += sum, from zero, over rows and pixels of
// dy[r][p][c] * in[r][p][tap][c].
struct DepthwiseGradient {
  const DepthwiseTap* taps;
  int64_t tap_count;
  DType type;  // of in and dy
  const std::byte* in;
  int64_t in_step, in_row_step;
  const std::byte* dy;
  int64_t dy_step, dy_row_step;
  int64_t rows, pixels, channels;
  // What the following rows read first, in the order of addresses, and how many elements of `in` for one of
  // dy: fetched while the first whole 3x3 taps are summed. Null where that is in cache.
  const std::byte *ahead_in, *ahead_dy;
  int64_t ahead_ratio;
  float* filters;
};

// What one instruction set offers.
struct DepthwiseKernels {
  void (*span)(const DepthwiseSpan& span);
  void (*gradient)(const DepthwiseGradient& gradient);
  // Returns false where it does nothing, and spans have to. Null without the registers for it.
  bool (*rows)(const DepthwiseRows& rows);
};

const DepthwiseKernels& depthwise_kernels(Target target);

// As those of Target::avx512, with the processor's own rounding to bf16 (depthwise_bf16.cc).
const DepthwiseKernels& depthwise_avx512bf16();

}  // namespace tenon
