// Blocking and threads of TapConv. A task is (block of output rows, group, run of weight panels): it
// copies the input rows that its block needs to a zero-padded scratch in the second-level cache, so that
// every tap of every pixel is a plain offset, then runs all phases from it. A worker copies the rows once for
// all of its tasks that follow each other. Without padding the input is read where it is.
//
// All pixels of a block are multiplied with one block of a panel's rows before the next one, which is fetched
// meanwhile: weights are read from memory once for a block of pixels.
#include "ops/tap_conv.h"

#include "kernels/streamed_bytes.h"
#include "ops/gemm_tile.h"

namespace tenon {
namespace {

constexpr int64_t kScratchFloats = 64 * 1024;  // of a block: a quarter of a megabyte
constexpr int64_t kPixels = 512;               // of a block that reads in place
constexpr int64_t kImagePixels = 128;  // small images go together up to this many, to read weights less often

// The input positions that the taps of output index 0 reach, over all phases of an axis, and whether those of
// every output index lie inside the input.
struct Extent {
  int64_t low = 0, span = 1;
  bool fits = true, gaps = false;  // gaps: phases without taps
};

Extent extent_of(const TapAxis& a) {
  Extent e;
  bool first = true;
  int64_t high = 0;
  for (int64_t i = 0; i < a.phases(); ++i) {
    const Phase p = a.phase(i);
    e.gaps |= p.taps == 0;
    if (p.taps == 0) continue;
    const int64_t top = p.in0 + (p.taps - 1) * p.gap;
    e.low = first ? p.in0 : std::min(e.low, p.in0);
    high = first ? top : std::max(high, top);
    e.fits &= p.in0 >= 0 && (p.count - 1) * a.in_step() + top < a.in;
    first = false;
  }
  e.span = high - e.low + 1;
  return e;
}

struct Plan {
  int64_t mr, panel, panels;
  Extent h, w;
  bool in_place, merged;  // merged: the taps of a row are one run of taps_w * k channels
  int64_t width;          // output columns of the largest phase
  int64_t ps, cols;       // scratch: floats between pixels, pixels in a row
  PixelBlocks blocks;     // of output rows of the largest phase
  int64_t rows_in;        // scratch rows of an image
  int64_t panel_groups;
  int64_t out_pixel;
  bool stream;
  int64_t a_off, b_off, slots;                       // workspace: where taps are; then for each worker
  int64_t slot_copy, slot_sums, slot_floats, total;  // its block's input, and sums that are stored otherwise

  int64_t tasks(const TapConv& c) const { return blocks.count() * c.groups * panel_groups; }
  int64_t rows_needed(const TapConv& c, int64_t rows) const { return (rows - 1) * c.h.in_step() + h.span; }
};

// Whether the output is written once, in whole lines, and is too large for caches.
bool wants_stream(const TapConv& c, const Plan& p) {
  constexpr int64_t kLine = 16;
  const bool later = c.activation == Activation::tanh || c.activation == Activation::sigmoid;
  const bool lines = c.n % p.panel == 0 && p.panel % kLine == 0 && p.out_pixel % kLine == 0 &&
                     reinterpret_cast<uintptr_t>(c.out) % (4 * kLine) == 0;
  const bool once = !c.storage && !c.accumulate && c.taps() * c.k <= kLongestChain && !p.h.gaps && !p.w.gaps;
  return lines && once && !later && c.images * c.h.out * c.w.out * p.out_pixel * 4 >= streamed_bytes;
}

// Where blocks are few, the cores get equally many, if that leaves enough pixels for each to
// read the weights.
PixelBlocks share_fairly(const PixelBlocks& blocks, const Plan& p) {
  constexpr int64_t kLeastTiles = 4;
  const int64_t count = blocks.count(), fair = ceil_div(count, cores()) * cores();
  if (count == fair || count >= wanted_tasks() || blocks.images > 1) return blocks;
  PixelBlocks more = blocks;
  more.rows = ceil_div(blocks.oh, ceil_div(fair, blocks.n));
  const bool enough = more.rows * p.width >= kLeastTiles * p.mr;
  return enough && more.count() % cores() == 0 ? more : blocks;
}

PixelBlocks choose_blocks(const TapConv& c, const Plan& p, int64_t height) {
  const int64_t spread = std::min(p.panel, c.h.out_step() * c.w.out_step());
  if (p.in_place)
    return PixelBlocks::make(c.images, height, p.width, std::max<int64_t>(1, kPixels / spread), height);
  const int64_t row = checked_product(p.cols, p.ps);
  const int64_t own_row = c.storage ? p.width * c.n : 0;
  int64_t most = std::max<int64_t>(1, (kScratchFloats / row - p.h.span) / c.h.in_step() + 1);
  if (c.storage) most = std::min(most, std::max<int64_t>(1, kScratchFloats / own_row));
  const int64_t image = checked_product(p.rows_needed(c, height), row) + height * own_row;
  const int64_t together =
      std::min(ceil_div(kImagePixels, height * p.width), std::max<int64_t>(1, kScratchFloats / image));
  const int64_t pixels = most >= height ? together * height * p.width : most * p.width;
  return PixelBlocks::make(c.images, height, p.width, pixels, most);
}

Plan make_plan(const TapConv& c, const GemmKernels& kernels) {
  Plan p = {};
  const int64_t height = ceil_div(c.h.out, c.h.out_step());
  p.width = ceil_div(c.w.out, c.w.out_step());
  if (height == 0 || p.width == 0 || c.images == 0) return p;
  p.panel = TapConv::panel(c.n, kernels);
  p.mr = kernels.mr[p.panel / kernels.width];
  p.panels = ceil_div(c.n, p.panel);
  p.h = extent_of(c.h), p.w = extent_of(c.w);
  p.in_place = p.h.fits && p.w.fits && !c.storage;
  // Pixels a multiple of 1 KB apart would share few cache sets.
  p.ps = p.in_place ? c.in_c : (c.k % 256 == 0 ? c.k + 16 : c.k);
  p.cols = p.in_place ? c.w.in : (p.width - 1) * c.w.in_step() + p.w.span;
  p.merged = c.w.phase(0).gap == 1 && p.ps == c.k;
  p.blocks = share_fairly(choose_blocks(c, p, height), p);
  p.rows_in = p.rows_needed(c, p.blocks.rows);
  p.out_pixel = c.storage ? p.panels * p.panel : c.groups * c.n;
  p.stream = wants_stream(c, p);
  const int64_t tasks = p.blocks.count() * c.groups;
  const int64_t wanted = wanted_tasks();  // with fewer, panels are shared out too
  p.panel_groups = tasks >= wanted || tasks % cores() == 0 ? 1 : std::min(p.panels, ceil_div(wanted, tasks));
  Layout slot;
  slot.add(1);  // which block's input the slot has
  p.slot_copy = slot.add(p.in_place ? 0 : checked_product(p.blocks.images, p.rows_in, p.cols, p.ps));
  p.slot_sums =
      slot.add(c.storage ? checked_product(p.blocks.images, p.blocks.rows, p.width, p.out_pixel) : 0);
  p.slot_floats = slot.floats();
  Layout layout;
  const int64_t entries = checked_product(c.h.kernel, std::max(c.w.kernel, c.w.phases()), 2);
  p.a_off = layout.add(entries);
  p.b_off = layout.add(entries);
  p.slots = layout.add(checked_product(p.slot_floats, scratch_slots()));
  p.total = layout.floats();
  return p;
}

// Scratch row <- one input row (null: outside the image), zeros around it.
template <class T>
void copy_row(const TapConv& c, const Plan& p, const T* row, float* dst) {
  const int64_t lo = std::clamp<int64_t>(-p.w.low, 0, p.cols),
                hi = std::clamp<int64_t>(c.w.in - p.w.low, lo, p.cols);
  if (row == nullptr || lo == hi) {
    std::fill(dst, dst + p.cols * p.ps, 0.0f);
    return;
  }
  std::fill(dst, dst + lo * p.ps, 0.0f);
  std::fill(dst + hi * p.ps, dst + p.cols * p.ps, 0.0f);
  const FloatCopy copy = {c.storage};
  const T* src = row + (lo + p.w.low) * c.in_c;
  dst += lo * p.ps;
  if (p.ps == c.in_c && c.k == c.in_c) return copy(src, (hi - lo) * p.ps, dst);
  for (int64_t j = lo; j < hi; ++j, src += c.in_c, dst += p.ps) copy(src, c.k, dst);
}

template <class T>
void copy_block(const TapConv& c, const Plan& p, const PixelBlocks::Block& b, int64_t group, const T* in,
                float* scratch) {
  const int64_t rows = p.rows_needed(c, b.i1 - b.i0);
  for (int64_t n = b.n0; n < b.n1; ++n) {
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t row = b.i0 * c.h.in_step() + p.h.low + i;
      const bool inside = row >= 0 && row < c.h.in;
      const T* src = inside ? in + (n * c.h.in + row) * c.w.in * c.in_c + group * c.k : nullptr;
      copy_row(c, p, src, scratch + ((n - b.n0) * p.rows_in + i) * p.cols * p.ps);
    }
  }
}

// The pixels of one block and phase, whose tiles are all alike but for the piece of taps and channels.
struct Pixels {
  float* c;  // of the block's first pixel
  int64_t images, rows, columns;
  int64_t a_image, a_row, a_column;  // strides
  int64_t c_image, c_row, c_column;
};

// Asks for the lines that the next tile will write. Short tiles on few channels are done before memory has
// answered; tall ones are not, and would ask for much.
void fetch_next(const float* next, int64_t rows, int64_t stride) {
  constexpr int64_t kShortTile = 8;
  if (rows > kShortTile) return;
  for (int64_t m = 0; m < rows; ++m) __builtin_prefetch(next + m * stride, 1);
}

void run_one(GemmFn fn, GemmTile& tile) {
  fn(tile);
  if (tile.ahead != nullptr) tile.ahead += tile.batch * tile.k * tile.ahead_step;
}

// A line of pixels: tiles along a row or down a column.
void run_line(const EvenSplit& split, const GemmFn* fn, GemmTile& tile, const float* a, float* c) {
  for (int64_t t = 0; t < split.parts; ++t) {
    const int64_t j = split.begin(t), height = split.size(t), half = (height + 1) / 2;
    tile.a = a + j * tile.ars, tile.a_jump = half * tile.ars;
    tile.c = c + j * tile.crs, tile.c_jump = half * tile.crs;
    if (t + 1 < split.parts && !tile.stream)
      fetch_next(tile.c + height * tile.crs, split.size(t + 1), tile.crs);
    run_one(fn[height], tile);
  }
}

// Narrow rows, two to a tile.
void run_pairs(const Pixels& x, const GemmFn* fn, GemmTile& tile, const float* a, float* c) {
  tile.a_jump = x.a_row, tile.c_jump = x.c_row;
  int64_t i = 0;
  for (; i + 1 < x.rows; i += 2) {
    tile.a = a + i * x.a_row, tile.c = c + i * x.c_row;
    run_one(fn[2 * x.columns], tile);
  }
  if (i < x.rows) run_line({x.columns, 1}, fn, tile, a + i * x.a_row, c + i * x.c_row);
}

// Rows, then the columns that would have left their tiles less than half full.
void run_rows(const Pixels& x, int64_t mr, const GemmFn* fn, GemmTile& tile, const float* a, float* c) {
  EvenSplit along = tile_rows(x.columns, mr);
  const bool cut = x.columns > mr && along.least <= mr / 2;
  const int64_t whole = cut ? x.columns / mr * mr : x.columns;
  if (cut) along = tile_rows(whole, mr);
  for (int64_t i = 0; i < x.rows; ++i) run_line(along, fn, tile, a + i * x.a_row, c + i * x.c_row);
  if (!cut) return;
  const EvenSplit down = tile_rows(x.rows, mr);
  tile.ars = x.a_row, tile.crs = x.c_row;
  for (int64_t j = whole; j < x.columns; ++j)
    run_line(down, fn, tile, a + j * x.a_column, c + j * x.c_column);
  tile.ars = x.a_column, tile.crs = x.c_column;
}

// Fetches what follows a block of a panel's rows, which is the next one, spread over its tiles.
void fetch_ahead_of(const Pixels& x, int64_t mr, GemmTile& tile) {
  const int64_t tiles = std::max<int64_t>(1, x.images * x.rows * x.columns / mr);
  tile.ahead = tile.b + tile.b_off[0] + tile.batch * tile.k * tile.bks;
  tile.ahead_step = std::max<int64_t>(1, tile.bks / tiles);
}

void run_pixels(const Pixels& x, int64_t mr, const GemmFn* fn, GemmTile& tile) {
  const float* base = tile.a;
  tile.ars = x.a_column, tile.crs = x.c_column;
  for (int64_t n = 0; n < x.images; ++n) {
    const float* a = base + n * x.a_image;
    float* c = x.c + n * x.c_image;
    if (2 * x.columns <= mr)
      run_pairs(x, fn, tile, a, c);
    else
      run_rows(x, mr, fn, tile, a, c);
  }
}

// Zero to every output of the block, as phases without taps want it: before the others, in one sweep.
void clear(const TapConv& c, const Plan& p, const PixelBlocks::Block& b, int64_t columns, float* out) {
  const int64_t row0 = b.i0 * c.h.out_step(), row1 = std::min(c.h.out, b.i1 * c.h.out_step());
  const int64_t pixels = (row1 - row0) * c.w.out;
  for (int64_t n = b.n0; n < b.n1; ++n) {
    float* dst = out + (n * c.h.out + row0) * c.w.out * p.out_pixel;
    if (columns == p.out_pixel)
      std::fill_n(dst, pixels * columns, 0.0f);
    else
      for (int64_t i = 0; i < pixels; ++i) std::fill_n(dst + i * p.out_pixel, columns, 0.0f);
  }
}

// All phases of a block for one panel. `out`: of the block's first pixel.
void run_panel(const TapConv& c, const Plan& p, const GemmFn* fn, const PixelBlocks::Block& b, GemmTile tile,
               const float* base, float* out) {
  constexpr int64_t kNear = 1 << 17;  // floats of weights that stay in the second cache level
  const bool far = p.panels * p.panel * c.taps() * c.k > kNear;
  Pixels x = {};
  x.images = b.n1 - b.n0;
  x.a_column = c.w.in_step() * p.ps, x.a_row = c.h.in_step() * p.cols * p.ps;
  x.a_image = (p.in_place ? c.h.in : p.rows_in) * p.cols * p.ps;
  x.c_column = c.w.out_step() * p.out_pixel, x.c_row = c.h.out_step() * c.w.out * p.out_pixel;
  x.c_image = c.h.out * c.w.out * p.out_pixel;
  for (int64_t i = 0; i < c.h.phases() * c.w.phases(); ++i) {
    const Phase h = c.h.phase(i / c.w.phases()), w = c.w.phase(i % c.w.phases());
    x.rows = std::min(b.i1, h.count) - b.i0, x.columns = w.count;
    x.c = out + (h.first * c.w.out + w.first) * p.out_pixel;
    const int64_t batch = w.taps == 0 ? 0 : h.taps * (p.merged ? 1 : w.taps);
    tile.batch = batch, tile.k = p.merged ? w.taps * c.k : c.k;
    tile.a = base;
    if (x.rows > 0 && batch > 0)
      for_each_block(tile, kLongestChain, [&](const GemmTile& rows) {
        GemmTile block = rows;
        if (far) fetch_ahead_of(x, p.mr, block);
        run_pixels(x, p.mr, fn, block);
      });
    tile.a_off += batch, tile.b_off += batch;
    tile.b += h.taps * w.taps * c.k * p.panel;
  }
}

int64_t first_pixel(const TapConv& c, const PixelBlocks::Block& b) {
  return (b.n0 * c.h.out + b.i0 * c.h.out_step()) * c.w.out;
}

// A block's sums of channels [n0, n1) to the output.
void store_block(const TapConv& c, const Plan& p, const PixelBlocks::Block& b, int64_t n0, int64_t n1,
                 const float* sums) {
  const bool narrow = c.stored_out.dtype == DType::bf16;
  const int64_t pixels = (b.n1 - b.n0 - 1) * c.h.out * c.w.out + (b.i1 - b.i0) * c.w.out;
  const int64_t at = (first_pixel(c, b) * c.n + n0) * static_cast<int64_t>(size_of(c.stored_out.dtype));
  c.storage->finish({sums + n0, pixels, p.out_pixel, n1 - n0, c.bias ? c.bias + n0 : nullptr, c.activation,
                     c.stored_out.data + at, c.n, narrow, c.accumulate, false});
}

// Where the first row of a task's block is: in place, or in the slot's copy, which is made where the slot has
// another one.
const float* input_of(const TapConv& c, const Plan& p, int64_t of, float* slot) {
  const int64_t group = of % c.groups;
  const PixelBlocks::Block b = p.blocks.at(of / c.groups);
  if (p.in_place)
    return c.in + ((b.n0 * c.h.in + b.i0 * c.h.in_step() + p.h.low) * c.w.in + p.w.low) * c.in_c +
           group * c.k;
  float* copy = slot + p.slot_copy;
  auto* has = reinterpret_cast<int64_t*>(slot);
  if (*has == of) return copy;
  *has = of;
  if (c.storage)
    copy_block(c, p, b, group, c.stored_in, copy);
  else
    copy_block(c, p, b, group, c.in, copy);
  return copy;
}

void run_task(const TapConv& c, const Plan& p, const GemmKernels& kernels, int64_t task, float* workspace,
              float* slot) {
  const int64_t part = task % p.panel_groups, of = task / p.panel_groups, group = of % c.groups;
  const PixelBlocks::Block b = p.blocks.at(of / c.groups);
  const float* base = input_of(c, p, of, slot);
  float* own = slot + p.slot_sums;
  GemmTile tile = {};
  tile.a_off = reinterpret_cast<const int64_t*>(workspace + p.a_off);
  tile.b_off = reinterpret_cast<const int64_t*>(workspace + p.b_off);
  tile.aks = 1, tile.bks = p.panel;
  tile.activation = c.storage ? Activation::none : c.activation;
  tile.accumulate = c.accumulate && !c.storage;
  tile.stream = p.stream;
  const EvenSplit split = {p.panels, p.panel_groups};
  const int64_t panel0 = split.begin(part), panel1 = panel0 + split.size(part);
  if (p.h.gaps || p.w.gaps) {
    const int64_t n0 = panel0 * p.panel, n1 = std::min(c.n, panel1 * p.panel);
    clear(c, p, b, n1 - n0, c.out + group * c.n + n0);
  }
  float* out = c.storage ? own : c.out + first_pixel(c, b) * p.out_pixel + group * c.n;
  for (int64_t panel = panel0; panel < panel1; ++panel) {
    const int64_t n0 = panel * p.panel;
    tile.b = c.weights + (group * p.panels + panel) * c.taps() * c.k * p.panel;
    tile.n = std::min(p.panel, c.n - n0);
    tile.bias = c.bias && !c.storage ? c.bias + group * c.n + n0 : nullptr;
    run_panel(c, p, kernels.fn[ceil_div(tile.n, kernels.width)], b, tile, base, out + n0);
  }
  if (c.storage) store_block(c, p, b, panel0 * p.panel, std::min(c.n, panel1 * p.panel), own);
  if (p.stream) kernels.end_streaming();
}

// Where the runs of channels of every phase begin, in the scratch (or input) and in the phase's weights.
void list_taps(const TapConv& c, const Plan& p, int64_t* a_off, int64_t* b_off) {
  for (int64_t i = 0; i < c.h.phases() * c.w.phases(); ++i) {
    const Phase h = c.h.phase(i / c.w.phases()), w = c.w.phase(i % c.w.phases());
    for (int64_t tap = 0; tap < h.taps * w.taps; tap += p.merged ? w.taps : 1) {
      const int64_t row = h.in0 - p.h.low + tap / w.taps * h.gap,
                    col = w.in0 - p.w.low + tap % w.taps * w.gap;
      *a_off++ = (row * p.cols + col) * p.ps;
      *b_off++ = tap * c.k * p.panel;
    }
  }
}

}  // namespace

int64_t tap_conv_workspace(const TapConv& conv, const GemmKernels& kernels) {
  return make_plan(conv, kernels).total;
}

void tap_conv(const TapConv& c, const GemmKernels& kernels, float* workspace) {
  const Plan p = make_plan(c, kernels);
  if (p.total == 0) return;
  list_taps(c, p, reinterpret_cast<int64_t*>(workspace + p.a_off),
            reinterpret_cast<int64_t*>(workspace + p.b_off));
  const double outputs =
      static_cast<double>(c.images * c.h.out * c.w.out * c.groups) * static_cast<double>(c.n);
  const double products = static_cast<double>(ceil_div(c.taps(), c.h.out_step() * c.w.out_step()) * c.k);
  const auto slot_at = [&](int64_t slot) { return workspace + p.slots + slot * p.slot_floats; };
  for (int64_t i = 0; i < scratch_slots(); ++i) *reinterpret_cast<int64_t*>(slot_at(i)) = -1;
  parallel_tasks(p.tasks(c), outputs * (products + 8) / 8, [&](int64_t task, int64_t slot) {
    run_task(c, p, kernels, task, workspace, slot_at(slot));
  });
}

}  // namespace tenon
