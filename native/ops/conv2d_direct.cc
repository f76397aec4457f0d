// Forward and backward-data convolution as TapConv: packs the weights, states the grid of taps.
//
// Backward-data: dx[ih][iw] collects dy[oh][ow] * w[r][s] where oh*SH = ih + PH - r*DH (and so for columns).
// The input pixels with ih = i0 + i*SH form a phase: for them the taps r that divide evenly are an arithmetic
// progression, and oh = i + const - j*gap: a stride-1 convolution over dy with those taps in descending
// order. Phases without taps are zero.
#include <cstring>
#include <numeric>

#include "ops/matmul.h"
#include "ops/tap_conv.h"

namespace tenon {
namespace {

// 1x1, stride 1, no padding: all pixels are one matrix.
bool is_matrix(const ConvGeom& g) {
  return g.taps() == 1 && g.sh == 1 && g.sw == 1 && g.ph == 0 && g.pw == 0 && g.groups == 1;
}

Gemm forward_matrix(const ConvCall& call) {
  const ConvGeom& g = call.g;
  Gemm m;
  m.m = g.pixels(), m.n = g.o, m.k = g.c;
  m.a = call.x.as<float>(), m.ars = g.c;
  m.b = call.w.as<float>(), m.ldb = g.c, m.b_transposed = true;
  m.c = call.y.as<float>(), m.ldc = g.o;
  m.bias = call.bias.as<float>();
  m.activation = static_cast<Activation>(call.activation);
  return m;
}

Gemm data_matrix(const ConvCall& call) {
  const ConvGeom& g = call.g;
  Gemm m;
  m.m = g.pixels(), m.n = g.c, m.k = g.o;
  m.a = call.y.as<float>(), m.ars = g.o;
  m.b = call.w.as<float>(), m.ldb = g.c;
  m.c = call.x.as<float>(), m.ldc = g.c;
  return m;
}

TapConv forward_taps(const ConvCall& call) {
  const ConvGeom& g = call.g;
  TapConv t;
  t.in = call.x.as<float>(), t.images = g.n, t.in_h = g.h, t.in_w = g.w, t.in_c = g.c, t.k = g.cg();
  t.taps_h = g.kh, t.taps_w = g.kw, t.gap_h = g.dh, t.gap_w = g.dw;
  t.row0 = -g.ph, t.col0 = -g.pw, t.step_h = g.sh, t.step_w = g.sw;
  t.out = call.y.as<float>(), t.out_h = g.oh, t.out_w = g.ow, t.n = g.og(), t.groups = g.groups;
  t.out_pixel = g.o, t.out_row = g.ow * g.o, t.out_image = g.oh * t.out_row;
  t.bias = call.bias.as<float>();
  t.activation = static_cast<Activation>(call.activation);
  return t;
}

// w [O][taps * C/G] -> [group][panel][taps * C/G][panel]: a transpose of each panel.
void pack_forward(const ConvGeom& g, const float* w, const GemmKernels& kernels, float* packed) {
  constexpr int64_t kDepth = 256;
  const int64_t panel = TapConv::panel(g.og(), kernels), panels = ceil_div(g.og(), panel);
  const int64_t depth = g.taps() * g.cg(), pieces = ceil_div(depth, kDepth);
  parallel_for(g.groups * panels * pieces, static_cast<double>(g.weights()) * 8, [&](int64_t task) {
    const int64_t k0 = task % pieces * kDepth, p = task / pieces % panels, group = task / pieces / panels;
    const int64_t rows = std::min(panel, g.og() - p * panel);
    const float* src = w + (group * g.og() + p * panel) * depth + k0;
    float* dst = packed + ((group * panels + p) * depth + k0) * panel;
    kernels.pack_transposed(src, depth, rows, std::min(kDepth, depth - k0), dst, panel);
  });
}

// One axis of a backward-data phase: input positions first + i*stride, i < count, and the taps that reach
// them, in the order of ascending output position: tap(j) = tap0 - j*tap_step meets output position i + out0
// + j*gap.
struct Phase {
  int64_t first, count;
  int64_t taps, tap0, tap_step;
  int64_t out0, gap;
};

Phase make_phase(int64_t first, int64_t size, int64_t kernel, int64_t stride, int64_t padding,
                 int64_t dilation) {
  Phase p = {};
  p.first = first;
  p.count = ceil_div(size - first, stride);
  p.tap_step = stride / std::gcd(stride, dilation);
  p.gap = dilation / std::gcd(stride, dilation);
  int64_t lowest = 0;  // the first tap whose distance is a multiple of the stride; at most tap_step tries
  while (lowest < kernel && lowest < p.tap_step && (first + padding - lowest * dilation) % stride != 0)
    ++lowest;
  if (lowest >= kernel || lowest >= p.tap_step) return p;
  p.taps = (kernel - 1 - lowest) / p.tap_step + 1;
  p.tap0 = lowest + (p.taps - 1) * p.tap_step;
  p.out0 = (first + padding - p.tap0 * dilation) / stride;  // exact, also when negative
  return p;
}

TapConv phase_taps(const ConvCall& call, const Phase& h, const Phase& w) {
  const ConvGeom& g = call.g;
  TapConv t;
  t.in = call.y.as<float>(), t.images = g.n, t.in_h = g.oh, t.in_w = g.ow, t.in_c = g.o, t.k = g.og();
  t.taps_h = h.taps, t.taps_w = w.taps, t.gap_h = h.gap, t.gap_w = w.gap, t.row0 = h.out0, t.col0 = w.out0;
  t.out_h = h.count, t.out_w = w.count, t.n = g.cg(), t.groups = g.groups;
  t.out_pixel = g.sw * g.c, t.out_row = g.sh * g.w * g.c, t.out_image = g.h * g.w * g.c;
  if (call.x.data) t.out = call.x.as<float>() + (h.first * g.w + w.first) * g.c;
  return t;
}

// w [O][KH][KW][C/G] -> [group][panel][taps of the phase][O/G][panel]
void pack_phase(const ConvGeom& g, const Phase& h, const Phase& w, const float* weights,
                const GemmKernels& kernels, float* packed) {
  const int64_t panel = TapConv::panel(g.cg(), kernels), panels = ceil_div(g.cg(), panel),
                taps = h.taps * w.taps;
  const double cost = static_cast<double>(taps * g.o * g.cg()) * 4;
  parallel_for(g.groups * panels * taps, cost, [&](int64_t task) {
    const int64_t tap = task % taps, p = task / taps % panels, group = task / taps / panels;
    const int64_t r = h.tap0 - tap / w.taps * h.tap_step, s = w.tap0 - tap % w.taps * w.tap_step;
    const int64_t c0 = p * panel, columns = std::min(panel, g.cg() - c0);
    float* dst = packed + task * g.og() * panel;
    for (int64_t o = 0; o < g.og(); ++o, dst += panel) {
      const float* src = weights + ((group * g.og() + o) * g.taps() + r * g.kw + s) * g.cg() + c0;
      std::memcpy(dst, src, static_cast<size_t>(columns) * sizeof(float));
      std::fill(dst + columns, dst + panel, 0.0f);
    }
  });
}

// fn(h, w) for every phase that has pixels and taps. Returns whether some pixels belong to no such phase.
template <class Fn>
bool for_each_phase(const ConvGeom& g, Fn&& fn) {
  bool gaps = false;
  for (int64_t i = 0; i < std::min(g.sh, g.h); ++i) {
    const Phase h = make_phase(i, g.h, g.kh, g.sh, g.ph, g.dh);
    gaps |= h.taps == 0;
    if (h.taps == 0) continue;
    for (int64_t j = 0; j < std::min(g.sw, g.w); ++j) {
      const Phase w = make_phase(j, g.w, g.kw, g.sw, g.pw, g.dw);
      gaps |= w.taps == 0;
      if (w.taps > 0) fn(h, w);
    }
  }
  return gaps;
}

void fill_zero(float* data, int64_t n) {
  parallel_chunks(n, 1 << 16, static_cast<double>(n),
                  [&](int64_t begin, int64_t end) { std::fill(data + begin, data + end, 0.0f); });
}

}  // namespace

int64_t conv2d_direct_workspace(const ConvCall& call, const GemmKernels& kernels) {
  if (call.g.n == 0) return 0;
  if (is_matrix(call.g)) return gemm_workspace(forward_matrix(call), kernels);
  const TapConv t = forward_taps(call);
  Layout layout;
  layout.add(TapConv::packed_floats(t.groups, t.n, t.taps(), t.k, kernels));
  layout.add(tap_conv_workspace(t, kernels));
  return layout.floats();
}

void conv2d_direct(const ConvCall& call, const GemmKernels& kernels, float* workspace) {
  if (call.g.n == 0) return;
  if (is_matrix(call.g)) return gemm(forward_matrix(call), kernels, workspace);
  TapConv t = forward_taps(call);
  Layout layout;
  float* packed = workspace + layout.add(TapConv::packed_floats(t.groups, t.n, t.taps(), t.k, kernels));
  pack_forward(call.g, call.w.as<float>(), kernels, packed);
  t.weights = packed;
  tap_conv(t, kernels, workspace + layout.floats());
}

int64_t conv2d_direct_data_workspace(const ConvCall& call, const GemmKernels& kernels) {
  if (call.g.n == 0) return 0;
  if (is_matrix(call.g)) return gemm_workspace(data_matrix(call), kernels);
  int64_t packed = 0, rest = 0;
  for_each_phase(call.g, [&](const Phase& h, const Phase& w) {
    const TapConv t = phase_taps(call, h, w);
    packed = std::max(packed, TapConv::packed_floats(t.groups, t.n, t.taps(), t.k, kernels));
    rest = std::max(rest, tap_conv_workspace(t, kernels));
  });
  Layout layout;
  layout.add(packed);
  layout.add(rest);
  return layout.floats();
}

void conv2d_direct_data(const ConvCall& call, const GemmKernels& kernels, float* workspace) {
  const ConvGeom& g = call.g;
  if (g.n == 0) return;
  if (is_matrix(g)) return gemm(data_matrix(call), kernels, workspace);
  int64_t packed = 0;
  const bool gaps = for_each_phase(g, [&](const Phase& h, const Phase& w) {
    packed = std::max(packed, TapConv::packed_floats(g.groups, g.cg(), h.taps * w.taps, g.og(), kernels));
  });
  if (gaps) fill_zero(call.x.as<float>(), g.n * g.h * g.w * g.c);
  Layout layout;
  layout.add(packed);
  for_each_phase(g, [&](const Phase& h, const Phase& w) {
    TapConv t = phase_taps(call, h, w);
    pack_phase(g, h, w, call.w.as<float>(), kernels, workspace);
    t.weights = workspace;
    tap_conv(t, kernels, workspace + layout.floats());
  });
}

}  // namespace tenon
