// conv2d_backward_weights_bf16: dy bf16, x bf16 -> dw f32. M = output channels, N = taps * input channels,
// K = pixels. Pixels are cut in a number of chunks given by the shape; each chunk sums in float over its
// pixels in order, and chunks are added in order.
//
// This is the way of all paths without tiles. On AMX, conv2d_weights_bf16_tiles.cc takes most shapes.
#include "ops/conv2d_bf16.h"

#include "ops/conv2d_weights_bf16_tiles.h"

namespace tenon {
namespace {

constexpr int64_t kPixels = 128;  // gathered at once; a multiple of every path's k_step

// One task is a chunk of pixels of one group, for a part of the taps.
struct Plan {
  Bf16Blocks blocks;  // of one part: m = O/G, n = taps of the part * C/G, k = kPixels
  int64_t chunks, parts, part_taps, chunk_pixels;
  int64_t sums, scratch, total;                 // workspace, in floats
  int64_t a_at, b_at, words_at, rows_at, slot;  // scratch of one task
  int64_t sum_size() const { return blocks_m * blocks.columns; }
  int64_t blocks_m;  // M up to whole tiles

  int64_t tasks(const ConvGeom& g) const { return g.groups * parts * chunks; }
};

Plan make_plan(const ConvGeom& g, const Bf16Kernels& kernels) {
  constexpr int64_t kPartSize = 1 << 16, kMostChunks = 16, kChunkPixels = 2048;
  constexpr int64_t kMostSums = 1 << 23;  // floats, 32 MB
  Plan p = {};
  const int64_t size = checked_product(g.og(), g.taps(), g.cg());
  p.parts = size > kPartSize ? g.taps() : 1;
  p.part_taps = g.taps() / p.parts;
  p.blocks = Bf16Blocks::make(1, g.og(), checked_product(p.part_taps, g.cg()), kPixels, kernels);
  p.blocks_m = round_up(g.og(), 2 * kernels.row_step);
  const int64_t whole = checked_product(g.groups * p.parts, p.blocks_m, p.blocks.columns);
  const int64_t affordable = std::max<int64_t>(1, kMostSums / whole);
  p.chunks = std::clamp<int64_t>(g.pixels() / kChunkPixels, 1, std::min(kMostChunks, affordable));
  p.chunk_pixels = round_up(ceil_div(g.pixels(), p.chunks), kPixels);
  Layout own;
  p.a_at = own.add(floats_of(checked_product(p.blocks_m, kPixels)));
  p.b_at = own.add(floats_of(checked_product(p.blocks.columns, kPixels)));
  p.words_at = own.add(checked_product(kPixels / 2, g.og()));
  p.rows_at = own.add(floats_of(checked_product(kPixels, p.blocks.n)));
  p.slot = own.floats();
  Layout layout;
  p.sums = layout.add(checked_product(whole, p.chunks));
  p.scratch = layout.add(checked_product(p.slot, scratch_slots()));
  p.total = layout.floats();
  return p;
}

PixelRows pixel_rows(const ConvCall& call) {
  const ConvGeom& g = call.g;
  return {
      call.x.as<bf16>(), g.h, g.w, g.c, g.oh, g.ow, g.sh, g.sw, g.kh, g.kw, -g.ph, g.dh, -g.pw, g.dw, g.cg()};
}

// The sums of one task. K beyond the chunk's pixels is zero in both operands.
void sum_chunk(const ConvCall& call, const Plan& p, const Bf16Kernels& kernels, int64_t task, float* sums,
               float* scratch) {
  const ConvGeom& g = call.g;
  const int64_t chunk = task % p.chunks, part = task / p.chunks % p.parts, group = task / p.chunks / p.parts;
  const int64_t begin = chunk * p.chunk_pixels, end = std::min(g.pixels(), begin + p.chunk_pixels);
  auto* a = reinterpret_cast<bf16*>(scratch + p.a_at);
  auto* b = reinterpret_cast<bf16*>(scratch + p.b_at);
  auto* words = reinterpret_cast<uint32_t*>(scratch + p.words_at);
  auto* rows = reinterpret_cast<bf16*>(scratch + p.rows_at);
  const int64_t tap0 = part * p.part_taps, n = p.blocks.n;
  const PixelRows pixels = pixel_rows(call);
  if (begin >= end) std::fill(sums, sums + p.sum_size(), 0.0f);
  for (int64_t m0 = begin; m0 < end; m0 += kPixels) {
    Bf16Blocks block = p.blocks;
    block.k = std::min(kPixels, end - m0);
    pixels.gather(m0, block.k, group * g.cg(), tap0, tap0 + p.part_taps, rows, n);
    pack_rows(
        block, kernels, [&](int64_t k) { return rows + k * n; }, 0, kPixels / 2, b);
    if (block.k < kPixels) std::fill(a, a + g.og() * kPixels, bf16{});
    const bf16* dy = call.y.as<bf16>() + m0 * g.o + group * g.og();
    transpose_rows(dy, g.o, block.k, g.og(), kernels, words, a, kPixels);
    kernels.multiply(
        {a, kPixels, b, p.blocks.panel_size(), g.og(), n, kPixels, sums, p.blocks.columns, m0 > begin});
  }
}

// dw[o][tap][c] of one output channel: its chunks in order.
void add_chunks(const ConvCall& call, const Plan& p, int64_t o, const float* sums) {
  const ConvGeom& g = call.g;
  const int64_t group = o / g.og(), n = p.blocks.n;
  for (int64_t part = 0; part < p.parts; ++part) {
    float* dw = call.w.as<float>() + (o * g.taps() + part * p.part_taps) * g.cg();
    const float* first =
        sums + (group * p.parts + part) * p.chunks * p.sum_size() + o % g.og() * p.blocks.columns;
    std::memcpy(dw, first, static_cast<size_t>(n) * sizeof(float));
    for (int64_t chunk = 1; chunk < p.chunks; ++chunk) {
      const float* more = first + chunk * p.sum_size();
      for (int64_t i = 0; i < n; ++i) dw[i] += more[i];
    }
  }
}

struct BackwardWeights {
  static constexpr const char* kName = "conv2d_backward_weights_bf16";
  static constexpr AttrList kAttrs = kConvBackwardAttrs;
  static Cost prepare(const Call& call, const Bf16Kernels& kernels) {
    const ConvCall c = bf16_conv_call(ConvPass::backward_weights, call);
    if (bf16_conv_in_float(ConvPass::backward_weights, c, kernels) != FloatWay::none)
      return bf16_conv_cost(call, c.g, bf16_conv_in_float_workspace(ConvPass::backward_weights, c, kernels));
    if (conv2d_weights_tiles(c.g, kernels.target))
      return bf16_conv_cost(call, c.g, conv2d_weights_tiles_workspace(c.g));
    return bf16_conv_cost(call, c.g, make_plan(c.g, kernels).total);
  }
  static void run(const Call& call, const Bf16Kernels& kernels) {
    const ConvCall c = bf16_conv_call(ConvPass::backward_weights, call);
    float* workspace = reinterpret_cast<float*>(call.workspace);
    if (bf16_conv_in_float(ConvPass::backward_weights, c, kernels) != FloatWay::none)
      return run_bf16_conv_in_float(ConvPass::backward_weights, c, kernels, workspace);
    if (const TapSumKernels* tiles = conv2d_weights_tiles(c.g, kernels.target))
      return conv2d_weights_tiles(c, *tiles, workspace);
    const Plan p = make_plan(c.g, kernels);
    float* sums = workspace + p.sums;
    parallel_tasks(p.tasks(c.g), c.g.flops() / 16, [&](int64_t task, int64_t slot) {
      sum_chunk(c, p, kernels, task, sums + task * p.sum_size(), workspace + p.scratch + slot * p.slot);
    });
    const double adding = static_cast<double>(p.chunks) * static_cast<double>(c.g.weights()) * 4;
    parallel_for(c.g.o, adding, [&](int64_t o) { add_chunks(c, p, o, sums); });
  }
};

const RegisterBf16<BackwardWeights> registration;

}  // namespace
}  // namespace tenon
