// Weight gradients: dw[o][tap][c] = sum over output pixels of dy[pixel][o] * x[pixel moved by tap][c].
//
// M = output channels (dy is read in place, transposed by its strides), N = input channels, K = the pixels of
// an output row, batch = rows. A task is (chunk of pixels, group, block of o, block of c panels); it walks
// its chunk in blocks of pixels, copies their slice of x to [panel][row][column][panel width] once, and adds
// every (panel, tap, tile of o) from it. Padding is never touched: rows and columns of a tap are clipped to
// those that meet the image.
//
// Large 1x1 kernels of stride 1 are one matrix product instead.
//
// The number of chunks is a function of the shape alone; with several, each has its own dw in the workspace,
// added in order.
#include <cstring>

#include "ops/conv2d.h"
#include "ops/gemm_tile.h"
#include "ops/matmul.h"

namespace tenon {
namespace {

constexpr int64_t kPixels = 512;              // of a block
constexpr int64_t kSmallWeights = 64 * 1024;  // floats of dw up to which tasks share nothing but pixels
constexpr int64_t kRowsOfO = 128;             // o block of large weights

struct Plan {
  int64_t mr, panel, panels;
  int64_t o_block, o_blocks, c_block, c_blocks;
  PixelBlocks blocks;
  int64_t chunks;
  int64_t row_step, col_step;  // a 1-wide kernel copies only the rows or columns that it meets
  int64_t rows, cols;          // of x in a block's copy, an image
  int64_t batch;               // most output rows in a block
  int64_t part_floats, slot_floats, x_floats, parts, slots, total;  // workspace

  int64_t tasks(const ConvGeom& g) const { return chunks * g.groups * o_blocks * c_blocks; }
};

// A 1x1 kernel with so many weights that their blocks alone are work enough for all threads: one product,
// which reads dy and x less often.
bool is_large_matrix(const ConvGeom& g) { return conv2d_is_matrix(g) && g.weights() > kSmallWeights; }

Gemm make_matrix(const ConvCall& call) {
  const ConvGeom& g = call.g;
  Gemm m;
  m.m = g.o, m.n = g.c, m.k = g.pixels();
  m.a = call.y.as<float>(), m.ars = 1, m.aks = g.o;
  m.b = call.x.as<float>(), m.ldb = g.c;
  m.c = call.w.as<float>(), m.ldc = g.c;
  return m;
}

void plan_tasks(const ConvGeom& g, Plan& p) {
  const bool small = g.weights() <= kSmallWeights;
  p.o_block = small ? g.og() : std::min(g.og(), kRowsOfO);
  p.c_block = small ? p.panels : 1;
  p.o_blocks = ceil_div(g.og(), p.o_block);
  p.c_blocks = ceil_div(p.panels, p.c_block);
  const int64_t tiles = g.groups * p.o_blocks * p.c_blocks;
  p.chunks = weight_chunks(tiles, p.blocks.count(), g.weights());
}

Plan make_plan(const ConvGeom& g, const GemmKernels& kernels) {
  Plan p = {};
  const int nv = g.cg() <= kernels.width ? 1 : 2;
  p.mr = kernels.mr[nv];
  p.panel = nv * kernels.width;
  p.panels = ceil_div(g.cg(), p.panel);
  p.blocks = PixelBlocks::make(g.n, g.oh, g.ow, kPixels, g.oh);
  plan_tasks(g, p);
  p.row_step = g.kh == 1 ? g.sh : 1;
  p.col_step = g.kw == 1 ? g.sw : 1;
  p.rows = g.kh == 1 ? p.blocks.rows : std::min(g.h, (p.blocks.rows - 1) * g.sh + (g.kh - 1) * g.dh + 1);
  p.cols = g.kw == 1 ? std::min(g.w, g.ow) : g.w;
  p.batch = p.blocks.images * p.blocks.rows;
  Layout slot;
  p.x_floats = checked_product(p.c_block * p.blocks.images, p.rows, p.cols, p.panel);
  slot.add(p.x_floats);
  slot.add(checked_product(p.batch, 4));
  p.slot_floats = slot.floats();
  Layout layout;
  p.part_floats = p.chunks > 1 ? g.weights() : 0;
  p.parts = layout.add(checked_product(p.part_floats, p.chunks));
  p.slots = layout.add(checked_product(p.slot_floats, scratch_slots()));
  p.total = layout.floats();
  return p;
}

// One block of pixels as a task sees it.
struct Slice {
  PixelBlocks::Block b;
  Range rows;         // input rows in the copy: from rows.lo in steps of row_step, below rows.hi
  int64_t first_col;  // input column of the copy's column 0
  int64_t cols;
};

Slice make_slice(const ConvGeom& g, const PixelBlocks::Block& b) {
  Slice s = {b, {}, 0, g.w};
  const Range low = inside(b.i0, b.i1, g.sh, -g.ph, g.h);
  if (g.kh == 1)
    s.rows = {low.lo * g.sh - g.ph, low.size() ? (low.hi - 1) * g.sh - g.ph + 1 : low.lo * g.sh - g.ph};
  else
    s.rows = {std::clamp<int64_t>(b.i0 * g.sh - g.ph, 0, g.h),
              std::clamp<int64_t>((b.i1 - 1) * g.sh - g.ph + (g.kh - 1) * g.dh + 1, 0, g.h)};
  if (g.kw == 1) {
    const Range columns = inside(0, g.ow, g.sw, -g.pw, g.w);
    s.first_col = columns.lo * g.sw - g.pw;
    s.cols = columns.size();
  }
  return s;
}

// x's slice -> [panel of the block][image][row][column][panel width], zero beyond the group's channels.
void copy_slice(const ConvCall& call, const Plan& p, const Slice& s, int64_t channel0, int64_t panel0,
                int64_t panel1, float* dst) {
  const ConvGeom& g = call.g;
  for (int64_t panel = panel0; panel < panel1; ++panel) {
    const int64_t c0 = panel * p.panel, count = std::min(p.panel, g.cg() - c0);
    for (int64_t n = s.b.n0; n < s.b.n1; ++n) {
      float* row = dst + ((panel - panel0) * p.blocks.images + n - s.b.n0) * p.rows * p.cols * p.panel;
      for (int64_t i = s.rows.lo; i < s.rows.hi; i += p.row_step, row += p.cols * p.panel) {
        const float* src = call.x.as<float>() + ((n * g.h + i) * g.w + s.first_col) * g.c + channel0 + c0;
        float* q = row;
        for (int64_t j = 0; j < s.cols; ++j, src += p.col_step * g.c, q += p.panel) {
          std::memcpy(q, src, static_cast<size_t>(count) * sizeof(float));
          std::fill(q + count, q + p.panel, 0.0f);
        }
      }
    }
  }
}

// The rows and columns of the block that tap (r, s) meets: fills the batch, sets K; returns the batch size.
int64_t list_rows(const ConvGeom& g, const Plan& p, const Slice& slice, int64_t r, int64_t s, int64_t* a_off,
                  int64_t* b_off, int64_t* depth) {
  const int64_t row0 = r * g.dh - g.ph, col0 = s * g.dw - g.pw;
  const Range rows = inside(slice.b.i0, slice.b.i1, g.sh, row0, g.h), cols = inside(0, g.ow, g.sw, col0, g.w);
  *depth = cols.size();
  if (cols.size() == 0) return 0;
  int64_t count = 0;
  for (int64_t n = slice.b.n0; n < slice.b.n1; ++n) {
    for (int64_t i = rows.lo; i < rows.hi; ++i, ++count) {
      a_off[count] = ((n * g.oh + i) * g.ow + cols.lo) * g.o;
      const int64_t row = (i * g.sh + row0 - slice.rows.lo) / p.row_step;
      const int64_t col = (cols.lo * g.sw + col0 - slice.first_col) / p.col_step;
      b_off[count] = (((n - slice.b.n0) * p.rows + row) * p.cols + col) * p.panel;
    }
  }
  return count;
}

// Adds one block of pixels to the task's part of dw.
void add_block(const ConvCall& call, const Plan& p, const GemmKernels& kernels, const Slice& slice,
               int64_t group, int64_t o_index, int64_t c_index, bool first, float* out, float* slot) {
  const ConvGeom& g = call.g;
  const int64_t panel0 = c_index * p.c_block, panel1 = std::min(p.panels, panel0 + p.c_block);
  const int64_t o0 = o_index * p.o_block, rows = std::min(p.o_block, g.og() - o0);
  copy_slice(call, p, slice, group * g.cg(), panel0, panel1, slot);
  auto* a_off = reinterpret_cast<int64_t*>(slot + ceil_div(p.x_floats, 16) * 16);
  int64_t* b_off = a_off + p.batch;
  GemmTile tile = {};
  tile.a = call.y.as<float>() + group * g.og() + o0;
  tile.a_off = a_off, tile.b_off = b_off;
  tile.ars = 1, tile.aks = g.o;
  tile.bks = (g.kw == 1 ? 1 : g.sw) * p.panel;
  tile.crs = g.taps() * g.cg();
  tile.accumulate = !first;
  for (int64_t tap = 0; tap < g.taps(); ++tap) {
    tile.batch = list_rows(g, p, slice, tap / g.kw, tap % g.kw, a_off, b_off, &tile.k);
    if (tile.batch == 0 && !first) continue;
    for (int64_t panel = panel0; panel < panel1; ++panel) {
      tile.b = slot + (panel - panel0) * p.blocks.images * p.rows * p.cols * p.panel;
      tile.n = std::min(p.panel, g.cg() - panel * p.panel);
      tile.c = out + ((group * g.og() + o0) * g.taps() + tap) * g.cg() + panel * p.panel;
      run_transposed(kernels, p.mr, tile, rows, [] {});
    }
  }
}

void run_task(const ConvCall& call, const Plan& p, const GemmKernels& kernels, int64_t task, float* parts,
              float* slot) {
  const ConvGeom& g = call.g;
  const int64_t c_index = task % p.c_blocks, o_index = task / p.c_blocks % p.o_blocks;
  const int64_t group = task / p.c_blocks / p.o_blocks % g.groups,
                chunk = task / p.c_blocks / p.o_blocks / g.groups;
  float* out = p.chunks > 1 ? parts + chunk * p.part_floats : call.w.as<float>();
  const EvenSplit split = {p.blocks.count(), p.chunks};
  const int64_t begin = split.begin(chunk), end = begin + split.size(chunk);
  for (int64_t block = begin; block < end; ++block)
    add_block(call, p, kernels, make_slice(g, p.blocks.at(block)), group, o_index, c_index, block == begin,
              out, slot);
}

}  // namespace

int64_t conv2d_weights_workspace(const ConvCall& call, const GemmKernels& kernels) {
  if (call.g.n == 0) return 0;
  if (is_large_matrix(call.g)) return gemm_workspace(make_matrix(call), kernels);
  return make_plan(call.g, kernels).total;
}

void conv2d_weights(const ConvCall& call, const GemmKernels& kernels, float* workspace) {
  const ConvGeom& g = call.g;
  if (g.n == 0) return std::fill_n(call.w.as<float>(), g.weights(), 0.0f), void();
  if (is_large_matrix(g)) return gemm(make_matrix(call), kernels, workspace);
  const Plan p = make_plan(g, kernels);
  parallel_tasks(p.tasks(g), g.flops() / 16, [&](int64_t task, int64_t slot) {
    run_task(call, p, kernels, task, workspace + p.parts, workspace + p.slots + slot * p.slot_floats);
  });
  if (p.chunks > 1) conv2d_add_weight_parts(g, workspace + p.parts, p.chunks, call.w.as<float>());
}

void conv2d_add_weight_parts(const ConvGeom& g, const float* parts, int64_t count, float* dw) {
  const int64_t weights = g.weights();
  const double cost = static_cast<double>(weights * count);
  parallel_chunks(weights, 2048, cost, [&](int64_t begin, int64_t end) {
    std::memcpy(dw + begin, parts + begin, static_cast<size_t>(end - begin) * sizeof(float));
    for (int64_t part = 1; part < count; ++part)
      for (int64_t i = begin; i < end; ++i) dw[i] += parts[part * weights + i];
  });
}

}  // namespace tenon
