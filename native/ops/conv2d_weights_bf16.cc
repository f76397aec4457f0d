// conv2d_backward_weights_bf16: dy bf16, x bf16 -> dw f32. M = output channels, N = taps * input channels,
// K = pixels. Pixels are cut in a number of chunks given by the shape; each chunk sums in float over its
// pixels in order, and chunks are added in order.
//
// This is the way of all paths without tiles; AVX512-BF16 sums over pairs of pixels (pair_sums_bf16.h). On
// AMX, conv2d_weights_bf16_tiles.cc takes most shapes.
#include "ops/conv2d_bf16.h"

#include "kernels/pair_sums_bf16.h"
#include "ops/conv2d.h"
#include "ops/conv2d_weights_bf16_tiles.h"

namespace tenon {
namespace {

constexpr int64_t kPixels = 128;  // gathered at once; a multiple of every path's k_step
constexpr int64_t kPanelWords = (kPixels / 2 + 1) * kPairPanel;  // of pairs of pixels, an odd number of lines

// One task is a chunk of pixels of one group, for a band of output channels and a part of the taps.
struct Plan {
  Bf16Blocks blocks;  // of one part: m = a band of O/G, n = taps of the part * C/G, k = kPixels
  int64_t chunks, parts, part_taps, chunk_pixels, bands;
  int64_t sums, scratch, total;                 // workspace, in floats
  int64_t a_at, b_at, words_at, rows_at, slot;  // scratch of one task
  int64_t sum_size() const { return blocks_m * blocks.columns; }
  int64_t blocks_m;  // M up to whole tiles

  int64_t tasks(const ConvGeom& g) const { return g.groups * bands * parts * chunks; }
};

// A power of two of bands, where few pixels would make few tasks: threads end together. Each band gathers its
// pixels anew.
int64_t bands_of(const ConvGeom& g, int64_t tasks) {
  constexpr int64_t kTasks = 16, kLeastBand = 32, kLeastGathered = 128;
  const int64_t least = conv2d_is_matrix(g) ? kLeastBand : kLeastGathered;
  int64_t bands = 1;
  while (bands * tasks < kTasks && g.og() >= 2 * bands * least) bands *= 2;
  return bands;
}

Plan make_plan(const ConvGeom& g, const Bf16Kernels& kernels) {
  constexpr int64_t kPartSize = 1 << 16, kMostChunks = 16, kChunkPixels = 2048, kBandStep = 8;
  constexpr int64_t kMostSums = 1 << 23;  // floats, 32 MB
  const bool by_pairs = kernels.pairs != nullptr;
  Plan p = {};
  const int64_t size = checked_product(g.og(), g.taps(), g.cg());
  p.parts = size > kPartSize ? g.taps() : 1;
  p.part_taps = g.taps() / p.parts;
  const int64_t chunks = std::clamp<int64_t>(g.pixels() / kChunkPixels, 1, kMostChunks);
  const int64_t band =
      by_pairs ? round_up(ceil_div(g.og(), bands_of(g, g.groups * p.parts * chunks)), kBandStep) : g.og();
  p.bands = ceil_div(g.og(), band);
  p.blocks =
      Bf16Blocks::make(1, std::min(band, g.og()), checked_product(p.part_taps, g.cg()), kPixels, kernels);
  p.blocks_m = round_up(p.blocks.m, by_pairs ? kPairPanel : 2 * kernels.row_step);
  const int64_t whole = checked_product(g.groups * p.parts * p.bands, p.blocks_m, p.blocks.columns);
  p.chunks = std::min(chunks, std::max<int64_t>(1, kMostSums / whole));
  p.chunk_pixels = round_up(ceil_div(g.pixels(), p.chunks), kPixels);
  Layout own;
  p.a_at = own.add(by_pairs ? p.blocks_m / kPairPanel * kPanelWords
                            : floats_of(checked_product(p.blocks_m, kPixels)));
  p.b_at = own.add(by_pairs ? checked_product(p.blocks.columns / kPairPanel, kPanelWords)
                            : floats_of(checked_product(p.blocks.columns, kPixels)));
  p.words_at = own.add(by_pairs ? 0 : checked_product(kPixels / 2, g.og()));
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

// The channels, taps and pixels of a task.
struct Part {
  int64_t group, channel, channels, tap, begin, end;

  Part(const ConvGeom& g, const Plan& p, int64_t task) {
    const int64_t chunk = task % p.chunks, rest = task / p.chunks / p.parts;
    group = rest / p.bands;
    channel = rest % p.bands * p.blocks.m;
    channels = std::min(p.blocks.m, g.og() - channel);
    tap = task / p.chunks % p.parts * p.part_taps;
    begin = chunk * p.chunk_pixels, end = std::min(g.pixels(), begin + p.chunk_pixels);
  }
};

// Adds the products of a few pixels to a task's sums: x and dy are rows of pixels.
void add_products(const Plan& p, const Bf16Kernels& kernels, int64_t pixels, int64_t channels,
                  const Bf16Rows& dy, const Bf16Rows& x, float* sums, bool accumulate, float* scratch) {
  Bf16Blocks block = p.blocks;
  block.k = pixels;
  auto* a = reinterpret_cast<bf16*>(scratch + p.a_at);
  auto* b = reinterpret_cast<bf16*>(scratch + p.b_at);
  auto* words = reinterpret_cast<uint32_t*>(scratch + p.words_at);
  pack_rows(
      block, kernels, [&](int64_t k) { return x.a + k * x.lda; }, 0, kPixels / 2, b);
  if (pixels < kPixels) std::fill(a, a + channels * kPixels, bf16{});
  transpose_rows(dy.a, dy.lda, pixels, channels, kernels, words, a, kPixels);
  kernels.multiply({a, kPixels, b, p.blocks.panel_size(), channels, p.blocks.n, kPixels, sums,
                    p.blocks.columns, accumulate});
}

// The rows behind these, where they are dense.
PairsAhead ahead_of(const Bf16Rows& rows, int64_t channels) {
  constexpr int64_t kLine = 64 / sizeof(bf16);
  const int64_t size = kPixels * rows.lda;
  return {rows.a + size, rows.lda == channels ? ceil_div(size, kLine) : 0};
}

// The same by pairs of pixels, which need no transposing.
void add_pairs(const Plan& p, const PairKernels& kernels, int64_t pixels, int64_t channels,
               const Bf16Rows& dy, const Bf16Rows& x, float* sums, bool accumulate, float* scratch) {
  auto* a = reinterpret_cast<uint32_t*>(scratch + p.a_at);
  auto* b = reinterpret_cast<uint32_t*>(scratch + p.b_at);
  kernels.pack({dy.a, dy.lda, pixels, channels, a, kPanelWords});
  kernels.pack({x.a, x.lda, pixels, p.blocks.n, b, kPanelWords});
  PairSums s = {};
  s.a = a, s.b = b, s.panel = kPanelWords;
  s.points = 1, s.pairs = ceil_div(pixels, 2);
  s.o = channels, s.c_panels = ceil_div(p.blocks.n, kPairPanel);
  s.sums = sums, s.sum_row = p.blocks.columns;
  s.accumulate = accumulate;
  s.ahead[0] = ahead_of(dy, p.blocks.m), s.ahead[1] = ahead_of(x, p.blocks.n);
  kernels.sum(s);
}

// The sums of one task. K beyond the chunk's pixels is zero in both operands.
void sum_chunk(const ConvCall& call, const Plan& p, const Bf16Kernels& kernels, int64_t task, float* sums,
               float* scratch) {
  const ConvGeom& g = call.g;
  const Part part(g, p, task);
  auto* gathered = reinterpret_cast<bf16*>(scratch + p.rows_at);
  const PixelRows pixels = pixel_rows(call);
  if (part.begin >= part.end) std::fill(sums, sums + p.sum_size(), 0.0f);
  for (int64_t m0 = part.begin; m0 < part.end; m0 += kPixels) {
    const int64_t count = std::min(kPixels, part.end - m0);
    const Bf16Rows dy = {call.y.as<bf16>() + m0 * g.o + part.group * g.og() + part.channel, g.o};
    Bf16Rows x = {pixels.in + m0 * g.c + part.group * g.cg(), g.c};
    if (!pixels.is_matrix()) {
      pixels.gather(m0, count, part.group * g.cg(), part.tap, part.tap + p.part_taps, gathered, p.blocks.n);
      x = {gathered, p.blocks.n};
    }
    if (kernels.pairs)
      add_pairs(p, *kernels.pairs, count, part.channels, dy, x, sums, m0 > part.begin, scratch);
    else
      add_products(p, kernels, count, part.channels, dy, x, sums, m0 > part.begin, scratch);
  }
}

// dw[o][tap][c] of one output channel: its chunks in order.
void add_chunks(const ConvCall& call, const Plan& p, int64_t o, const float* sums) {
  const ConvGeom& g = call.g;
  const int64_t band = o / g.og() * p.bands + o % g.og() / p.blocks.m, n = p.blocks.n;
  for (int64_t part = 0; part < p.parts; ++part) {
    float* dw = call.w.as<float>() + (o * g.taps() + part * p.part_taps) * g.cg();
    const float* first =
        sums + (band * p.parts + part) * p.chunks * p.sum_size() + o % g.og() % p.blocks.m * p.blocks.columns;
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
