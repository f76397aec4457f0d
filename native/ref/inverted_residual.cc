// The reference of inverted_residual: three convolutions, one after the other, with all of each result.
#include <vector>

#include "base/inverted_residual_geom.h"
#include "base/parallel.h"
#include "kernels/kernel.h"
#include "ref/activation.h"

namespace tenon::ref {
namespace {

InvertedResidualCall parse(const Call& call) {
  return InvertedResidualCall::make(call.t, call.count, call.attrs, DType::f64, DType::f64);
}

// The wide image before and behind the depthwise convolution.
size_t wide_bytes(const InvertedResidualCall& c) {
  return static_cast<size_t>(checked_product(c.g.n, c.g.h, c.g.w, c.g.c)) * sizeof(double);
}
size_t convolved_bytes(const InvertedResidualCall& c) {
  return static_cast<size_t>(checked_product(c.g.pixels(), c.g.c)) * sizeof(double);
}

Cost prepare(const Call& call) {
  const InvertedResidualCall c = parse(call);
  return {wide_bytes(c) + convolved_bytes(c), c.flops(), 0};
}

// y[m][n] = act(sum over k of x[m][k] w[k][n] + bias[n] + residual[m][n]), w in panels.
void multiply(const double* x, int64_t m, int64_t k, const double* panels, const double* bias, int64_t n,
              const double* residual, int activation, double* y) {
  parallel_for(m, static_cast<double>(m * k * n), [&](int64_t row) {
    for (int64_t column = 0; column < n; ++column) {
      const double* w = panels + column / kPanelColumns * k * kPanelColumns + column % kPanelColumns;
      double sum = bias[column];
      for (int64_t i = 0; i < k; ++i) sum += x[row * k + i] * w[i * kPanelColumns];
      if (residual != nullptr) sum += residual[row * n + column];
      y[row * n + column] = activate(sum, activation);
    }
  });
}

void convolve(const InvertedResidualCall& call, const double* x, double* y) {
  const ConvGeom& g = call.g;
  const double *filters = call.filters.as<double>(), *bias = call.filter_bias.as<double>();
  parallel_for(g.n * g.oh, g.flops(), [&](int64_t row) {
    const int64_t n = row / g.oh, i = row % g.oh;
    for (int64_t j = 0; j < g.ow; ++j) {
      for (int64_t c = 0; c < g.c; ++c) {
        double sum = bias[c];
        for (int64_t tap = 0; tap < g.taps(); ++tap) {
          const int64_t h = i * g.sh + tap / g.kw * g.dh - g.ph, w = j * g.sw + tap % g.kw * g.dw - g.pw;
          if (h < 0 || h >= g.h || w < 0 || w >= g.w) continue;
          sum += x[((n * g.h + h) * g.w + w) * g.c + c] * filters[tap * g.c + c];
        }
        y[(row * g.ow + j) * g.c + c] = activate(sum, call.depthwise_activation);
      }
    }
  });
}

void run(const Call& call) {
  const InvertedResidualCall c = parse(call);
  const ConvGeom& g = c.g;
  auto* wide = reinterpret_cast<double*>(call.workspace);
  auto* convolved = reinterpret_cast<double*>(call.workspace + wide_bytes(c));
  if (c.has_expansion)
    multiply(c.x.as<double>(), g.n * g.h * g.w, c.in_c, c.expand.as<double>(), c.expand_bias.as<double>(),
             g.c, nullptr, c.expand_activation, wide);
  convolve(c, c.has_expansion ? wide : c.x.as<double>(), convolved);
  multiply(convolved, g.pixels(), g.c, c.project.as<double>(), c.project_bias.as<double>(), c.out_c,
           c.has_residual ? c.residual.as<double>() : nullptr, c.activation, c.y.as<double>());
}

const KernelRegistrar registration = {"inverted_residual", Target::ref, prepare, run, kInvertedResidualAttrs};

}  // namespace
}  // namespace tenon::ref
