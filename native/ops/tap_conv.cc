// Blocking and threads of TapConv. A task is (block of output rows, group, run of weight panels): it copies
// the input rows that its block needs to a zero-padded scratch in the second-level cache, so that every tap
// of every pixel is a plain offset, then runs a register tile for each panel and piece of an output row.
// Without padding the input is read where it is.
#include "ops/tap_conv.h"

#include <cstring>

namespace tenon {
namespace {

constexpr int64_t kScratchFloats = 64 * 1024;  // of a block: a quarter of a megabyte
constexpr int64_t kPixels = 512;               // of a block that reads in place
constexpr int64_t kImagePixels =
    128;  // small images are taken together up to this many, to read the weights less often
constexpr int64_t kTasks = 16;  // with fewer blocks, panels are shared out too

struct Plan {
  int64_t mr, panel, panels;
  bool in_place, merged;  // merged: the taps of a row are one run of taps_w * k channels
  int64_t ps, cols;       // scratch: floats between pixels, pixels in a row
  PixelBlocks blocks;
  int64_t rows_in;       // scratch rows of an image
  int64_t batch, depth;  // of the kernel: taps, channels
  int64_t panel_groups;
  int64_t scratch_floats, a_off, b_off, scratch, total;  // workspace

  int64_t tasks(const TapConv& c) const { return blocks.count() * c.groups * panel_groups; }
};

int64_t rows_needed(const TapConv& c, int64_t out_rows) {
  return (out_rows - 1) * c.step_h + (c.taps_h - 1) * c.gap_h + 1;
}

// Whether no tap of any pixel falls outside the input.
bool needs_no_padding(const TapConv& c) {
  return c.row0 >= 0 && c.col0 >= 0 && c.row0 + rows_needed(c, c.out_h) <= c.in_h &&
         c.col0 + (c.out_w - 1) * c.step_w + (c.taps_w - 1) * c.gap_w + 1 <= c.in_w;
}

PixelBlocks choose_blocks(const TapConv& c, const Plan& p) {
  if (p.in_place) return PixelBlocks::make(c.images, c.out_h, c.out_w, kPixels, c.out_h);
  const int64_t row = checked_product(p.cols, p.ps);
  const int64_t halo = (c.taps_h - 1) * c.gap_h + 1;
  const int64_t most = std::max<int64_t>(1, (kScratchFloats / row - halo) / c.step_h + 1);
  const int64_t image = checked_product(rows_needed(c, c.out_h), row);
  const int64_t together =
      std::min(ceil_div(kImagePixels, c.out_h * c.out_w), std::max<int64_t>(1, kScratchFloats / image));
  const int64_t pixels = most >= c.out_h ? together * c.out_h * c.out_w : most * c.out_w;
  return PixelBlocks::make(c.images, c.out_h, c.out_w, pixels, most);
}

Plan make_plan(const TapConv& c, const GemmKernels& kernels) {
  Plan p = {};
  p.panel = TapConv::panel(c.n, kernels);
  p.mr = kernels.mr[p.panel / kernels.width];
  p.panels = ceil_div(c.n, p.panel);
  p.in_place = needs_no_padding(c);
  // Pixels a multiple of 1 KB apart would share few cache sets.
  p.ps = p.in_place ? c.in_c : (c.k % 256 == 0 ? c.k + 16 : c.k);
  p.cols = p.in_place ? c.in_w : (c.out_w - 1) * c.step_w + (c.taps_w - 1) * c.gap_w + 1;
  p.merged = c.taps_w == 1 || (c.gap_w == 1 && p.ps == c.k);
  p.batch = p.merged ? c.taps_h : c.taps();
  p.depth = p.merged ? c.taps_w * c.k : c.k;
  p.blocks = choose_blocks(c, p);
  p.rows_in = rows_needed(c, p.blocks.rows);
  const int64_t tasks = p.blocks.count() * c.groups;
  p.panel_groups = tasks >= kTasks || tasks == 0 ? 1 : std::min(p.panels, ceil_div(kTasks, tasks));
  p.scratch_floats = p.in_place ? 0 : checked_product(p.blocks.images, p.rows_in, p.cols, p.ps);
  p.scratch_floats = ceil_div(p.scratch_floats, 16) * 16;
  Layout layout;
  p.a_off = layout.add(checked_product(p.batch, 2));
  p.b_off = layout.add(checked_product(p.batch, 2));
  p.scratch = layout.add(checked_product(p.scratch_floats, scratch_slots()));
  p.total = layout.floats();
  return p;
}

// Scratch row <- one input row (null: outside the image), from column col0 on, zeros around it.
void copy_row(const TapConv& c, const Plan& p, const float* row, float* dst) {
  const int64_t lo = std::clamp<int64_t>(-c.col0, 0, p.cols),
                hi = std::clamp<int64_t>(c.in_w - c.col0, lo, p.cols);
  if (row == nullptr || lo == hi) {
    std::fill(dst, dst + p.cols * p.ps, 0.0f);
    return;
  }
  std::fill(dst, dst + lo * p.ps, 0.0f);
  std::fill(dst + hi * p.ps, dst + p.cols * p.ps, 0.0f);
  const float* src = row + (lo + c.col0) * c.in_c;
  dst += lo * p.ps;
  if (p.ps == c.in_c && c.k == c.in_c) {
    std::memcpy(dst, src, static_cast<size_t>((hi - lo) * p.ps) * sizeof(float));
    return;
  }
  for (int64_t j = lo; j < hi; ++j, src += c.in_c, dst += p.ps)
    std::memcpy(dst, src, static_cast<size_t>(c.k) * sizeof(float));
}

void copy_block(const TapConv& c, const Plan& p, const PixelBlocks::Block& b, int64_t group, float* scratch) {
  const int64_t rows = rows_needed(c, b.i1 - b.i0);
  for (int64_t n = b.n0; n < b.n1; ++n) {
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t row = b.i0 * c.step_h + c.row0 + i;
      const bool inside = row >= 0 && row < c.in_h;
      const float* src = inside ? c.in + (n * c.in_h + row) * c.in_w * c.in_c + group * c.k : nullptr;
      copy_row(c, p, src, scratch + ((n - b.n0) * p.rows_in + i) * p.cols * p.ps);
    }
  }
}

// One output row, or two when both fit one tile.
void run_rows(const TapConv& c, const Plan& p, const GemmFn* fn, GemmTile& tile, const float* a, float* out,
              bool pair) {
  const EvenSplit split = pair ? EvenSplit{2 * c.out_w, 1} : tile_rows(c.out_w, p.mr);
  for (int64_t t = 0; t < split.parts; ++t) {
    const int64_t j = split.begin(t), height = split.size(t), half = (height + 1) / 2;
    tile.a = a + j * tile.ars;
    tile.c = out + j * tile.crs;
    tile.a_jump = pair ? c.step_h * p.cols * p.ps : half * tile.ars;
    tile.c_jump = pair ? c.out_row : half * tile.crs;
    fn[height](tile);
  }
}

void run_panel(const TapConv& c, const Plan& p, const GemmKernels& kernels, const PixelBlocks::Block& b,
               GemmTile& tile, const float* base, float* out) {
  const GemmFn* fn = kernels.fn[ceil_div(tile.n, kernels.width)];
  const int64_t image = (p.in_place ? c.in_h : p.rows_in) * p.cols * p.ps;
  for (int64_t n = b.n0; n < b.n1; ++n) {
    for (int64_t i = b.i0; i < b.i1;) {
      const bool pair = 2 * c.out_w <= p.mr && i + 1 < b.i1;
      const float* a = base + (n - b.n0) * image + (i - b.i0) * c.step_h * p.cols * p.ps;
      run_rows(c, p, fn, tile, a, out + n * c.out_image + i * c.out_row, pair);
      i += pair ? 2 : 1;
    }
  }
}

void run_task(const TapConv& c, const Plan& p, const GemmKernels& kernels, int64_t task, float* workspace,
              float* scratch) {
  const int64_t part = task % p.panel_groups, group = task / p.panel_groups % c.groups;
  const PixelBlocks::Block b = p.blocks.at(task / p.panel_groups / c.groups);
  const float* base = scratch;
  if (p.in_place)
    base = c.in + ((b.n0 * c.in_h + b.i0 * c.step_h + c.row0) * c.in_w + c.col0) * c.in_c + group * c.k;
  else
    copy_block(c, p, b, group, scratch);
  GemmTile tile = {};
  tile.a_off = reinterpret_cast<const int64_t*>(workspace + p.a_off);
  tile.b_off = reinterpret_cast<const int64_t*>(workspace + p.b_off);
  tile.batch = p.batch, tile.k = p.depth;
  tile.ars = c.step_w * p.ps, tile.aks = 1;
  tile.bks = p.panel, tile.crs = c.out_pixel;
  tile.activation = c.activation;
  const EvenSplit split = {p.panels, p.panel_groups};
  for (int64_t panel = split.begin(part); panel < split.begin(part) + split.size(part); ++panel) {
    const int64_t n0 = panel * p.panel;
    tile.b = c.weights + (group * p.panels + panel) * c.taps() * c.k * p.panel;
    tile.n = std::min(p.panel, c.n - n0);
    tile.bias = c.bias ? c.bias + group * c.n + n0 : nullptr;
    run_panel(c, p, kernels, b, tile, base, c.out + group * c.n + n0);
  }
}

}  // namespace

int64_t tap_conv_workspace(const TapConv& conv, const GemmKernels& kernels) {
  return make_plan(conv, kernels).total;
}

void tap_conv(const TapConv& c, const GemmKernels& kernels, float* workspace) {
  const Plan p = make_plan(c, kernels);
  auto* a_off = reinterpret_cast<int64_t*>(workspace + p.a_off);
  auto* b_off = reinterpret_cast<int64_t*>(workspace + p.b_off);
  for (int64_t i = 0; i < p.batch; ++i) {
    const int64_t r = p.merged ? i : i / c.taps_w, s = p.merged ? 0 : i % c.taps_w;
    a_off[i] = (r * c.gap_h * p.cols + s * c.gap_w) * p.ps;
    b_off[i] = i * p.depth * p.panel;
  }
  const double cost = static_cast<double>(c.images * c.out_h * c.out_w * c.groups) *
                      static_cast<double>(c.n * (c.taps() * c.k + 8));
  parallel_tasks(p.tasks(c), cost / 8, [&](int64_t task, int64_t slot) {
    run_task(c, p, kernels, task, workspace, workspace + p.scratch + slot * p.scratch_floats);
  });
}

}  // namespace tenon
