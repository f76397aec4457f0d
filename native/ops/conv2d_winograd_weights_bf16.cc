// Weight gradients by Winograd's algorithm with products in bf16 (kernels/winograd_weights_bf16.h). How tiles
// are cut is a function of the shape alone.
//
// Few channels: a task is a part of the tiles. It transforms a span of them, whose points stay in the second
// cache level, and adds the products to its sums, span by span.
//
// Many channels: tiles are taken in chunks whose points stay in the last cache level. First all threads
// transform a chunk, every channel once. Then a task is (part of the chunk, block of o, block of c): it sums
// the products of its part, transforms the sums back, and adds them to dw.
//
// Parts have a dw of their own each, and these are added in order at the end.
#include "kernels/winograd_weights_bf16.h"

#include "ops/conv2d_winograd.h"
#include "ops/gemm_bf16.h"

namespace tenon {
namespace {

constexpr int64_t kBlockPanels = 4;                // of o and of c in a block, whose sums are 600 KB
constexpr int64_t kSpanWords = 192 << 10;          // of a span's points
constexpr int64_t kChunkWords = int64_t{2} << 20;  // of a chunk's,
constexpr int64_t kLeastChunk = 256;               // and pairs of tiles in it all the same
constexpr int64_t kLeastPart = 32;                 // pairs that are worth transforming sums back
constexpr int64_t kMostParts = 16, kTasks = 8;     // of spans; of a chunk
constexpr int64_t kTransformed = 8;                // pairs that are transformed at a time

// The channels of x or dy.
struct Side {
  int64_t panels, block, blocks;  // panels of all channels and of a block
  int64_t plane;                  // words
  int64_t at;                     // where its planes begin

  static Side make(int64_t channels) {
    const int64_t panels = ceil_div(channels, kPairPanel);
    const int64_t block = ceil_div(panels, ceil_div(panels, kBlockPanels));
    return {panels, block, ceil_div(panels, block), 0, 0};
  }
  int64_t size(int64_t index) const { return std::min(block, panels - index * block); }
};

struct Plan {
  Side o, c;
  bool in_spans;          // few channels
  int64_t tiles, pairs;   // of all images
  int64_t chunk, parts;   // pairs of a chunk or span
  int64_t panel, planes;  // words
  int64_t sum_plane, sum_row;
  int64_t part_floats, dw_parts, zeros, chunk_at, slots, slot_sums, slot_floats, total;  // workspace

  int64_t tasks() const { return parts * o.blocks * c.blocks; }
};

// Pieces of nearly equal size, at most `most`: their size.
int64_t even_size(int64_t total, int64_t most) {
  return ceil_div(total, std::max<int64_t>(1, ceil_div(total, most)));
}

// A power of two: threads that meet afterwards end together.
int64_t parts_of(int64_t pairs, int64_t most) {
  int64_t parts = 1;
  while (2 * parts <= std::min(most, pairs / kLeastPart)) parts *= 2;
  return parts;
}

void cut_tiles(Plan& p) {
  const int64_t blocks = p.o.blocks * p.c.blocks;
  const int64_t pair_words = checked_product(kWinogradPoints * kPairPanel, p.o.panels + p.c.panels);
  p.in_spans = blocks == 1;
  if (p.in_spans) {
    p.parts = parts_of(p.pairs, kMostParts);
    p.chunk = even_size(ceil_div(p.pairs, p.parts), kSpanWords / pair_words);
  } else {
    p.chunk = even_size(p.pairs, std::max(kLeastChunk, kChunkWords / pair_words));
    p.parts = parts_of(p.chunk, kTasks / blocks);
  }
}

Plan make_plan(const ConvGeom& g) {
  Plan p = {};
  p.o = Side::make(g.o), p.c = Side::make(g.c);
  p.tiles = WinogradTiles{g.n, g.oh, g.ow}.count();
  p.pairs = ceil_div(p.tiles, 2);
  cut_tiles(p);
  p.panel = p.chunk * kPairPanel;
  Layout planes;
  for (Side* side : {&p.o, &p.c}) {
    side->plane = odd_lines(checked_product(side->panels, p.panel));
    side->at = planes.add(checked_product(kWinogradPoints, side->plane));
  }
  p.sum_row = p.c.block * kPairPanel;
  p.sum_plane = odd_lines(p.o.block * kPairPanel * p.sum_row);
  Layout slot;
  slot.add(p.in_spans ? planes.floats() : 0);
  p.slot_sums = slot.add(kWinogradPoints * p.sum_plane);
  p.slot_floats = slot.floats();
  Layout layout;
  p.part_floats = p.parts > 1 ? g.weights() : 0;
  p.dw_parts = layout.add(checked_product(p.part_floats, p.parts));
  p.zeros = layout.add(floats_of(checked_product(std::max(g.o, g.c), kWinogradIn)));
  p.chunk_at = layout.add(p.in_spans ? 0 : planes.floats());
  p.slots = layout.add(checked_product(p.slot_floats, scratch_slots()));
  p.total = layout.floats();
  return p;
}

using Images = WinogradImages<const std::byte>;
using Pixels = WinogradPixels<const std::byte>;

struct Gradient {
  const ConvCall& call;
  const Plan& p;
  const WinogradPairKernels& kernels;
  const PairKernels& pairs;
  const WinogradGradientKernels& back;
  float* workspace;

  float* slot_at(int64_t slot) const { return workspace + p.slots + slot * p.slot_floats; }
  float* dw_of(int64_t part) const {
    return p.parts > 1 ? workspace + p.dw_parts + part * p.part_floats : call.w.as<float>();
  }
  static uint32_t* words(float* planes, const Side& side) {
    return reinterpret_cast<uint32_t*>(planes + side.at);
  }

  Images images_of(const TensorView& t, int64_t h, int64_t w, int64_t channels) const {
    return {t.data, h, w, channels * static_cast<int64_t>(sizeof(bf16)),
            reinterpret_cast<const std::byte*>(workspace + p.zeros)};
  }

  // Pairs [begin, begin + count) of tiles, to pair `at` of the planes. Where the last one has a single tile,
  // the other one has no pixels.
  void transform(int64_t begin, int64_t count, float* planes, int64_t at) const {
    const ConvGeom& g = call.g;
    const WinogradTiles tiles = {g.n, g.oh, g.ow};
    const Images x = images_of(call.x, g.h, g.w, g.c), dy = images_of(call.y, g.oh, g.ow, g.o);
    Pixels x_tiles[2 * kTransformed], dy_tiles[2 * kTransformed];
    WinogradTiles::Tile t = tiles.at(2 * begin);
    for (int64_t i = 0; i < 2 * count; ++i, t = tiles.after(t)) {
      const bool exists = 2 * begin + i < p.tiles;
      x_tiles[i] = exists ? x.pixels<kWinogradIn>(t.image, t.row - g.ph, t.col - g.pw) : Pixels{};
      dy_tiles[i] = exists ? dy.pixels<kWinogradOut>(t.image, t.row, t.col) : Pixels{};
    }
    kernels.input({x_tiles, count, g.c, words(planes, p.c) + at * kPairPanel, p.c.plane, p.panel});
    kernels.output_gradient({dy_tiles, count, g.o, words(planes, p.o) + at * kPairPanel, p.o.plane, p.panel});
  }

  // The products of pairs [at, at + count) of the planes.
  void sum_block(int64_t o, int64_t c, float* planes, int64_t at, int64_t count, float* sums,
                 bool accumulate) const {
    PairSums s = {};
    s.a = words(planes, p.o) + o * p.o.block * p.panel + at * kPairPanel;
    s.b = words(planes, p.c) + c * p.c.block * p.panel + at * kPairPanel;
    s.a_point = p.o.plane, s.b_point = p.c.plane, s.panel = p.panel;
    s.points = kWinogradPoints, s.pairs = count;
    s.o = std::min(p.o.block * kPairPanel, call.g.o - o * p.o.block * kPairPanel);
    s.c_panels = p.c.size(c);
    s.sums = sums, s.sum_point = p.sum_plane, s.sum_row = p.sum_row;
    s.accumulate = accumulate;
    pairs.sum(s);
  }

  void add_block(int64_t o, int64_t c, const float* sums, bool accumulate, float* dw) const {
    const ConvGeom& g = call.g;
    const int64_t o0 = o * p.o.block * kPairPanel, c0 = c * p.c.block * kPairPanel;
    const int64_t os = std::min(p.o.block * kPairPanel, g.o - o0), cs = std::min(p.sum_row, g.c - c0);
    for (int64_t i = 0; i < os; ++i)
      back.filter_gradient(sums + i * p.sum_row, p.sum_plane, cs, dw + (o0 + i) * 9 * g.c + c0, g.c,
                           accumulate);
  }

  void run_in_spans() const {
    const EvenSplit split = {p.pairs, p.parts};
    parallel_tasks(p.parts, call.g.flops() / 32, [&](int64_t part, int64_t slot) {
      float *planes = slot_at(slot), *sums = planes + p.slot_sums;
      const int64_t begin = split.begin(part), end = begin + split.size(part);
      for (int64_t span = begin; span < end; span += p.chunk) {
        const int64_t count = std::min(p.chunk, end - span);
        for (int64_t at = 0; at < count; at += kTransformed)
          transform(span + at, std::min(kTransformed, count - at), planes, at);
        sum_block(0, 0, planes, 0, count, sums, span > begin);
      }
      add_block(0, 0, sums, false, dw_of(part));
    });
  }

  void transform_chunk(int64_t begin, int64_t count) const {
    const double cost =
        static_cast<double>(count * kWinogradPoints) * static_cast<double>(call.g.o + call.g.c);
    parallel_for(ceil_div(count, kTransformed), cost, [&](int64_t task) {
      const int64_t at = task * kTransformed;
      transform(begin + at, std::min(kTransformed, count - at), workspace + p.chunk_at, at);
    });
  }

  void add_chunk(int64_t count, bool first) const {
    const EvenSplit split = {count, p.parts};
    const double cost =
        static_cast<double>(count * kWinogradPoints) * static_cast<double>(call.g.o * call.g.c);
    parallel_tasks(p.tasks(), cost / 16, [&](int64_t task, int64_t slot) {
      const int64_t part = task % p.parts, block = task / p.parts;
      const int64_t o = block / p.c.blocks, c = block % p.c.blocks;
      float* sums = slot_at(slot) + p.slot_sums;
      sum_block(o, c, workspace + p.chunk_at, split.begin(part), split.size(part), sums, false);
      add_block(o, c, sums, !first, dw_of(part));
    });
  }

  void run() const {
    const EvenSplit split = {p.pairs, ceil_div(p.pairs, p.chunk)};
    if (p.in_spans)
      run_in_spans();
    else
      for (int64_t chunk = 0; chunk < split.parts; ++chunk) {
        transform_chunk(split.begin(chunk), split.size(chunk));
        add_chunk(split.size(chunk), chunk == 0);
      }
    if (p.parts > 1) conv2d_add_weight_parts(call.g, workspace + p.dw_parts, p.parts, call.w.as<float>());
  }
};

}  // namespace

int64_t conv2d_winograd_weights_bf16_workspace(const ConvCall& call) { return make_plan(call.g).total; }

void conv2d_winograd_weights_bf16(const ConvCall& call, const Bf16Kernels& kernels, float* workspace) {
  const Plan p = make_plan(call.g);
  if (p.tiles == 0) return std::fill_n(call.w.as<float>(), call.g.weights(), 0.0f), void();
  std::fill_n(workspace + p.zeros, floats_of(std::max(call.g.o, call.g.c) * kWinogradIn), 0.0f);
  Gradient{call,     p, *kernels.winograd_weights, *kernels.pairs, winograd_gradient_kernels(kernels.target),
           workspace}
      .run();
}

}  // namespace tenon
