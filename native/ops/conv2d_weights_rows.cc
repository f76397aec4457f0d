// Weight gradients of kernels that are several columns wide, where Winograd's algorithm does not apply
// (strides) and the weights are few:
//
//   dw[o][r][s*C + c] = sum over output pixels of dy[pixel][o] * x[oh*SH - PH + r*DH][(ow*SW - PW + s)*C + c]
//
// M = output channels (dy is read in place, transposed by its strides), N = the KW*C neighbouring floats of x
// that one row of the kernel covers, K = pixels of an output row, batch = rows. x is copied with its zero
// padding. A row of the kernel is read once for all of its taps, and fills wide register tiles where C alone
// would not.
//
// The number of chunks is a function of the shape alone; with several, each has its own dw in the workspace,
// added in order.
#include "ops/conv2d.h"
#include "ops/gemm_tile.h"
#include "ops/padded_rows.h"

namespace tenon {
namespace {

constexpr int64_t kPixels = 64;              // of a block: it stays in the first cache level
constexpr int64_t kMostWeights = 64 * 1024;  // which stay in the second cache level

struct Plan {
  int64_t n;  // KW * C
  int64_t mr, panel;
  PixelBlocks blocks;
  PaddedRows x;
  int64_t chunks;
  int64_t batch;                                       // most output rows in a block
  int64_t x_floats, slot_floats, parts, slots, total;  // workspace
};

Plan make_plan(const ConvGeom& g, const GemmKernels& kernels) {
  Plan p = {};
  p.n = g.kw * g.c;
  const int nv = ceil_div(p.n, kernels.width) % 3 == 0 ? 3 : 2;
  p.mr = kernels.mr[nv];
  p.panel = nv * kernels.width;
  p.blocks = PixelBlocks::make(g.n, g.oh, g.ow, kPixels, g.oh);
  p.x = PaddedRows::make(g, p.blocks);
  p.chunks = weight_chunks(1, p.blocks.count(), g.weights());
  p.batch = p.blocks.images * p.blocks.rows;
  Layout slot;
  slot.add(p.x.floats(g, p.blocks) + p.panel);  // whole panels are read
  p.x_floats = slot.floats();
  slot.add(checked_product(p.batch, 4));
  p.slot_floats = slot.floats();
  Layout layout;
  p.parts = layout.add(p.chunks > 1 ? checked_product(g.weights(), p.chunks) : 0);
  p.slots = layout.add(checked_product(p.slot_floats, scratch_slots()));
  p.total = layout.floats();
  return p;
}

void add_block(const ConvCall& call, const Plan& p, const GemmKernels& kernels, const PixelBlocks::Block& b,
               const PixelBlocks::Block& next, bool first, float* out, float* slot) {
  const ConvGeom& g = call.g;
  auto* a_off = reinterpret_cast<int64_t*>(slot + p.x_floats);
  int64_t* b_off = a_off + p.batch;
  p.x.copy<float>(call, {}, b, slot);
  GemmTile tile = {};
  tile.a_off = a_off, tile.b_off = b_off, tile.k = g.ow;
  tile.ars = 1, tile.aks = g.o;
  tile.bks = g.sw * g.c, tile.crs = g.kh * p.n, tile.accumulate = !first;
  for (int64_t n = b.n0; n < b.n1; ++n) {
    for (int64_t i = b.i0; i < b.i1; ++i, ++tile.batch) {
      a_off[tile.batch] = (n * g.oh + i) * g.ow * g.o;
      b_off[tile.batch] = p.x.at(g, n - b.n0, i - b.i0);
    }
  }
  tile.a = call.y.as<float>();
  BlockAhead ahead(call, next, g.kh * ceil_div(p.n, p.panel) * ceil_div(g.o, p.mr));
  for (int64_t r = 0; r < g.kh; ++r) {
    for (int64_t column = 0; column < p.n; column += p.panel) {
      tile.b = slot + r * g.dh * p.x.row_floats(g) + column;
      tile.c = out + r * p.n + column;
      tile.n = std::min(p.panel, p.n - column);
      run_transposed(kernels, p.mr, tile, g.o, [&] { ahead.fetch(); });
    }
  }
}

}  // namespace

bool conv2d_weights_by_rows(const ConvGeom& g, const GemmKernels& kernels) {
  return g.groups == 1 && g.dw == 1 && g.kw > 1 && g.n > 0 && g.c >= kernels.width &&
         g.weights() <= kMostWeights;
}

int64_t conv2d_weights_rows_workspace(const ConvCall& call, const GemmKernels& kernels) {
  return make_plan(call.g, kernels).total;
}

void conv2d_weights_rows(const ConvCall& call, const GemmKernels& kernels, float* workspace) {
  const ConvGeom& g = call.g;
  const Plan p = make_plan(g, kernels);
  const EvenSplit split = {p.blocks.count(), p.chunks};
  float* dw = call.w.as<float>();
  parallel_tasks(p.chunks, g.flops() / 16, [&](int64_t chunk, int64_t slot) {
    const int64_t begin = split.begin(chunk), end = begin + split.size(chunk);
    float* out = p.chunks > 1 ? workspace + p.parts + chunk * g.weights() : dw;
    for (int64_t block = begin; block < end; ++block)
      add_block(call, p, kernels, p.blocks.at(block), p.blocks.after(block), block == begin, out,
                workspace + p.slots + slot * p.slot_floats);
  });
  if (p.chunks > 1) conv2d_add_weight_parts(g, workspace + p.parts, p.chunks, dw);
}

}  // namespace tenon
