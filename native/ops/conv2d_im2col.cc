// Convolution by an explicit column matrix, image by image and group by group:
//
//   col[OH*OW][KH*KW*C/G];  y = col w^T;  dcol = dy w, dx gathers dcol;  dw += dy^T col
//
// The alternative to the direct algorithms (`algorithm` 1), and what they are compared with: correct for
// every geometry.
#include <cstring>

#include "ops/conv2d.h"
#include "ops/matmul.h"

namespace tenon {
namespace {

int64_t depth_of(const ConvGeom& g) { return g.taps() * g.cg(); }

// The matrix product of one image and group; `col` may be null when only sizes matter.
Gemm make_gemm(ConvPass pass, const ConvCall& call, int64_t n, int64_t group, float* col) {
  const ConvGeom& g = call.g;
  const auto at = [](const TensorView& t, int64_t offset) {
    return t.data ? t.as<float>() + offset : nullptr;
  };
  const int64_t depth = depth_of(g), pixels = g.oh * g.ow;
  float* y = at(call.y, n * pixels * g.o + group * g.og());
  float* w = at(call.w, group * g.og() * depth);
  Gemm m;
  if (pass == ConvPass::forward) {
    m.m = pixels, m.n = g.og(), m.k = depth;
    m.a = col, m.ars = depth, m.b = w, m.ldb = depth, m.b_transposed = true, m.c = y, m.ldc = g.o;
    m.bias = at(call.bias, group * g.og());
    m.activation = static_cast<Activation>(call.activation);
    m.accumulate = call.has_residual;
  } else if (pass == ConvPass::backward_data) {
    m.m = pixels, m.n = depth, m.k = g.og();
    m.a = y, m.ars = g.o, m.b = w, m.ldb = depth, m.c = col, m.ldc = depth;
  } else {
    m.m = g.og(), m.n = depth, m.k = pixels;
    m.a = y, m.ars = 1, m.aks = g.o, m.b = col, m.ldb = depth, m.c = w, m.ldc = depth;
    m.accumulate = n > 0;
  }
  return m;
}

void fill_columns(const ConvCall& call, int64_t n, int64_t group, float* col) {
  const ConvGeom& g = call.g;
  const float* x = call.x.as<float>() + n * g.h * g.w * g.c + group * g.cg();
  parallel_for(g.oh, static_cast<double>(g.oh * g.ow) * static_cast<double>(depth_of(g)), [&](int64_t i) {
    float* dst = col + i * g.ow * depth_of(g);
    for (int64_t j = 0; j < g.ow; ++j) {
      for (int64_t tap = 0; tap < g.taps(); ++tap, dst += g.cg()) {
        const int64_t row = i * g.sh - g.ph + tap / g.kw * g.dh, column = j * g.sw - g.pw + tap % g.kw * g.dw;
        const bool inside = row >= 0 && row < g.h && column >= 0 && column < g.w;
        if (inside)
          std::memcpy(dst, x + (row * g.w + column) * g.c, static_cast<size_t>(g.cg()) * sizeof(float));
        else
          std::fill(dst, dst + g.cg(), 0.0f);
      }
    }
  });
}

// dx[row][column] = sum over taps of the columns that took it, in order of taps.
void gather_columns(const ConvCall& call, int64_t n, int64_t group, const float* col) {
  const ConvGeom& g = call.g;
  float* dx = call.x.as<float>() + n * g.h * g.w * g.c + group * g.cg();
  parallel_for(g.h, static_cast<double>(g.oh * g.ow) * static_cast<double>(depth_of(g)), [&](int64_t row) {
    for (int64_t column = 0; column < g.w; ++column)
      std::fill_n(dx + (row * g.w + column) * g.c, g.cg(), 0.0f);
    for (int64_t tap = 0; tap < g.taps(); ++tap) {
      const int64_t up = row + g.ph - tap / g.kw * g.dh;
      if (up < 0 || up % g.sh != 0 || up / g.sh >= g.oh) continue;
      const Range columns = inside(0, g.ow, g.sw, tap % g.kw * g.dw - g.pw, g.w);
      for (int64_t j = columns.lo; j < columns.hi; ++j) {
        const float* src = col + (up / g.sh * g.ow + j) * depth_of(g) + tap * g.cg();
        float* dst = dx + (row * g.w + j * g.sw - g.pw + tap % g.kw * g.dw) * g.c;
        for (int64_t c = 0; c < g.cg(); ++c) dst[c] += src[c];
      }
    }
  });
}

}  // namespace

int64_t conv2d_im2col_workspace(ConvPass pass, const ConvCall& call, const GemmKernels& kernels) {
  const ConvGeom& g = call.g;
  if (g.n == 0) return 0;
  Layout layout;
  layout.add(checked_product(g.oh, g.ow, depth_of(g)));
  layout.add(gemm_workspace(make_gemm(pass, call, 0, 0, nullptr), kernels));
  return layout.floats();
}

void conv2d_im2col(ConvPass pass, const ConvCall& call, const GemmKernels& kernels, float* workspace) {
  const ConvGeom& g = call.g;
  if (pass == ConvPass::backward_weights && g.n == 0) std::fill_n(call.w.as<float>(), g.weights(), 0.0f);
  Layout layout;
  float* col = workspace;
  layout.add(checked_product(g.oh, g.ow, depth_of(g)));
  for (int64_t i = 0; i < g.n * g.groups; ++i) {
    const int64_t n = i / g.groups, group = i % g.groups;
    if (pass != ConvPass::backward_data) fill_columns(call, n, group, col);
    gemm(make_gemm(pass, call, n, group, col), kernels, workspace + layout.floats());
    if (pass == ConvPass::backward_data) gather_columns(call, n, group, col);
  }
}

}  // namespace tenon
