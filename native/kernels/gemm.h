// Batch-reduce GEMM, the one building block of matmul and all convolutions (Georganas et al. 2019):
//
//   C[m][n] (+)= sum over i < batch, k < K of A[a_off[i] + m*ars + k*aks] * B[b_off[i] + k*bks + n]
//
// for one register tile of mr rows and nv vectors of columns. Each C[m][n] is summed in the order of (i, k),
// in blocks: a chain of kLongestChain multiply-adds from zero, then the next one, and the sums of the blocks
// are added in order. The error of a sum of n terms grows as the root of the longest chain in it, so one
// chain of all of K would lose the last digits. Results do not depend on how M and N are cut; on where K is
// cut they do.
//
// M: rows, e.g. the pixels of an output row. N: columns, contiguous. The driver owns every blocking decision;
// the kernel handles columns beyond `n` (they are computed and not stored, so B's rows must be readable for
// nv * width floats).
#pragma once

#include <cstdint>
#include <limits>

#include "kernels/kernel.h"

namespace tenon {

// Multiply-adds that follow each other in one sum.
inline constexpr int64_t kLongestChain = 384;

enum class Activation : int { none = 0, relu = 1, relu6 = 2, tanh = 3, sigmoid = 4 };
inline constexpr int kActivations = 5;

// Whether an activation only clips.
inline bool clips(Activation a) { return a == Activation::relu || a == Activation::relu6; }

// What an activation that only clips, or none, keeps values between. Clipping at infinity changes no bit.
struct ClipBounds {
  float least, most;
};

inline ClipBounds clip_bounds(Activation a) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  return {clips(a) ? 0 : -kInfinity, a == Activation::relu6 ? 6 : kInfinity};
}

struct GemmTile {
  const float* a;
  const float* b;
  float* c;
  const int64_t* a_off;  // [batch], in floats
  const int64_t* b_off;
  int64_t batch;
  int64_t k;
  int64_t ars, aks;
  int64_t a_jump;  // row (mr+1)/2 is at a + a_jump (normally (mr+1)/2 * ars): a tile may span two pixel rows
  int64_t bks;
  int64_t crs;
  int64_t c_jump;     // as a_jump, for C
  int64_t n;          // columns to store, (nv-1) * width < n <= nv * width
  const float* bias;  // [n] added after the sum, or null
  Activation activation;
  bool accumulate;      // C += instead of C =
  bool far;             // B is not in the second cache level: fetch it ahead where that helps
  bool stream;          // C is written past the caches: whole panels, C and its rows aligned to 64 bytes
  const float* start;   // laid out as C: what the first block starts from instead of zero, or null
  const float* addend;  // laid out as C: what `accumulate` adds to, or null for C itself
  // Where at most three vectors are a row of B: what is fetched into the second cache level meanwhile, so
  // many floats further for each of the rows, or null.
  const float* ahead;
  int64_t ahead_step;
};

using GemmFn = void (*)(const GemmTile&);

// What one instruction set offers.
struct GemmKernels {
  static constexpr int kMaxMr = 14;
  static constexpr int kMaxNv = 4;

  Target target;
  int width;           // floats in a vector
  int mr[kMaxNv + 1];  // tallest tile with nv vectors; 0 where there is none
  GemmFn fn[kMaxNv + 1][kMaxMr + 1];

  // dst[k][j] = src[j*ld + k] for k < depth, j < n; zero for n <= j < panel. Rows of dst are `panel` floats
  // (a multiple of width).
  void (*pack_transposed)(const float* src, int64_t ld, int64_t n, int64_t depth, float* dst, int64_t panel);

  // After a task's last tile that was streamed: other threads may read it.
  void (*end_streaming)();
};

const GemmKernels& gemm_kernels(Target target);

}  // namespace tenon
