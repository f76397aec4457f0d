// Weight gradients by Winograd's algorithm, the adjoint of its forward pass:
//
//   dg = G^T [ sum over tiles of (A dy A^T) . (B^T d B) ] G
//
// At each of the 36 points the sum over tiles is a matrix product: M = output channels (the transformed dy,
// read transposed by its strides), N = input channels (the transformed x), K = tiles. A task is (chunk of
// tiles, block of o, block of c): it walks its chunk in blocks of tiles, transforms their slices of dy and x,
// and adds the products to its sums. Tasks share no sums and repeat a few transforms instead: those are cheap
// beside the products.
//
// The number of chunks is a function of the shape alone; with several, each has its own sums in the
// workspace, added in order.
#include <cstring>

#include "ops/conv2d_winograd.h"

namespace tenon {
namespace {

constexpr int64_t kTasks = 16;
constexpr int64_t kBlock = 64;  // tiles

struct Plan {
  int64_t mr, panel;
  int64_t o_block, o_blocks, c_block, c_blocks;
  int64_t block, blocks;  // tiles transformed at a time, and how many such blocks there are
  int64_t chunks;
  int64_t x_row, x_plane, dy_row, dy_plane, sum_row, sum_plane;
  int64_t sum_floats;                 // of a task
  int64_t sums, zeros, slots, total;  // workspace
  int64_t slot_dy, slot_sums, slot_floats;

  int64_t tasks() const { return chunks * o_blocks * c_blocks; }
};

WinogradTiles tiles_of(const ConvGeom& g) { return {g.n, g.oh, g.ow}; }

// Blocks of at most 128 x 128 channels; of 64 x 64 when there would be few tasks.
void plan_tasks(const ConvGeom& g, Plan& p) {
  for (const int64_t most : {int64_t{128}, int64_t{64}}) {
    p.o_block = ceil_div(g.o, ceil_div(g.o, most));
    p.c_block = ceil_div(ceil_div(g.c, ceil_div(g.c, most)), p.panel) * p.panel;
    p.o_blocks = ceil_div(g.o, p.o_block);
    p.c_blocks = ceil_div(g.c, p.c_block);
    if (p.o_blocks * p.c_blocks >= kTasks) break;
  }
  p.chunks =
      std::clamp<int64_t>(ceil_div(kTasks, p.o_blocks * p.c_blocks), 1, std::max<int64_t>(1, p.blocks));
}

Plan make_plan(const ConvGeom& g, const GemmKernels& kernels) {
  Plan p = {};
  const int nv = g.c <= kernels.width ? 1 : 2;
  p.mr = kernels.mr[nv];
  p.panel = nv * kernels.width;
  p.block = std::clamp<int64_t>(tiles_of(g).count(), 1, kBlock);
  p.blocks = ceil_div(tiles_of(g).count(), p.block);
  plan_tasks(g, p);
  p.x_row = p.sum_row = odd_lines(p.c_block);
  p.dy_row = odd_lines(p.o_block);
  p.x_plane = odd_lines(checked_product(p.block, p.x_row));
  p.dy_plane = odd_lines(checked_product(p.block, p.dy_row));
  p.sum_plane = odd_lines(checked_product(p.o_block, p.sum_row));
  p.sum_floats = checked_product(kWinogradPoints, p.sum_plane);
  Layout slot;
  slot.add(checked_product(kWinogradPoints, p.x_plane));
  p.slot_dy = slot.add(checked_product(kWinogradPoints, p.dy_plane));
  p.slot_sums = slot.add(p.chunks > 1 ? 0 : p.sum_floats);
  p.slot_floats = slot.floats();
  Layout layout;
  p.sums = layout.add(p.chunks > 1 ? checked_product(p.tasks(), p.sum_floats) : 0);
  p.zeros = layout.add(checked_product(kWinogradIn, std::max(g.o, g.c)));
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

void transform_block(const ConvCall& call, const Plan& p, const WinogradKernels& transforms, const Part& part,
                     int64_t tile0, int64_t count, const float* zeros, float* slot) {
  const ConvGeom& g = call.g;
  const auto* outside = reinterpret_cast<const std::byte*>(zeros);
  const auto x_size = static_cast<int64_t>(size_of(call.x.dtype)),
             dy_size = static_cast<int64_t>(size_of(call.y.dtype));
  const WinogradImages<const std::byte> x = {call.x.data + part.c0 * x_size, g.h, g.w, g.c * x_size, outside};
  const WinogradImages<const std::byte> dy = {call.y.data + part.o0 * dy_size, g.oh, g.ow, g.o * dy_size,
                                              outside};
  const WinogradTiles all = tiles_of(g);
  WinogradTiles::Tile t = all.at(tile0);
  for (int64_t i = 0; i < count; ++i, t = all.after(t)) {
    transforms.of(call.x.dtype)
        .input(x.pixels<kWinogradIn>(t.image, t.row - g.ph, t.col - g.pw), part.cs, slot + i * p.x_row,
               p.x_plane);
    transforms.of(call.y.dtype)
        .output_gradient(dy.pixels<kWinogradOut>(t.image, t.row, t.col), part.os,
                         slot + p.slot_dy + i * p.dy_row, p.dy_plane);
  }
}

// sums (+)= the products of `count` tiles at every point.
void add_products(const Plan& p, const GemmKernels& kernels, const Part& part, int64_t count, bool first,
                  const float* slot, float* sums) {
  constexpr int64_t kNowhere = 0;
  const int64_t columns = ceil_div(part.cs, kernels.width) * kernels.width;
  const EvenSplit split = tile_rows(part.os, p.mr);
  GemmTile tile = {};
  tile.a_off = tile.b_off = &kNowhere;
  tile.batch = 1, tile.k = count;
  tile.ars = 1, tile.aks = p.dy_row;
  tile.bks = p.x_row;
  tile.crs = p.sum_row;
  tile.accumulate = !first;
  for (int64_t point = 0; point < kWinogradPoints; ++point) {
    for (int64_t c = 0; c < columns; c += p.panel) {
      tile.b = slot + point * p.x_plane + c;
      tile.n = std::min(p.panel, columns - c);
      const GemmFn* fn = kernels.fn[tile.n / kernels.width];
      for (int64_t t = 0; t < split.parts; ++t) {
        const int64_t o = split.begin(t), height = split.size(t), half = (height + 1) / 2;
        tile.a = slot + p.slot_dy + point * p.dy_plane + o;
        tile.c = sums + point * p.sum_plane + o * p.sum_row + c;
        tile.a_jump = half;
        tile.c_jump = half * p.sum_row;
        fn[height](tile);
      }
    }
  }
}

// dw of one output channel of a task's part.
void finish_row(const ConvCall& call, const Plan& p, const WinogradKernels& transforms, const Part& part,
                int64_t o, const float* sums) {
  float* dw = call.w.as<float>() + (part.o0 + o) * 9 * call.g.c + part.c0;
  transforms.filter_gradient(sums + o * p.sum_row, p.sum_plane, part.cs, dw, call.g.c);
}

void run_task(const ConvCall& call, const Plan& p, const GemmKernels& kernels,
              const WinogradKernels& transforms, int64_t task, float* workspace, float* slot) {
  const int64_t tiles = tiles_of(call.g).count();
  const EvenSplit split = {p.blocks, p.chunks};
  const int64_t chunk = task % p.chunks, begin = split.begin(chunk), end = begin + split.size(chunk);
  const Part part = part_at(call.g, p, task / p.chunks);
  float* sums = p.chunks > 1 ? workspace + p.sums + task * p.sum_floats : slot + p.slot_sums;
  for (int64_t block = begin; block < end; ++block) {
    const int64_t tile0 = block * p.block, count = std::min(p.block, tiles - tile0);
    transform_block(call, p, transforms, part, tile0, count, workspace + p.zeros, slot);
    add_products(p, kernels, part, count, block == begin, slot, sums);
  }
  if (p.chunks > 1) return;
  for (int64_t o = 0; o < part.os; ++o) finish_row(call, p, transforms, part, o, sums);
}

// Adds the chunks' sums in order, into the first, and transforms back.
void add_chunks(const ConvCall& call, const Plan& p, const WinogradKernels& transforms, float* workspace) {
  const double cost = static_cast<double>(p.tasks() * p.sum_floats);
  parallel_for(p.o_blocks * p.c_blocks * p.o_block, cost, [&](int64_t row) {
    const int64_t o = row % p.o_block, index = row / p.o_block;
    const Part part = part_at(call.g, p, index);
    if (o >= part.os) return;
    float* sums = workspace + p.sums + index * p.chunks * p.sum_floats;
    for (int64_t point = 0; point < kWinogradPoints; ++point) {
      float* sum = sums + point * p.sum_plane + o * p.sum_row;
      for (int64_t chunk = 1; chunk < p.chunks; ++chunk)
        for (int64_t c = 0; c < part.cs; ++c) sum[c] += sum[chunk * p.sum_floats + c];
    }
    finish_row(call, p, transforms, part, o, sums);
  });
}

}  // namespace

int64_t conv2d_winograd_weights_workspace(const ConvCall& call, const GemmKernels& kernels) {
  return make_plan(call.g, kernels).total;
}

void conv2d_winograd_weights(const ConvCall& call, const GemmKernels& kernels,
                             const WinogradKernels& transforms, float* workspace) {
  const ConvGeom& g = call.g;
  const Plan p = make_plan(g, kernels);
  if (p.blocks == 0) return std::fill_n(call.w.as<float>(), g.weights(), 0.0f), void();
  std::fill_n(workspace + p.zeros, kWinogradIn * std::max(g.o, g.c), 0.0f);
  parallel_tasks(p.tasks(), g.flops() / 32, [&](int64_t task, int64_t slot) {
    run_task(call, p, kernels, transforms, task, workspace, workspace + p.slots + slot * p.slot_floats);
  });
  if (p.chunks > 1) add_chunks(call, p, transforms, workspace);
}

}  // namespace tenon
