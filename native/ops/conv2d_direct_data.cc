// The backward-data pass as TapConv, over dy with the phases of the stride (tap_axis.h), or as one matrix
// product for 1x1 kernels: packs the weights of all phases.
#include <cstring>

#include "ops/matmul.h"
#include "ops/tap_conv.h"

namespace tenon {
namespace {

Gemm make_matrix(const ConvCall& call) {
  const ConvGeom& g = call.g;
  Gemm m;
  m.m = g.pixels(), m.n = g.c, m.k = g.o;
  m.a = call.y.as<float>(), m.ars = g.o;
  m.b = call.w.as<float>(), m.ldb = g.c;
  m.c = call.x.as<float>(), m.ldc = g.c;
  return m;
}

TapConv make_taps(const ConvCall& call) {
  const ConvGeom& g = call.g;
  TapConv t;
  const TapAxes axes = TapAxes::make(g, true);
  t.h = axes.h, t.w = axes.w;
  t.in = call.y.as<float>(), t.images = g.n, t.in_c = g.o, t.k = g.og();
  t.out = call.x.as<float>(), t.n = g.cg(), t.groups = g.groups;
  return t;
}

// One tap of one panel: w[o][r][s][c0 ..] of the group's o -> [O/G][panel], zero beyond the group's channels.
void pack_tap(const ConvGeom& g, const float* w, int64_t panel, int64_t columns, float* dst) {
  for (int64_t o = 0; o < g.og(); ++o, dst += panel) {
    std::memcpy(dst, w + o * g.taps() * g.cg(), static_cast<size_t>(columns) * sizeof(float));
    std::fill(dst + columns, dst + panel, 0.0f);
  }
}

// w [O][KH][KW][C/G] -> [group][panel][phases][taps of the phase][O/G][panel]
void pack(const TapConv& t, const ConvGeom& g, const float* w, const GemmKernels& kernels, float* packed) {
  const int64_t panel = TapConv::panel(g.cg(), kernels), panels = ceil_div(g.cg(), panel);
  parallel_for(g.groups * panels, static_cast<double>(g.weights()) * 4, [&](int64_t task) {
    const int64_t c0 = task % panels * panel, group = task / panels;
    const float* src = w + group * g.og() * g.taps() * g.cg() + c0;
    float* dst = packed + task * g.taps() * g.og() * panel;
    for (int64_t i = 0; i < t.h.phases() * t.w.phases(); ++i) {
      const Phase h = t.h.phase(i / t.w.phases()), v = t.w.phase(i % t.w.phases());
      for (int64_t tap = 0; tap < h.taps * v.taps; ++tap, dst += g.og() * panel) {
        const int64_t r = h.tap0 + tap / v.taps * h.tap_step, s = v.tap0 + tap % v.taps * v.tap_step;
        pack_tap(g, src + (r * g.kw + s) * g.cg(), panel, std::min(panel, g.cg() - c0), dst);
      }
    }
  });
}

Layout packed_first(const TapConv& t, const GemmKernels& kernels) {
  Layout layout;
  layout.add(t.packed_floats(kernels));
  return layout;
}

}  // namespace

int64_t conv2d_direct_data_workspace(const ConvCall& call, const GemmKernels& kernels) {
  if (call.g.n == 0) return 0;
  if (conv2d_is_matrix(call.g)) return gemm_workspace(make_matrix(call), kernels);
  const TapConv t = make_taps(call);
  Layout layout = packed_first(t, kernels);
  layout.add(tap_conv_workspace(t, kernels));
  return layout.floats();
}

void conv2d_direct_data(const ConvCall& call, const GemmKernels& kernels, float* workspace) {
  if (call.g.n == 0) return;
  if (conv2d_is_matrix(call.g)) return gemm(make_matrix(call), kernels, workspace);
  TapConv t = make_taps(call);
  pack(t, call.g, call.w.as<float>(), kernels, workspace);
  t.weights = workspace;
  tap_conv(t, kernels, workspace + packed_first(t, kernels).floats());
}

}  // namespace tenon
