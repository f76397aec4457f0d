// Weight gradients by Winograd's algorithm, the adjoint of its forward pass:
//
//   dg = G^T [ sum over tiles of (A dy A^T) . (B^T d B) ] G
//
// A task is (chunk of tiles, block of o, block of c). It walks its chunk in spans of tiles, and takes a span
// through the three pairs of rows of points (kernels/winograd_weights.h), a block of tiles at a time:
// transforms their slices of dy and x, and adds the products at every point to its sums. Tasks share no sums
// and repeat a few transforms instead: those are cheap beside the products.
//
// The number of chunks is a function of the shape alone; with several, each transforms its sums back to a dw
// of its own in the workspace, and these are added in order.
#include "kernels/winograd_weights.h"

#include "ops/conv2d_winograd.h"
#include "ops/gemm_bf16.h"

namespace tenon {
namespace {

constexpr int64_t kTasks = 16;
constexpr int64_t kSpan = 64;  // tiles: in three passes, they are read from the second cache level
constexpr int64_t kFewChannels = 32, kFewTiles = 8;  // whose planes and sums fit the first cache level

struct Plan {
  int64_t o_block, o_blocks, c_block, c_blocks;
  int64_t tiles, chunks;
  int64_t block;  // tiles
  int64_t x_row, x_plane, dy_row, dy_plane, sum_row, sum_plane;
  int64_t parts, part_floats, zeros, slots, total;      // workspace
  int64_t slot_dy, slot_sums, slot_lists, slot_floats;  // of a task

  int64_t tasks() const { return chunks * o_blocks * c_blocks; }
};

WinogradTiles tiles_of(const ConvGeom& g) { return {g.n, g.oh, g.ow}; }

// Blocks of at most 128 x 128 channels; of 64 x 64 when there would be few tasks.
void plan_tasks(const ConvGeom& g, int64_t width, Plan& p) {
  for (const int64_t most : {int64_t{128}, int64_t{64}}) {
    p.o_block = round_up(ceil_div(g.o, ceil_div(g.o, most)), width);
    p.c_block = round_up(ceil_div(g.c, ceil_div(g.c, most)), width);
    p.o_blocks = ceil_div(g.o, p.o_block);
    p.c_blocks = ceil_div(g.c, p.c_block);
    if (p.o_blocks * p.c_blocks >= kTasks) break;
  }
  p.tiles = tiles_of(g).count();
  p.chunks = std::clamp<int64_t>(ceil_div(kTasks, p.o_blocks * p.c_blocks), 1,
                                 std::max<int64_t>(1, p.tiles / kSpan));
}

Plan make_plan(const ConvGeom& g, int64_t width) {
  Plan p = {};
  plan_tasks(g, width, p);
  p.block = p.o_block + p.c_block <= kFewChannels ? kFewTiles : kSpan;
  p.x_row = p.sum_row = odd_lines(p.c_block);
  p.dy_row = odd_lines(p.o_block);
  p.x_plane = odd_lines(checked_product(p.block, p.x_row));
  p.dy_plane = odd_lines(checked_product(p.block, p.dy_row));
  p.sum_plane = odd_lines(checked_product(p.o_block, p.sum_row));
  constexpr int64_t kPlanes = 2 * kWinogradIn;  // of a pair
  Layout slot;
  slot.add(checked_product(kPlanes, p.x_plane));
  p.slot_dy = slot.add(checked_product(kPlanes, p.dy_plane));
  p.slot_sums = slot.add(checked_product(kWinogradPoints, p.sum_plane));
  p.slot_lists =
      slot.add(2 * kSpan * static_cast<int64_t>(sizeof(WinogradPixels<const std::byte>) / sizeof(float)));
  p.slot_floats = slot.floats();
  Layout layout;
  p.part_floats = p.chunks > 1 ? g.weights() : 0;
  p.parts = layout.add(checked_product(p.part_floats, p.chunks));
  p.zeros = layout.add(checked_product(std::max(g.o, g.c), kWinogradIn));
  p.slots = layout.add(checked_product(p.slot_floats, scratch_slots()));
  p.total = layout.floats();
  return p;
}

// The channels of a task.
struct Part {
  int64_t o0, os, c0, cs;
};

Part part_at(const ConvGeom& g, const Plan& p, int64_t index) {
  const int64_t o0 = index / p.c_blocks * p.o_block, c0 = index % p.c_blocks * p.c_block;
  return {o0, std::min(p.o_block, g.o - o0), c0, std::min(p.c_block, g.c - c0)};
}

using Images = WinogradImages<const std::byte>;
using Pixels = WinogradPixels<const std::byte>;

// Images of which a task sees the channels from `channel` on.
Images images_of(const TensorView& t, int64_t h, int64_t w, int64_t channels, int64_t channel,
                 const float* zeros) {
  const auto size = static_cast<int64_t>(size_of(t.dtype));
  return {t.data + channel * size, h, w, channels * size, reinterpret_cast<const std::byte*>(zeros)};
}

// What the next span of a task reads.
struct Ahead {
  Bytes x, dy;
  Ahead share(int64_t i, int64_t shares) const { return {x.share(i, shares), dy.share(i, shares)}; }
};

struct Task {
  const ConvCall& call;
  const Plan& p;
  const WinogradGradientKernels& kernels;
  Part part;
  Images x, dy;
  float* slot;

  Task(const ConvCall& conv, const Plan& plan, const WinogradGradientKernels& table, const Part& channels,
       float* workspace, float* scratch)
      : call(conv),
        p(plan),
        kernels(table),
        part(channels),
        x(images_of(conv.x, conv.g.h, conv.g.w, conv.g.c, channels.c0, workspace + plan.zeros)),
        dy(images_of(conv.y, conv.g.oh, conv.g.ow, conv.g.o, channels.o0, workspace + plan.zeros)),
        slot(scratch) {}

  // The rows of pixels of tiles [begin, end), where all their channels are this task's.
  Ahead ahead(int64_t begin, int64_t end) const {
    if (begin >= end || part.os < call.g.o || part.cs < call.g.c) return {};
    const ConvGeom& g = call.g;
    const WinogradTiles::Tile first = tiles_of(g).at(begin), last = tiles_of(g).at(end - 1);
    return {x.rows_between(first.image, first.row - g.ph, last.image, last.row + kWinogradIn - g.ph),
            dy.rows_between(first.image, first.row, last.image, last.row + kWinogradOut)};
  }

  float* sums() const { return slot + p.slot_sums; }
  Pixels* x_tiles() const { return reinterpret_cast<Pixels*>(slot + p.slot_lists); }
  Pixels* dy_tiles() const { return x_tiles() + kSpan; }

  // Finds the tiles of a span.
  void list(int64_t begin, int64_t count) const {
    const ConvGeom& g = call.g;
    WinogradTiles::Tile t = tiles_of(g).at(begin);
    for (int64_t i = 0; i < count; ++i, t = tiles_of(g).after(t)) {
      x_tiles()[i] = x.pixels<kWinogradIn>(t.image, t.row - g.ph, t.col - g.pw);
      dy_tiles()[i] = dy.pixels<kWinogradOut>(t.image, t.row, t.col);
    }
  }

  // Tiles [begin, begin + count) of the span.
  void transform(int pair, int64_t begin, int64_t count) const {
    kernels.of(call.x.dtype).input[pair]({x_tiles() + begin, count, part.cs, slot, p.x_plane, p.x_row});
    kernels.of(call.y.dtype)
        .output_gradient[pair]({dy_tiles() + begin, count, part.os, slot + p.slot_dy, p.dy_plane, p.dy_row});
  }

  void add_products(int pair, int64_t count, bool first, const Ahead& ahead) const {
    WinogradGradientSums s = {};
    s.dy_plane = p.dy_plane, s.dy_row = p.dy_row, s.x_plane = p.x_plane, s.x_row = p.x_row;
    s.tiles = count;
    s.o = round_up(part.os, kernels.width), s.c = round_up(part.cs, kernels.width);
    s.sum_plane = p.sum_plane, s.sum_row = p.sum_row;
    s.accumulate = !first;
    for (int k = 0; k < 2; ++k) {
      s.dy = slot + p.slot_dy + k * kWinogradIn * p.dy_plane;
      s.x = slot + k * kWinogradIn * p.x_plane;
      s.sums = sums() + kWinogradPairRows[pair][k] * kWinogradIn * p.sum_plane;
      const Bytes& later = k == 0 ? ahead.x : ahead.dy;
      s.ahead = later.begin, s.ahead_bytes = later.count;
      kernels.add_products(s);
    }
  }

  void add_span(int64_t count, const Ahead& ahead, bool first) const {
    const int64_t blocks = ceil_div(count, p.block);
    for (int pair = 0; pair < kWinogradPairs; ++pair)
      for (int64_t i = 0; i < blocks; ++i) {
        const int64_t begin = i * p.block, tiles = std::min(p.block, count - begin);
        transform(pair, begin, tiles);
        add_products(pair, tiles, first && i == 0, ahead.share(pair * blocks + i, kWinogradPairs * blocks));
      }
  }

  void run(int64_t begin, int64_t end, float* dw) const {
    for (int64_t at = begin; at < end; at += kSpan) {
      const int64_t count = std::min(kSpan, end - at);
      list(at, count);
      const int64_t next = at + count;  // perhaps of the next chunk, which likely is this thread's as well
      add_span(count, ahead(next, std::min(p.tiles, next + kSpan)), at == begin);
    }
    const int64_t c = call.g.c;
    for (int64_t o = 0; o < part.os; ++o)
      kernels.filter_gradient(sums() + o * p.sum_row, p.sum_plane, part.cs,
                              dw + (part.o0 + o) * 9 * c + part.c0, c, false);
  }
};

}  // namespace

int64_t conv2d_winograd_weights_workspace(const ConvCall& call, const WinogradGradientKernels& kernels) {
  return make_plan(call.g, kernels.width).total;
}

void conv2d_winograd_weights(const ConvCall& call, const WinogradGradientKernels& kernels, float* workspace) {
  const ConvGeom& g = call.g;
  const Plan p = make_plan(g, kernels.width);
  float* dw = call.w.as<float>();
  if (p.tiles == 0) return std::fill_n(dw, g.weights(), 0.0f), void();
  std::fill_n(workspace + p.zeros, std::max(g.o, g.c) * kWinogradIn, 0.0f);
  const EvenSplit split = {p.tiles, p.chunks};
  parallel_tasks(p.tasks(), g.flops() / 32, [&](int64_t index, int64_t slot) {
    const int64_t chunk = index % p.chunks, begin = split.begin(chunk);
    const Task task(call, p, kernels, part_at(g, p, index / p.chunks), workspace,
                    workspace + p.slots + slot * p.slot_floats);
    task.run(begin, begin + split.size(chunk),
             p.chunks > 1 ? workspace + p.parts + chunk * p.part_floats : dw);
  });
  if (p.chunks > 1) conv2d_add_weight_parts(g, workspace + p.parts, p.chunks, dw);
}

}  // namespace tenon
