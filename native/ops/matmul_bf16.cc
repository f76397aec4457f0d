// matmul_bf16: a bf16, b (bf16 or f32, narrowed while it is packed), (bias f32) -> y bf16 or f32. Attributes
// and shapes are those of matmul.
#include "base/matmul_geom.h"
#include "ops/gemm_bf16.h"

namespace tenon {
namespace {

struct Operands {
  MatmulGeom g;
  TensorView a, b, bias, y;

  static Operands make(const Call& call) {
    require(call.count == 3 || call.count == 4, "matmul_bf16: wrong number of operands");
    TensorView as_float[4];
    for (int i = 0; i < call.count; ++i) as_float[i] = call.t[i], as_float[i].dtype = DType::f32;
    Operands o;
    o.g = MatmulGeom::make(as_float, call.count, call.attrs, DType::f32);
    o.a = call.t[0], o.b = call.t[1], o.y = call.t[call.count - 1];
    if (o.g.has_bias) o.bias = call.t[2];
    const auto either = [](const TensorView& t) { return t.dtype == DType::bf16 || t.dtype == DType::f32; };
    require(o.a.dtype == DType::bf16, "matmul_bf16: a must be bf16");
    require(either(o.b) && either(o.y), "matmul_bf16: b and y must be bf16 or f32");
    require(!o.g.has_bias || o.bias.dtype == DType::f32, "matmul_bf16: bias must be f32");
    return o;
  }
};

// Workspace in floats: B packed; before it is packed, B as bf16 (columns padded where it is given by them).
struct Plan {
  Bf16Blocks blocks;
  int64_t packed, narrowed, extra, scratch, total;

  static Plan make(const Operands& o, const Bf16Kernels& kernels, bool is_packed) {
    const MatmulGeom& g = o.g;
    Plan p;
    p.blocks = Bf16Blocks::make(g.batch, g.m, g.n, g.k, kernels);
    Layout layout;
    p.packed = layout.add(is_packed ? 0 : floats_of(p.blocks.packed()));
    p.narrowed = layout.add(is_packed ? 0 : floats_of(narrowed_of(o, p.blocks)));
    p.extra = g.trans_a ? checked_product(ceil_div(g.k, 2), p.blocks.rows) : 0;
    p.scratch = layout.add(bf16_workspace(p.blocks, p.extra));
    p.total = layout.floats();
    return p;
  }

 private:
  static int64_t narrowed_of(const Operands& o, const Bf16Blocks& blocks) {
    const bool is_float = o.b.dtype == DType::f32;
    if (o.g.trans_b) return is_float ? 0 : checked_product(o.g.batch, o.g.n, blocks.depth);
    return is_float ? checked_product(o.g.batch, o.g.k, o.g.n) : 0;
  }
};

void pack_b(const Operands& o, const Plan& p, const Bf16Kernels& kernels, bf16* narrowed, bf16* packed) {
  const MatmulGeom& g = o.g;
  const bool is_float = o.b.dtype == DType::f32;
  if (g.trans_b && is_float)
    return pack_float_columns(p.blocks, kernels, o.b.as<float>(), g.k, {{0, p.blocks.depth, 0, g.k}}, packed);
  if (g.trans_b) {
    pad_rows(o.b.as<bf16>(), g.k, g.batch * g.n, g.k, p.blocks.depth, narrowed);
    return pack_all_columns(p.blocks, kernels, narrowed, packed);
  }
  if (is_float) narrow_rows(o.b.as<float>(), g.batch * g.k, g.n, g.n, kernels, narrowed);
  const bf16* rows = is_float ? narrowed : o.b.as<bf16>();
  pack_all_rows(p.blocks, kernels, packed, [&](int64_t i, int64_t k) { return rows + (i * g.k + k) * g.n; });
}

Bf16Rows gather_a(const Operands& o, const Bf16Blocks& s, const Bf16Kernels& kernels, int64_t i, int64_t m0,
                  int64_t rows, const Bf16Scratch& scratch) {
  const MatmulGeom& g = o.g;
  const bf16* a = o.a.as<bf16>() + i * g.m * g.k;
  if (!g.trans_a && reads_in_place(s, kernels, m0, rows)) return {a + m0 * g.k, g.k};
  if (!g.trans_a) {
    pad_rows(a + m0 * g.k, g.k, rows, g.k, s.depth, scratch.a);
  } else {
    if (g.k < s.depth) std::fill(scratch.a, scratch.a + rows * s.depth, bf16{});
    transpose_rows(a + m0, g.m, g.k, rows, kernels, reinterpret_cast<uint32_t*>(scratch.rest), scratch.a,
                   s.depth);
  }
  return {scratch.a, s.depth};
}

struct Matmul {
  static constexpr const char* kName = "matmul_bf16";
  static constexpr AttrList kAttrs = kMatmulAttrs;

  static Cost prepare(const Call& call, const Bf16Kernels& kernels) {
    const Operands o = Operands::make(call);
    double bytes = 0;
    for (int i = 0; i < call.count; ++i) bytes += static_cast<double>(call.t[i].bytes());
    const double flops = 2.0 * static_cast<double>(o.g.batch * o.g.m) * static_cast<double>(o.g.n) *
                         static_cast<double>(o.g.k);
    const Plan p = Plan::make(o, kernels, call.packed != nullptr);
    Cost cost = {static_cast<size_t>(p.total) * sizeof(float), flops, bytes};
    if (packs(o)) cost.packing = {1, static_cast<size_t>(p.blocks.packed()) * sizeof(bf16)};
    return cost;
  }

  // The weights of a linear layer. Other operands would need memory of their own while they are packed.
  static bool packs(const Operands& o) { return o.g.trans_b && o.b.dtype == DType::f32; }

  static void pack(const Call& call, const Bf16Kernels& kernels, std::byte* packed) {
    const Operands o = Operands::make(call);
    pack_b(o, Plan::make(o, kernels, true), kernels, nullptr, reinterpret_cast<bf16*>(packed));
  }

  static void run(const Call& call, const Bf16Kernels& kernels) {
    const Operands o = Operands::make(call);
    const MatmulGeom& g = o.g;
    if (g.batch * g.m * g.n == 0) return;
    const Plan p = Plan::make(o, kernels, call.packed != nullptr);
    float* workspace = reinterpret_cast<float*>(call.workspace);
    const auto* packed = reinterpret_cast<const bf16*>(call.packed);
    if (packed == nullptr) {
      auto* own = reinterpret_cast<bf16*>(workspace + p.packed);
      pack_b(o, p, kernels, reinterpret_cast<bf16*>(workspace + p.narrowed), own);
      packed = own;
    }
    const auto gather = [&](int64_t i, int64_t m0, int64_t rows, const Bf16Scratch& scratch) {
      return gather_a(o, p.blocks, kernels, i, m0, rows, scratch);
    };
    const int64_t size = static_cast<int64_t>(size_of(o.y.dtype));
    const auto put = [&](int64_t i, int64_t m0, int64_t n0, const Bf16Product& block) {
      const float* bias = g.has_bias ? o.bias.as<float>() + n0 : nullptr;
      std::byte* y = o.y.data + ((i * g.m + m0) * g.n + n0) * size;
      multiply_and_finish(kernels, block,
                          {block.c, block.m, block.ldc, block.n, bias, static_cast<Activation>(g.activation),
                           y, g.n, o.y.dtype == DType::bf16, false, false});
    };
    bf16_products(p.blocks, packed, p.extra, workspace + p.scratch, gather, put);
  }
};

const RegisterBf16<Matmul> registration;

}  // namespace
}  // namespace tenon
