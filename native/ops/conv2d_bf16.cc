// conv2d_bf16 and conv2d_backward_data_bf16: rows of pixels gathered block by block (never the
// whole column matrix), multiplied with packed weights. Operands and attributes are those of
// conv2d and conv2d_backward_data; x, y and their gradients are bf16 (the output may be f32),
// weights and bias f32. Where AMX tiles compute products, and where channels are few on AVX512-BF16,
// convolutions over more than single pixels go by taps instead (conv2d_bf16_grid.h).
//
// Backward-data: dx[ih][iw] collects dy[oh][ow] w[r][s] where oh*SH = ih + PH - r*DH (and so for columns).
// The input pixels ih = first + i*SH form a phase, which meets the same taps throughout: each phase is a
// product of its own. Phases without taps are zero.
#include "ops/conv2d_bf16.h"

#include <vector>

#include "kernels/streamed_bytes.h"
#include "ops/conv2d_bf16_grid.h"
#include "ops/conv2d_depthwise.h"
#include "ops/conv2d_winograd.h"

namespace tenon {

ConvCall bf16_conv_call(ConvPass pass, const Call& call) {
  const bool weights = pass == ConvPass::backward_weights;
  require(call.count >= 3 && call.count <= 5, "conv2d_bf16: wrong number of operands");
  TensorView as_float[5];
  for (int i = 0; i < call.count; ++i) as_float[i] = call.t[i], as_float[i].dtype = DType::f32;
  ConvCall c = ConvCall::make(pass, as_float, call.count, call.attrs, DType::f32);
  const TensorView& out = call.t[call.count - 1];
  require(call.t[0].dtype == DType::bf16, "conv2d_bf16: the first operand must be bf16");
  require(call.t[1].dtype == (weights ? DType::bf16 : DType::f32),
          "conv2d_bf16: the second operand has the wrong dtype");
  require(out.dtype == DType::f32 || (out.dtype == DType::bf16 && !weights),
          "conv2d_bf16: the output has the wrong dtype");
  require(!c.has_bias || call.t[2].dtype == DType::f32, "conv2d_bf16: bias must be f32");
  require(!c.has_residual || call.t[2 + c.has_bias].dtype == out.dtype,
          "conv2d_bf16: the residual must have the output's dtype");
  c.x.dtype = pass == ConvPass::backward_data ? out.dtype : DType::bf16;
  c.y.dtype = pass == ConvPass::forward ? out.dtype : DType::bf16;
  return c;
}

namespace {

// Products in bf16 are faster only where taps read the image in place, or where they are long enough to pay
// for gathering pixels.
bool thin_wins(ConvPass pass, const ConvGeom& g, const Bf16Kernels& kernels) {
  constexpr int64_t kShortProduct = 64;
  if (!conv2d_is_thin(g) || pass == ConvPass::backward_data) return false;
  if (pass == ConvPass::backward_weights && !conv2d_weights_is_narrow(g, gemm_kernels(kernels.target)))
    return false;
  if (pass == ConvPass::forward) return kernels.multiply_taps == nullptr;
  return kernels.winograd == nullptr || g.taps() * g.c <= kShortProduct;
}

}  // namespace

FloatWay bf16_conv_in_float(ConvPass pass, const ConvCall& call, const Bf16Kernels& kernels) {
  const ConvGeom& g = call.g;
  if (conv2d_is_depthwise(g)) return call.has_residual ? FloatWay::none : FloatWay::depthwise;
  if (!kernels.convolves_in_float) return FloatWay::none;
  const GemmKernels& gemm = gemm_kernels(kernels.target);
  if (conv2d_winograd_wins(pass, g, gemm)) return FloatWay::winograd;
  return thin_wins(pass, g, kernels) ? FloatWay::thin : FloatWay::none;
}

bool bf16_conv_multiplies_transforms(ConvPass pass, const ConvCall& call, const Bf16Kernels& kernels) {
  return kernels.winograd != nullptr && bf16_conv_in_float(pass, call, kernels) == FloatWay::winograd;
}

int64_t bf16_conv_in_float_workspace(ConvPass pass, const ConvCall& call, const Bf16Kernels& kernels) {
  const GemmKernels& gemm = gemm_kernels(kernels.target);
  const bool weights = pass == ConvPass::backward_weights;
  switch (bf16_conv_in_float(pass, call, kernels)) {
    case FloatWay::depthwise:
      return conv2d_depthwise_workspace(pass, call);
    case FloatWay::thin:
      return weights ? conv2d_weights_narrow_workspace(call, gemm)
                     : conv2d_thin_workspace(call, gemm, kernels, false);
    case FloatWay::winograd:
      if (weights && kernels.winograd_weights) return conv2d_winograd_weights_bf16_workspace(call);
      return weights ? conv2d_winograd_weights_workspace(call, winograd_gradient_kernels(kernels.target))
                     : conv2d_winograd_workspace(pass, call, WinogradTools::of(kernels));
    case FloatWay::none:
      break;
  }
  return 0;
}

void run_bf16_conv_in_float(ConvPass pass, const ConvCall& call, const Bf16Kernels& kernels,
                            float* workspace) {
  const GemmKernels& gemm = gemm_kernels(kernels.target);
  const bool weights = pass == ConvPass::backward_weights;
  switch (bf16_conv_in_float(pass, call, kernels)) {
    case FloatWay::depthwise:
      return conv2d_depthwise(pass, call, *kernels.depthwise, workspace);
    case FloatWay::thin:
      if (weights) return conv2d_weights_narrow(call, gemm, &kernels, workspace);
      return conv2d_thin(call, gemm, kernels, nullptr, workspace);
    case FloatWay::winograd:
      if (weights && kernels.winograd_weights) return conv2d_winograd_weights_bf16(call, kernels, workspace);
      if (weights) return conv2d_winograd_weights(call, winograd_gradient_kernels(kernels.target), workspace);
      return conv2d_winograd(pass, call, WinogradTools::of(kernels), workspace);
    case FloatWay::none:
      break;
  }
}

Cost bf16_conv_cost(const Call& call, const ConvGeom& g, int64_t workspace_floats) {
  double bytes = 0;
  for (int i = 0; i < call.count; ++i) bytes += static_cast<double>(call.t[i].bytes());
  return {static_cast<size_t>(workspace_floats) * sizeof(float), g.flops(), bytes};
}

ConvPhase ConvPhase::forward(const ConvCall& call, const TensorView& out) {
  const ConvGeom& g = call.g;
  const TapAxes axes = TapAxes::make(g, false);
  ConvPhase p = {};
  p.in = call.x.as<bf16>();
  p.images = g.n, p.in_h = g.h, p.in_w = g.w, p.in_c = g.c;
  p.h = axes.h.phase(0), p.w = axes.w.phase(0);
  p.step_h = g.sh, p.step_w = g.sw;
  p.groups = g.groups, p.k = g.cg(), p.n = g.og();
  p.out = out;
  p.out_pixel = g.o, p.out_row = g.ow * g.o, p.out_image = g.oh * p.out_row;
  p.bias = call.has_bias ? call.bias.as<float>() : nullptr;
  p.activation = static_cast<Activation>(call.activation);
  p.accumulate = call.has_residual;
  return p;
}

ConvPhase ConvPhase::adjoint(const ConvCall& call, const TensorView& out, const Phase& h, const Phase& w) {
  const ConvGeom& g = call.g;
  ConvPhase p = {};
  p.in = call.y.as<bf16>();
  p.images = g.n, p.in_h = g.oh, p.in_w = g.ow, p.in_c = g.o;
  p.h = h, p.w = w;
  p.step_h = p.step_w = 1;
  p.groups = g.groups, p.k = g.og(), p.n = g.cg();
  p.out = out;
  p.out_first = (h.first * g.w + w.first) * g.c;
  p.out_pixel = g.sw * g.c, p.out_row = g.sh * g.w * g.c, p.out_image = g.h * g.w * g.c;
  p.activation = Activation::none;
  return p;
}

bool ConvPhase::streams() const {
  constexpr int64_t kLine = 64 / sizeof(bf16);
  const bool lines = n % kLine == 0 && out_pixel % kLine == 0 && out_row % kLine == 0 &&
                     out_first % kLine == 0 && reinterpret_cast<uintptr_t>(out.data) % 64 == 0;
  return lines && !accumulate && out.dtype == DType::bf16 &&
         static_cast<int64_t>(out.bytes()) >= streamed_bytes;
}

void PixelRows::gather(int64_t m0, int64_t rows, int64_t channel, int64_t tap0, int64_t tap1, bf16* to,
                       int64_t ld) const {
  int64_t j = m0 % out_w, i = m0 / out_w % out_h, image = m0 / out_w / out_h;
  const auto copy = [](const bf16* from, int64_t n, bf16* dst) {
    // Rows of a first layer's taps are so short that a call would take longer: two copies, which may overlap.
    constexpr int64_t kHalf = 16;
    if (n < kHalf || n > 2 * kHalf)
      return void(std::memcpy(dst, from, static_cast<size_t>(n) * sizeof(bf16)));
    std::memcpy(dst, from, kHalf * sizeof(bf16));
    std::memcpy(dst + n - kHalf, from + n - kHalf, kHalf * sizeof(bf16));
  };
  const bool joined = gap_w == 1 && k == in_c && tap1 - tap0 == taps();  // a row of taps is contiguous
  for (int64_t m = 0; m < rows; ++m, to += ld) {
    const bf16* plane = in + image * in_h * in_w * in_c + channel;
    const int64_t left = j * step_w + column0;
    bf16* dst = to;
    for (int64_t tap = tap0; tap < tap1;) {
      const int64_t h = i * step_h + row0 + tap / taps_w * gap_h;
      const bool row_inside = h >= 0 && h < in_h;
      if (joined && row_inside && left >= 0 && left + taps_w <= in_w) {
        copy(plane + (h * in_w + left) * in_c, taps_w * k, dst);
        tap += taps_w, dst += taps_w * k;
        continue;
      }
      const int64_t w = left + tap % taps_w * gap_w;
      if (row_inside && w >= 0 && w < in_w) {
        copy(plane + (h * in_w + w) * in_c, k, dst);
      } else {
        std::fill(dst, dst + k, bf16{});
      }
      ++tap, dst += k;
    }
    if (++j < out_w) continue;
    j = 0;
    if (++i < out_h) continue;
    i = 0, ++image;
  }
}

namespace {

// The product behind a phase: rows of gathered pixels, packed weights.
struct PixelProduct {
  ConvPhase phase;
  PixelRows rows;
  Bf16Blocks blocks;

  static PixelProduct make(ConvPhase phase, const Bf16Kernels& kernels) {
    const ConvPhase& p = phase;
    const Phase h = p.h.by_number(), w = p.w.by_number();
    const PixelRows rows = {p.in,   p.in_h, p.in_w, p.in_c, h.count, w.count, p.step_h, p.step_w,
                            h.taps, w.taps, h.in0,  h.gap,  w.in0,   w.gap,   p.k};
    const int64_t pixels = checked_product(p.images, h.count, w.count);
    return {phase, rows, Bf16Blocks::make(p.groups, pixels, p.n, checked_product(p.taps(), p.k), kernels)};
  }

  std::byte* out_at(int64_t m, int64_t column) const {
    const int64_t j = m % rows.out_w, i = m / rows.out_w % rows.out_h, image = m / rows.out_w / rows.out_h;
    const int64_t at =
        phase.out_first + image * phase.out_image + i * phase.out_row + j * phase.out_pixel + column;
    return phase.out.data + at * static_cast<int64_t>(size_of(phase.out.dtype));
  }

  // Pixels from m on that lie at one distance from each other in the output, `most` at most.
  int64_t alike_from(int64_t m, int64_t most) const {
    const bool dense =
        phase.out_row == rows.out_w * phase.out_pixel && phase.out_image == rows.out_h * phase.out_row;
    return dense ? most : std::min(most, rows.out_w - m % rows.out_w);
  }

  Bf16Rows gather(int64_t group, int64_t m0, int64_t count, const Bf16Kernels& kernels,
                  const Bf16Scratch& scratch) const {
    const bf16* matrix = rows.in + m0 * rows.in_c + group * rows.k;
    if (rows.is_matrix() && reads_in_place(blocks, kernels, m0, count)) return {matrix, rows.in_c};
    if (rows.is_matrix()) {
      pad_rows(matrix, rows.in_c, count, rows.k, blocks.depth, scratch.a);
      return {scratch.a, blocks.depth};
    }
    rows.gather(m0, count, group * rows.k, 0, rows.taps(), scratch.a, blocks.depth);
    if (blocks.k < blocks.depth)
      for (int64_t m = 0; m < count; ++m)
        std::fill(scratch.a + m * blocks.depth + blocks.k, scratch.a + (m + 1) * blocks.depth, bf16{});
    return {scratch.a, blocks.depth};
  }

  void run(const Bf16Kernels& kernels, const bf16* packed, float* workspace) const {
    const bool stream = phase.streams();
    const auto put = [&](int64_t group, int64_t m0, int64_t n0, const Bf16Product& block) {
      const int64_t column = group * blocks.n + n0;
      Bf16Finish f = {block.c,
                      block.m,
                      block.ldc,
                      block.n,
                      phase.bias ? phase.bias + column : nullptr,
                      phase.activation,
                      out_at(m0, column),
                      phase.out_pixel,
                      phase.out.dtype == DType::bf16,
                      phase.accumulate,
                      stream};
      if (alike_from(m0, block.m) == block.m) {
        multiply_and_finish(kernels, block, f);
      } else {
        kernels.multiply(block);
        for (int64_t m = 0; m < block.m; m += f.rows) {
          f.c = block.c + m * block.ldc, f.rows = alike_from(m0 + m, block.m - m);
          f.y = out_at(m0 + m, column);
          kernels.finish(f);
        }
      }
      if (stream) gemm_kernels(kernels.target).end_streaming();
    };
    bf16_products(
        blocks, packed, 0, workspace,
        [&](int64_t group, int64_t m0, int64_t count, const Bf16Scratch& scratch) {
          return gather(group, m0, count, kernels, scratch);
        },
        put);
  }
};

// A phase by one of the two ways, and what of them both passes need.
struct PhaseProduct {
  ConvPhase phase;
  bool by_taps;
  ConvGrid grid;  // where it goes by taps
  Bf16Blocks blocks;
  int64_t scratch;  // floats

  static PhaseProduct make(const ConvPhase& phase, const Bf16Kernels& kernels) {
    const bool in_place = kernels.convolves_in_float ? ConvGrid::is_matrix(phase) : ConvGrid::is_dense(phase);
    if (std::min(phase.k, phase.n) < kernels.tapped_channels && !in_place) {
      const ConvGrid grid = ConvGrid::make(phase, kernels);
      return {phase, true, grid, grid.blocks(kernels), grid.workspace(kernels)};
    }
    const Bf16Blocks blocks = PixelProduct::make(phase, kernels).blocks;
    return {phase, false, {}, blocks, bf16_workspace(blocks, 0)};
  }

  // How a column of forward's weights, taps x channels, lies in the packed depth.
  std::vector<PackedRun> forward_runs(const ConvGeom& g, const Bf16Kernels& kernels) const {
    if (!by_taps) return {{0, blocks.depth, 0, blocks.k}};
    std::vector<PackedRun> runs;
    const int64_t depth = grid.steps * kernels.k_step;
    for_each_run(g, kernels, [&](int64_t at, int64_t tap, int64_t count) {
      runs.push_back({at, depth, tap * g.cg(), count * g.cg()});
    });
    return runs;
  }

  // fn(at, tap, count): the packed depth holds the channels of `count` taps from number `tap` of the kernel
  // on at `at`, and zeros where nothing is said.
  template <class Fn>
  void for_each_run(const ConvGeom& g, const Bf16Kernels& kernels, Fn&& fn) const {
    const int64_t run_taps = by_taps ? grid.run_taps() : 1;
    const int64_t depth = by_taps ? grid.steps * kernels.k_step : phase.k;
    const Phase h = by_taps ? phase.h : phase.h.by_number(), w = by_taps ? phase.w : phase.w.by_number();
    for (int64_t run = 0, tap = 0; tap < phase.taps(); ++run, tap += run_taps) {
      const int64_t r = h.tap0 + tap / w.taps * h.tap_step, s = w.tap0 + tap % w.taps * w.tap_step;
      fn(run * depth, r * g.kw + s, run_taps);
    }
  }

  void run(const Bf16Kernels& kernels, const bf16* packed, float* workspace) const {
    if (by_taps) return grid.run(kernels, packed, workspace);
    PixelProduct::make(phase, kernels).run(kernels, packed, workspace);
  }
};

// fn(h, w) for every phase that has taps. Returns whether some pixels belong to none.
template <class Fn>
bool for_each_phase(const ConvGeom& g, Fn&& fn) {
  const TapAxes axes = TapAxes::make(g, true);
  bool gaps = false;
  for (int64_t i = 0; i < axes.h.phases(); ++i) {
    const Phase h = axes.h.phase(i);
    for (int64_t j = 0; j < axes.w.phases(); ++j) {
      const Phase w = axes.w.phase(j);
      gaps |= h.taps * w.taps == 0;
      if (h.taps * w.taps > 0) fn(h, w);
    }
  }
  return gaps;
}

// Forward as a product: its workspace, and how its weights are packed.
struct ForwardPlan {
  PhaseProduct product;
  int64_t packed, scratch, total;  // workspace, in floats

  static ForwardPlan make(const ConvCall& call, const TensorView& out, const Bf16Kernels& kernels,
                          bool is_packed) {
    ForwardPlan p = {PhaseProduct::make(ConvPhase::forward(call, out), kernels), 0, 0, 0};
    Layout layout;
    p.packed = layout.add(is_packed ? 0 : floats_of(p.product.blocks.packed()));
    p.scratch = layout.add(p.product.scratch);
    p.total = layout.floats();
    return p;
  }
  void pack(const ConvCall& call, const Bf16Kernels& kernels, bf16* to) const {
    pack_float_columns(product.blocks, kernels, call.w.as<float>(), call.g.taps() * call.g.cg(),
                       product.forward_runs(call.g, kernels), to);
  }
};

struct Forward {
  static constexpr const char* kName = "conv2d_bf16";
  static constexpr AttrList kAttrs = kConvForwardAttrs;
  static constexpr int kWeights = 1;
  enum Layouts : int64_t { winograd, thin, gathered, by_taps };

  static Cost prepare(const Call& call, const Bf16Kernels& kernels) {
    const ConvCall c = bf16_conv_call(ConvPass::forward, call);
    const FloatWay way = bf16_conv_in_float(ConvPass::forward, c, kernels);
    if (way != FloatWay::none) return prepare_in_float(way, call, c, kernels);
    const ForwardPlan plan = ForwardPlan::make(c, call.t[call.count - 1], kernels, call.packed != nullptr);
    Cost cost = bf16_conv_cost(call, c.g, plan.total);
    cost.packing = {kWeights, static_cast<size_t>(plan.product.blocks.packed()) * sizeof(bf16),
                    plan.product.by_taps ? by_taps : gathered};
    return cost;
  }
  static Cost prepare_in_float(FloatWay way, const Call& call, const ConvCall& c,
                               const Bf16Kernels& kernels) {
    const GemmKernels& gemm = gemm_kernels(kernels.target);
    const int64_t workspace =
        call.packed == nullptr  ? bf16_conv_in_float_workspace(ConvPass::forward, c, kernels)
        : way == FloatWay::thin ? conv2d_thin_workspace(c, gemm, kernels, true)
                                : conv2d_winograd_packed_workspace(c, WinogradTools::of(kernels));
    Cost cost = bf16_conv_cost(call, c.g, workspace);
    if (way != FloatWay::depthwise) cost.packing = packing_in_float(way, c, kernels);
    return cost;
  }
  static Packing packing_in_float(FloatWay way, const ConvCall& c, const Bf16Kernels& kernels) {
    const bool is_thin = way == FloatWay::thin;
    const int64_t floats = is_thin ? conv2d_direct_packed_floats(c, gemm_kernels(kernels.target))
                                   : conv2d_winograd_packed_floats(c, WinogradTools::of(kernels));
    return {kWeights, static_cast<size_t>(floats) * sizeof(float), is_thin ? thin : winograd};
  }

  static void pack(const Call& call, const Bf16Kernels& kernels, std::byte* packed) {
    const ConvCall c = bf16_conv_call(ConvPass::forward, call);
    switch (bf16_conv_in_float(ConvPass::forward, c, kernels)) {
      case FloatWay::thin:
        return conv2d_direct_pack(c, gemm_kernels(kernels.target), reinterpret_cast<float*>(packed));
      case FloatWay::winograd:
        return conv2d_winograd_pack(c, WinogradTools::of(kernels), reinterpret_cast<float*>(packed));
      default:
        break;
    }
    ForwardPlan::make(c, call.t[call.count - 1], kernels, true)
        .pack(c, kernels, reinterpret_cast<bf16*>(packed));
  }

  static void run(const Call& call, const Bf16Kernels& kernels) {
    const ConvCall c = bf16_conv_call(ConvPass::forward, call);
    if (c.g.pixels() == 0) return;
    conv2d_place_residual(c);
    float* workspace = reinterpret_cast<float*>(call.workspace);
    const FloatWay way = bf16_conv_in_float(ConvPass::forward, c, kernels);
    if (way != FloatWay::none) {
      if (call.packed == nullptr) return run_bf16_conv_in_float(ConvPass::forward, c, kernels, workspace);
      const GemmKernels& gemm = gemm_kernels(kernels.target);
      const auto* weights = reinterpret_cast<const float*>(call.packed);
      if (way == FloatWay::thin) return conv2d_thin(c, gemm, kernels, weights, workspace);
      return conv2d_winograd_packed(c, WinogradTools::of(kernels), weights, workspace);
    }
    const ForwardPlan plan = ForwardPlan::make(c, call.t[call.count - 1], kernels, call.packed != nullptr);
    const auto* packed = reinterpret_cast<const bf16*>(call.packed);
    if (packed == nullptr) {
      auto* own = reinterpret_cast<bf16*>(workspace + plan.packed);
      plan.pack(c, kernels, own);
      packed = own;
    }
    plan.product.run(kernels, packed, workspace + plan.scratch);
  }
};

// Workspace of backward-data in floats: weights as bf16, weights of a phase packed, scratch of the blocks.
struct DataPlan {
  int64_t narrowed, packed, scratch, total;

  static DataPlan make(const ConvCall& call, const Bf16Kernels& kernels) {
    int64_t packed = 0, scratch = 0;
    for_each_phase(call.g, [&](const Phase& h, const Phase& w) {
      const PhaseProduct p = PhaseProduct::make(ConvPhase::adjoint(call, call.x, h, w), kernels);
      packed = std::max(packed, p.blocks.packed());
      scratch = std::max(scratch, p.scratch);
    });
    Layout layout;
    DataPlan p;
    p.narrowed = layout.add(floats_of(call.g.weights()));
    p.packed = layout.add(floats_of(packed));
    p.scratch = layout.add(scratch);
    p.total = layout.floats();
    return p;
  }
};

// The weights of a phase: for element k of the packed depth, a row of input channels.
void pack_phase(const ConvGeom& g, const PhaseProduct& p, const Bf16Kernels& kernels, const bf16* narrowed,
                bf16* packed) {
  constexpr int64_t kPadding = -1;
  std::vector<int64_t> sources(static_cast<size_t>(p.blocks.depth), kPadding);
  p.for_each_run(g, kernels, [&](int64_t at, int64_t tap, int64_t count) {
    const int64_t step = p.phase.w.tap_step;
    for (int64_t t = 0; t < count; ++t)
      for (int64_t o = 0; o < g.og(); ++o)
        sources[static_cast<size_t>(at + t * g.og() + o)] = o * g.taps() + tap + t * step;
  });
  pack_all_rows(p.blocks, kernels, packed, [&](int64_t group, int64_t k) -> const bf16* {
    const int64_t source = sources[static_cast<size_t>(k)];
    return source == kPadding ? nullptr : narrowed + (group * g.og() * g.taps() + source) * g.cg();
  });
}

struct BackwardData {
  static constexpr const char* kName = "conv2d_backward_data_bf16";
  static constexpr AttrList kAttrs = kConvBackwardAttrs;
  static Cost prepare(const Call& call, const Bf16Kernels& kernels) {
    const ConvCall c = bf16_conv_call(ConvPass::backward_data, call);
    if (bf16_conv_in_float(ConvPass::backward_data, c, kernels) != FloatWay::none)
      return bf16_conv_cost(call, c.g, bf16_conv_in_float_workspace(ConvPass::backward_data, c, kernels));
    return bf16_conv_cost(call, c.g, DataPlan::make(c, kernels).total);
  }
  static void run(const Call& call, const Bf16Kernels& kernels) {
    const ConvCall c = bf16_conv_call(ConvPass::backward_data, call);
    const ConvGeom& g = c.g;
    const TensorView& out = call.t[2];
    if (g.n == 0) return;
    float* workspace = reinterpret_cast<float*>(call.workspace);
    if (bf16_conv_in_float(ConvPass::backward_data, c, kernels) != FloatWay::none)
      return run_bf16_conv_in_float(ConvPass::backward_data, c, kernels, workspace);
    const DataPlan plan = DataPlan::make(c, kernels);
    auto* narrowed = reinterpret_cast<bf16*>(workspace + plan.narrowed);
    auto* packed = reinterpret_cast<bf16*>(workspace + plan.packed);
    narrow_rows(c.w.as<float>(), g.o, g.taps() * g.cg(), g.taps() * g.cg(), kernels, narrowed);
    if (for_each_phase(g, [](const Phase&, const Phase&) {})) std::memset(out.data, 0, out.bytes());
    for_each_phase(g, [&](const Phase& h, const Phase& w) {
      const PhaseProduct p = PhaseProduct::make(ConvPhase::adjoint(c, out, h, w), kernels);
      pack_phase(g, p, kernels, narrowed, packed);
      p.run(kernels, packed, workspace + plan.scratch);
    });
  }
};

const RegisterBf16<Forward> register_forward;
const RegisterBf16<BackwardData> register_backward_data;

}  // namespace
}  // namespace tenon
