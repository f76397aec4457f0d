// Weight gradients where input channels are fewer than a vector's lanes (the first layer of a network), so
// that roles are exchanged:
//
//   dw'[r][s*C + c][o] = sum over output pixels of x[oh*SH - PH + r*DH][(ow*SW - PW)*C + (s*C + c)] *
//   dy[pixel][o]
//
// M = the KW*C neighbouring floats of x that one row of the kernel covers, N = output channels, K = pixels of
// an output row, batch = rows. x is copied with its zero padding; dy is copied where its channels do not fill
// panels, or where it is bf16. Each chunk of pixels (their number is fixed by shape) has its own dw' in the
// workspace; they are added in order and transposed to dw at the end.
#include "ops/conv2d.h"
#include "ops/gemm_tile.h"
#include "ops/padded_rows.h"

namespace tenon {
namespace {

constexpr int64_t kPixels = 512;
constexpr int64_t kChunks = 32;

struct Plan {
  int64_t nv, mr, panel, panels;
  int64_t m;                   // KW * C
  bool in_panels;              // dy is copied to panels, as its channels do not fill them
  bool copies_dy;              // or multiplies it where it lies
  int64_t dy_pixel, dy_panel;  // floats from one to the next
  PixelBlocks blocks;
  int64_t chunks;
  PaddedRows x;  // x's copy
  int64_t batch;
  int64_t x_floats, dy_floats, part_floats, slot_floats, parts, slots, total;
};

Plan make_plan(const ConvCall& call, const GemmKernels& kernels) {
  const ConvGeom& g = call.g;
  Plan p = {};
  p.nv = g.o <= kernels.width ? 1 : 2;
  p.mr = kernels.mr[p.nv];
  p.panel = p.nv * kernels.width;
  p.panels = ceil_div(g.o, p.panel);
  p.m = g.kw * g.c;
  p.blocks = PixelBlocks::make(g.n, g.oh, g.ow, kPixels, g.oh);
  p.chunks = std::min(kChunks, p.blocks.count());
  p.x = PaddedRows::make(g, p.blocks);
  p.batch = p.blocks.images * p.blocks.rows;
  Layout slot;
  p.x_floats = slot.add(p.x.floats(g, p.blocks));
  p.x_floats = slot.floats();
  p.in_panels = g.o % p.panel != 0;
  p.copies_dy = p.in_panels || call.y.dtype == DType::bf16;
  p.dy_pixel = p.in_panels ? p.panel : g.o;
  p.dy_panel = p.in_panels ? checked_product(p.batch, g.ow, p.panel) : p.panel;
  slot.add(p.copies_dy ? checked_product(p.batch, g.ow, p.in_panels ? p.panels * p.panel : g.o) : 0);
  p.dy_floats = slot.floats() - p.x_floats;
  slot.add(checked_product(p.batch, 4));
  p.slot_floats = slot.floats();
  Layout layout;
  p.part_floats = ceil_div(g.weights(), 16) * 16;
  p.parts = layout.add(checked_product(p.part_floats, p.chunks));
  p.slots = layout.add(checked_product(p.slot_floats, scratch_slots()));
  p.total = layout.floats();
  return p;
}

template <class T>
const T* first_pixel(const ConvCall& call, const PixelBlocks::Block& b) {
  return call.y.as<T>() + (b.n0 * call.g.oh + b.i0) * call.g.ow * call.g.o;
}

// The block's pixels of dy -> [panel][pixel][panel width], or as they are.
template <class T>
void copy_dy(const ConvCall& call, const Plan& p, FloatCopy copy, const PixelBlocks::Block& b, float* dst) {
  const ConvGeom& g = call.g;
  const int64_t pixels = (b.n1 - b.n0 - 1) * g.oh * g.ow + (b.i1 - b.i0) * g.ow;
  const T* dy = first_pixel<T>(call, b);
  if (!p.in_panels) return copy(dy, pixels * g.o, dst);
  for (int64_t panel = 0; panel < p.panels; ++panel) {
    const int64_t o0 = panel * p.panel, count = std::min(p.panel, g.o - o0);
    float* q = dst + panel * p.dy_panel;
    for (int64_t i = 0; i < pixels; ++i, q += p.panel) {
      copy(dy + i * g.o + o0, count, q);
      std::fill(q + count, q + p.panel, 0.0f);
    }
  }
}

// All rows of a panel's dw': every block of pixels meets all of them while it is in the first-level cache.
void run_tiles(const ConvGeom& g, const Plan& p, const GemmKernels& kernels, const GemmTile& whole,
               BlockAhead& ahead) {
  const GemmFn* fn = kernels.fn[ceil_div(whole.n, kernels.width)];
  const EvenSplit split = tile_rows(p.m, p.mr);
  for_each_block(whole, kLongestChain, [&](const GemmTile& block) {
    GemmTile tile = block;
    for (int64_t i = 0; i < g.kh * split.parts; ++i) {
      ahead.fetch();
      const int64_t r = i / split.parts, m = split.begin(i % split.parts),
                    height = split.size(i % split.parts);
      tile.a = block.a + r * g.dh * p.x.row_floats(g) + m;
      tile.c = block.c + (r * p.m + m) * g.o;
      tile.a_jump = (height + 1) / 2;
      tile.c_jump = tile.a_jump * g.o;
      fn[height](tile);
    }
  });
}

template <class T>
void add_block(const ConvCall& call, const Plan& p, const GemmKernels& kernels, FloatCopy copy,
               const PixelBlocks::Block& b, const PixelBlocks::Block& next, bool first, float* out,
               float* slot) {
  const ConvGeom& g = call.g;
  float* dy_copy = slot + p.x_floats;
  const float* dy = p.copies_dy ? dy_copy : first_pixel<float>(call, b);
  auto* a_off = reinterpret_cast<int64_t*>(dy_copy + p.dy_floats);
  int64_t* b_off = a_off + p.batch;
  p.x.copy<T>(call, copy, b, slot);
  if (p.copies_dy) copy_dy<T>(call, p, copy, b, dy_copy);
  int64_t count = 0;
  for (int64_t n = 0; n < b.n1 - b.n0; ++n) {
    for (int64_t i = 0; i < b.i1 - b.i0; ++i, ++count) {
      a_off[count] = p.x.at(g, n, i);
      b_off[count] = count * g.ow * p.dy_pixel;
    }
  }
  BlockAhead ahead;
  if (std::is_same_v<T, float>) ahead = {call, next, g.kh * ceil_div(p.m, p.mr) * p.panels};
  GemmTile tile = {};
  tile.a_off = a_off, tile.b_off = b_off, tile.batch = count, tile.k = g.ow;
  tile.ars = 1, tile.aks = g.sw * g.c;
  tile.bks = p.dy_pixel, tile.crs = g.o, tile.accumulate = !first;
  for (int64_t panel = 0; panel < p.panels; ++panel) {
    tile.a = slot, tile.b = dy + panel * p.dy_panel;
    tile.c = out + panel * p.panel;
    tile.n = std::min(p.panel, g.o - panel * p.panel);
    run_tiles(g, p, kernels, tile, ahead);
  }
}

// dw[o][r][m] = sum over chunks of dw'[r][m][o], in order
void add_parts(const ConvGeom& g, const Plan& p, const float* parts, float* dw) {
  const int64_t taps = g.kh * p.m;
  parallel_for(g.o, static_cast<double>(g.weights() * p.chunks), [&](int64_t o) {
    for (int64_t i = 0; i < taps; ++i) {
      float sum = parts[i * g.o + o];
      for (int64_t chunk = 1; chunk < p.chunks; ++chunk) sum += parts[chunk * p.part_floats + i * g.o + o];
      dw[o * taps + i] = sum;
    }
  });
}

}  // namespace

bool conv2d_weights_is_narrow(const ConvGeom& g, const GemmKernels& kernels) {
  return g.groups == 1 && g.dw == 1 && g.c < kernels.width;
}

int64_t conv2d_weights_narrow_workspace(const ConvCall& call, const GemmKernels& kernels) {
  return call.g.n == 0 ? 0 : make_plan(call, kernels).total;
}

void conv2d_weights_narrow(const ConvCall& call, const GemmKernels& kernels, const Bf16Kernels* storage,
                           float* workspace) {
  const ConvGeom& g = call.g;
  if (g.n == 0) return std::fill_n(call.w.as<float>(), g.weights(), 0.0f), void();
  const Plan p = make_plan(call, kernels);
  const EvenSplit split = {p.blocks.count(), p.chunks};
  parallel_tasks(p.chunks, g.flops() / 16, [&](int64_t chunk, int64_t slot) {
    const int64_t begin = split.begin(chunk), end = begin + split.size(chunk);
    const auto add = storage != nullptr ? &add_block<bf16> : &add_block<float>;
    for (int64_t block = begin; block < end; ++block)
      add(call, p, kernels, {storage}, p.blocks.at(block), p.blocks.after(block), block == begin,
          workspace + p.parts + chunk * p.part_floats, workspace + p.slots + slot * p.slot_floats);
  });
  add_parts(g, p, workspace + p.parts, call.w.as<float>());
}

}  // namespace tenon
