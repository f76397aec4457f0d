// matmul: a, b, (bias) -> y. Rank 2, or rank 3 with the batch first.
#include "ops/matmul.h"

#include "base/matmul_geom.h"

namespace tenon {
namespace {

Gemm make_gemm(const Call& call) {
  const MatmulGeom s = MatmulGeom::make(call.t, call.count, call.attrs, DType::f32);
  Gemm g;
  g.batch = s.batch, g.m = s.m, g.n = s.n, g.k = s.k;
  g.a = call.t[0].as<float>(), g.b = call.t[1].as<float>(), g.c = call.t[call.count - 1].as<float>();
  g.a_batch = s.m * s.k, g.b_batch = s.k * s.n, g.c_batch = s.m * s.n;
  g.ars = s.trans_a ? 1 : s.k, g.aks = s.trans_a ? s.m : 1;
  g.ldb = s.trans_b ? s.k : s.n, g.b_transposed = s.trans_b;
  g.ldc = s.n;
  g.bias = s.has_bias ? call.t[2].as<float>() : nullptr;
  g.activation = static_cast<Activation>(s.activation);
  return g;
}

struct Matmul {
  static constexpr const char* kName = "matmul";
  static constexpr AttrList kAttrs = kMatmulAttrs;
  static Cost prepare(const Call& call, const GemmKernels& kernels) {
    const Gemm g = make_gemm(call);
    double bytes = 0;
    for (int i = 0; i < call.count; ++i) bytes += static_cast<double>(call.t[i].bytes());
    const double flops =
        2.0 * static_cast<double>(g.batch * g.m) * static_cast<double>(g.n) * static_cast<double>(g.k);
    const int64_t workspace =
        call.packed != nullptr ? gemm_packed_workspace(g, kernels) : gemm_workspace(g, kernels);
    const Packing packing = {1, floats(gemm_packed_floats(g, kernels)), gemm_packed_layout(g, kernels)};
    return {floats(workspace), flops, bytes, packing};
  }
  static void pack(const Call& call, const GemmKernels& kernels, float* packed) {
    gemm_pack(make_gemm(call), kernels, packed);
  }
  static void run(const Call& call, const GemmKernels& kernels) {
    auto* workspace = reinterpret_cast<float*>(call.workspace);
    if (call.packed == nullptr) return gemm(make_gemm(call), kernels, workspace);
    gemm_packed(make_gemm(call), kernels, reinterpret_cast<const float*>(call.packed), workspace);
  }

 private:
  static size_t floats(int64_t count) { return static_cast<size_t>(count) * sizeof(float); }
};

const RegisterHeavy<Matmul> registration;

}  // namespace
}  // namespace tenon
