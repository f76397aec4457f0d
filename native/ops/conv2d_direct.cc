// The forward pass as TapConv, or as one matrix product for 1x1 kernels: packs the weights.
#include "ops/matmul.h"
#include "ops/tap_conv.h"

namespace tenon {
namespace {

Gemm make_matrix(const ConvCall& call) {
  const ConvGeom& g = call.g;
  Gemm m;
  m.m = g.pixels(), m.n = g.o, m.k = g.c;
  m.a = call.x.as<float>(), m.ars = g.c;
  m.b = call.w.as<float>(), m.ldb = g.c, m.b_transposed = true;
  m.c = call.y.as<float>(), m.ldc = g.o;
  m.bias = call.bias.as<float>();
  m.activation = static_cast<Activation>(call.activation);
  m.accumulate = call.has_residual;
  return m;
}

// But for its input and output.
TapConv forward_taps(const ConvCall& call) {
  const ConvGeom& g = call.g;
  TapConv t;
  const TapAxes axes = TapAxes::make(g, false);
  t.h = axes.h, t.w = axes.w;
  t.images = g.n, t.in_c = g.c, t.k = g.cg();
  t.n = g.og(), t.groups = g.groups;
  t.bias = call.bias.as<float>();
  t.activation = static_cast<Activation>(call.activation);
  t.accumulate = call.has_residual;
  return t;
}

TapConv make_taps(const ConvCall& call) {
  TapConv t = forward_taps(call);
  t.in = call.x.as<float>(), t.out = call.y.as<float>();
  return t;
}

TapConv make_stored_taps(const ConvCall& call, const Bf16Kernels& storage) {
  TapConv t = forward_taps(call);
  t.storage = &storage;
  t.stored_in = call.x.as<bf16>(), t.stored_out = call.y;
  return t;
}

// w [O][taps * C/G] -> [group][panel][taps * C/G][panel]: a transpose of each panel.
void pack(const ConvGeom& g, const float* w, const GemmKernels& kernels, float* packed) {
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

Layout packed_first(const ConvCall& call, const GemmKernels& kernels) {
  Layout layout;
  layout.add(conv2d_direct_packed_floats(call, kernels));
  return layout;
}

}  // namespace

bool conv2d_is_matrix(const ConvGeom& g) {
  const bool padded = g.ph > 0 || g.pw > 0 || g.oh != g.h || g.ow != g.w;
  return g.taps() == 1 && g.sh == 1 && g.sw == 1 && !padded && g.groups == 1;
}

int64_t conv2d_direct_packed_floats(const ConvCall& call, const GemmKernels& kernels) {
  if (call.g.n == 0) return 0;
  if (conv2d_is_matrix(call.g)) return gemm_packed_floats(make_matrix(call), kernels);
  return forward_taps(call).packed_floats(kernels);
}

// The panels of taps depend on the weights alone.
int64_t conv2d_direct_packed_layout(const ConvCall& call, const GemmKernels& kernels) {
  return call.g.n > 0 && conv2d_is_matrix(call.g) ? gemm_packed_layout(make_matrix(call), kernels) : 0;
}

void conv2d_direct_pack(const ConvCall& call, const GemmKernels& kernels, float* packed) {
  if (call.g.n == 0) return;
  if (conv2d_is_matrix(call.g)) return gemm_pack(make_matrix(call), kernels, packed);
  pack(call.g, call.w.as<float>(), kernels, packed);
}

int64_t conv2d_direct_packed_workspace(const ConvCall& call, const GemmKernels& kernels) {
  if (call.g.n == 0) return 0;
  if (conv2d_is_matrix(call.g)) return gemm_packed_workspace(make_matrix(call), kernels);
  return tap_conv_workspace(make_taps(call), kernels);
}

void conv2d_direct_packed(const ConvCall& call, const GemmKernels& kernels, const float* packed,
                          float* workspace) {
  if (call.g.n == 0) return;
  if (conv2d_is_matrix(call.g)) return gemm_packed(make_matrix(call), kernels, packed, workspace);
  TapConv t = make_taps(call);
  t.weights = packed;
  tap_conv(t, kernels, workspace);
}

int64_t conv2d_direct_workspace(const ConvCall& call, const GemmKernels& kernels) {
  if (conv2d_is_matrix(call.g)) return gemm_workspace(make_matrix(call), kernels);
  Layout layout = packed_first(call, kernels);
  layout.add(conv2d_direct_packed_workspace(call, kernels));
  return layout.floats();
}

void conv2d_direct(const ConvCall& call, const GemmKernels& kernels, float* workspace) {
  if (conv2d_is_matrix(call.g)) return gemm(make_matrix(call), kernels, workspace);
  conv2d_direct_pack(call, kernels, workspace);
  conv2d_direct_packed(call, kernels, workspace, workspace + packed_first(call, kernels).floats());
}

bool conv2d_is_thin(const ConvGeom& g) {
  constexpr int64_t kThin = 8;  // channels, of which few fill a bf16 product
  return g.groups == 1 && g.c < kThin && g.taps() > 1;
}

int64_t conv2d_thin_workspace(const ConvCall& call, const GemmKernels& kernels, const Bf16Kernels& storage,
                              bool packed) {
  if (call.g.n == 0) return 0;
  const int64_t own = tap_conv_workspace(make_stored_taps(call, storage), kernels);
  Layout layout = packed ? Layout() : packed_first(call, kernels);
  layout.add(own);
  return layout.floats();
}

void conv2d_thin(const ConvCall& call, const GemmKernels& kernels, const Bf16Kernels& storage,
                 const float* packed, float* workspace) {
  if (call.g.n == 0) return;
  TapConv t = make_stored_taps(call, storage);
  t.weights = packed != nullptr ? packed : workspace;
  if (packed == nullptr) {
    pack(call.g, call.w.as<float>(), kernels, workspace);
    workspace += packed_first(call, kernels).floats();
  }
  tap_conv(t, kernels, workspace);
}

}  // namespace tenon
