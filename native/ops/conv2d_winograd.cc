// Forward and backward-data convolution by Winograd's algorithm. Backward-data is the forward pass of dy with
// the filters turned by 180 degrees, inputs and outputs exchanged, and padding 2 - p.
//
// First the filters are transformed, once; or once for many calls, when the runtime keeps them. Then a task
// is a block of tiles: it transforms its input tiles, multiplies at the 36 points, and transforms back, all
// in a scratch area of the second-level cache; nothing else is stored. With few output channels that area is
// half as large: the products of a point lie where the inputs of the point before it were. Where there are
// too few tiles for all cores, tasks divide the output channels, and each worker transforms the tiles of its
// tasks itself: that takes less time than to read what another core has written.
#include "ops/conv2d_winograd.h"

#include "ops/gemm_bf16.h"
#include "ops/gemm_tile.h"

namespace tenon {
namespace {

constexpr int64_t kPackRows = 32;   // of filters, transformed at a time
constexpr int64_t kMostPanel = 32;  // two of the widest vectors
// Channels added to each other: the transform back enlarges the error of their sums about seven times, so
// chains are shorter here than elsewhere.
constexpr int64_t kChain = 128;
constexpr int64_t kRun = 64;               // output channels multiplied before transforming back
constexpr int64_t kBlock = 48;             // tiles
constexpr int64_t kSmallBlock = 24;        // of a block that is to fit the second-level cache
constexpr int64_t kCacheFloats = 3 << 16;  // 768 KB: the scratch area of a block that does, more or less
constexpr int64_t kNearFilters = 1 << 18;  // floats of filters that stay there between blocks

struct WinogradConv {
  const std::byte* in = nullptr;                      // [images][in_h][in_w][k]
  DType in_type = DType::f32, out_type = DType::f32;  // or bf16
  int64_t images = 0, in_h = 0, in_w = 0, k = 0;
  int64_t row0 = 0, col0 = 0;  // input position of the first output's tap (0, 0)
  std::byte* out = nullptr;    // [images][out_h][out_w][n]
  int64_t out_h = 0, out_w = 0, n = 0;
  const float* bias = nullptr;
  Activation activation = Activation::none;
  bool accumulate = false;

  WinogradTiles tiles() const { return {images, out_h, out_w}; }
  int64_t in_pixel() const { return k * static_cast<int64_t>(size_of(in_type)); }  // bytes
  int64_t out_pixel() const { return n * static_cast<int64_t>(size_of(out_type)); }
};

WinogradConv forward_conv(const ConvCall& call) {
  const ConvGeom& g = call.g;
  WinogradConv c;
  c.in = call.x.data, c.in_type = call.x.dtype, c.out_type = call.y.dtype;
  c.images = g.n, c.in_h = g.h, c.in_w = g.w, c.k = g.c;
  c.row0 = -g.ph, c.col0 = -g.pw;
  c.out = call.y.data, c.out_h = g.oh, c.out_w = g.ow, c.n = g.o;
  c.bias = call.bias.as<float>();
  c.activation = static_cast<Activation>(call.activation);
  c.accumulate = call.has_residual;
  return c;
}

WinogradConv data_conv(const ConvCall& call) {
  const ConvGeom& g = call.g;
  WinogradConv c;
  c.in = call.y.data, c.in_type = call.y.dtype, c.out_type = call.x.dtype;
  c.images = g.n, c.in_h = g.oh, c.in_w = g.ow, c.k = g.o;
  c.row0 = g.ph - 2, c.col0 = g.pw - 2;
  c.out = call.x.data, c.out_h = g.h, c.out_w = g.w, c.n = g.c;
  return c;
}

WinogradConv make_conv(ConvPass pass, const ConvCall& call) {
  return pass == ConvPass::forward ? forward_conv(call) : data_conv(call);
}

// Sizes are in floats, two of which hold four bf16 where those are multiplied.
struct Plan {
  bool halves;  // whether inputs and filters are bf16
  int64_t mr, panel, panels;
  int64_t run, runs;         // panels multiplied before transforming back; how often
  int64_t block, blocks;     // tiles of a task; how many such blocks
  int64_t run_parts;         // tasks that share a block
  int64_t in_row, in_plane;  // transformed input: of a tile, of a point
  int64_t product_row, product_plane;
  int64_t filter_plane, filter_floats;  // of a panel's point; of all transformed filters
  int64_t depth;                        // rows of a panel's point, those beyond k are zeros
  int64_t channels;                     // a tile's transformed input at a point
  bool narrow;                          // whether WinogradKernels::narrow multiplies
  bool far;                             // filters do not stay in the second-level cache
  int64_t filters, zeros, slots;        // workspace: what all tasks share; then for each worker
  int64_t slot_inputs, slot_products, slot_floats, total;

  int64_t tasks() const { return blocks * run_parts; }
  // Whether a point's products are written over the inputs of the point before it.
  bool over() const { return runs == 1; }
  int64_t run_panels(int64_t index) const { return std::min(run, panels - index * run); }
};

// Tiles of a block. Blocks fit the second-level cache where they can. Where not even small ones do, larger
// ones at least read the filters less often. Where products are narrow, larger ones than a register tile were
// not faster, and small ones are shared out better.
int64_t largest_block(const Plan& p) {
  if (p.narrow) return p.mr;
  const int64_t small = ceil_div(kSmallBlock, p.mr) * p.mr, large = kBlock / p.mr * p.mr;
  const auto fits = [&](int64_t tiles) {
    return tiles * kWinogradPoints * (p.channels + p.run * p.panel) <= kCacheFloats;
  };
  return fits(small) && !fits(large) ? small : large;
}

// Blocks are about as large, in whole register tiles: every one reads all filters, also a last one of few
// tiles. Where they are few, the cores get equally many, if that leaves a register tile for each block; half
// of one where filters are near, as the alternative is that each core transforms all tiles.
int64_t choose_block(const WinogradConv& c, const Plan& p) {
  const int64_t count = std::max<int64_t>(c.tiles().count(), 1), blocks = ceil_div(count, largest_block(p));
  const int64_t fair = ceil_div(blocks, cores()) * cores(), least = p.far ? p.mr : ceil_div(p.mr, 2);
  if (!p.narrow && blocks < wanted_tasks() && count >= fair * least) return ceil_div(count, fair);
  return std::min(count, ceil_div(ceil_div(count, blocks), p.mr) * p.mr);
}

void plan_tasks(const WinogradConv& c, Plan& p) {
  p.run = std::clamp<int64_t>(kRun / p.panel, 1, p.panels);
  p.block = choose_block(c, p);
  p.blocks = ceil_div(c.tiles().count(), p.block);
  p.run_parts = 1;
  if (p.blocks > 0 && p.blocks < cores()) {
    p.run_parts = std::min(p.panels, ceil_div(wanted_tasks(), p.blocks));
    p.run = std::min(p.run, ceil_div(p.panels, p.run_parts));
  }
  p.runs = ceil_div(p.panels, p.run);
  p.run_parts = std::min(p.run_parts, p.runs);
}

// Floats from one tile's transformed input to the next. Short rows are dense: they spread over the sets of
// the first-level cache as they are.
int64_t input_row(const Plan& p) {
  constexpr int64_t kLine = 16, kShort = 4 * kLine;
  const int64_t row = p.over() ? std::max(p.channels, p.product_row) : p.channels;
  return row <= kShort ? ceil_div(row, kLine) * kLine : odd_lines(row);
}

// The register tiles of products.
void plan_products(const WinogradConv& c, const WinogradTools& tools, Plan& p) {
  p.halves = tools.bf16 != nullptr;
  const int64_t width = tools.gemm.width;
  if (p.halves) {
    p.mr = tools.bf16->winograd->rows;
    p.depth = round_up(c.k, 2);
    p.channels = floats_of(round_up(c.k, width));
    p.panel = kBf16Panel;
    return;
  }
  const int nv = c.n <= width ? 1 : 2;
  p.narrow = tools.transforms.narrow != nullptr && std::max(c.k, c.n) <= kWinogradNarrow;
  p.mr = p.narrow ? kWinogradNarrowRows : tools.gemm.mr[nv];
  p.depth = p.narrow ? kWinogradNarrow : c.k;
  p.channels = c.k;
  p.panel = nv * width;
}

// kept: the transformed filters are not in the workspace.
Plan make_plan(const WinogradConv& c, const WinogradTools& tools, bool kept) {
  Plan p = {};
  plan_products(c, tools, p);
  p.panels = ceil_div(c.n, p.panel);
  const int64_t filters = checked_product(p.depth, p.panel);
  p.filter_plane = odd_lines(p.halves ? floats_of(filters) : filters);
  p.filter_floats = checked_product(p.panels, kWinogradPoints, p.filter_plane);
  p.far = p.filter_floats > kNearFilters;
  plan_tasks(c, p);
  p.product_row = checked_product(p.run, p.panel);
  p.in_row = input_row(p);
  p.in_plane = odd_lines(checked_product(ceil_div(p.block, p.mr) * p.mr, p.in_row));
  if (p.over()) p.product_row = p.in_row;
  p.product_plane = p.over() ? p.in_plane : odd_lines(checked_product(p.block, p.product_row));
  Layout slot;
  slot.add(1);  // which block's inputs the slot has
  p.slot_products = slot.add(checked_product(p.over() ? 1 : kWinogradPoints, p.product_plane));
  p.slot_inputs = slot.add(checked_product(kWinogradPoints, p.in_plane));
  p.slot_floats = slot.floats();
  Layout layout;
  p.filters = layout.add(kept ? 0 : p.filter_floats);
  p.zeros = layout.add(checked_product(kWinogradIn, c.k));
  p.slots = layout.add(checked_product(p.slot_floats, scratch_slots()));
  p.total = layout.floats();
  return p;
}

// Transforms filters [n][3][3][k] (forward) or [k][3][3][n] turned by 180 degrees (backward-data) to
// [panel][36][k][panel width], in bf16 to [panel][36][k / 2][panel width][2]: a layout that depends on the
// filters alone.
void pack_filters(ConvPass pass, const WinogradConv& c, const Plan& p, const float* weights,
                  const WinogradTools& tools, float* packed) {
  const int64_t pieces = ceil_div(c.k, kPackRows);
  const double cost = static_cast<double>(c.k * c.n) * 64;
  parallel_for(p.panels * pieces, cost, [&](int64_t task) {
    alignas(64) float taps[9 * kPackRows * kMostPanel];
    const int64_t panel = task / pieces, k0 = task % pieces * kPackRows, n0 = panel * p.panel;
    const int64_t rows = std::min(kPackRows, c.k - k0), lanes = std::min(p.panel, c.n - n0);
    WinogradFilters f = {weights + (k0 * 9 + 8) * c.n + n0, -c.n, 9 * c.n, rows, lanes};
    if (pass == ConvPass::forward) {
      for (int64_t tap = 0; tap < 9; ++tap)
        tools.gemm.pack_transposed(weights + (n0 * 9 + tap) * c.k + k0, 9 * c.k, lanes, rows,
                                   taps + tap * kPackRows * p.panel, p.panel);
      f = {taps, kPackRows * p.panel, p.panel, rows, p.panel};
    }
    float* planes = packed + panel * kWinogradPoints * p.filter_plane;
    if (p.halves) {
      auto* words = reinterpret_cast<uint32_t*>(planes + k0 / 2 * p.panel);
      return tools.bf16->winograd->filter(f, words, p.filter_plane);
    }
    tools.transforms.filter(f, p.panel, planes + k0 * p.panel, p.filter_plane);
    if (p.depth > c.k)
      for (int point = 0; point < kWinogradPoints; ++point)
        std::fill_n(planes + point * p.filter_plane + c.k * p.panel, (p.depth - c.k) * p.panel, 0.0f);
  });
}

struct Tiles {
  int64_t first, count;
};

Tiles tiles_of(const WinogradConv& c, const Plan& p, int64_t block) {
  return {block * p.block, std::min(p.block, c.tiles().count() - block * p.block)};
}

void transform_input(const WinogradConv& c, const Plan& p, const WinogradTools& tools, const Tiles& tiles,
                     const float* zeros, float* planes) {
  const WinogradImages<const std::byte> images = {c.in, c.in_h, c.in_w, c.in_pixel(),
                                                  reinterpret_cast<const std::byte*>(zeros)};
  WinogradTiles::Tile t = c.tiles().at(tiles.first);
  for (int64_t i = 0; i < tiles.count; ++i, t = c.tiles().after(t)) {
    const auto pixels = images.pixels<kWinogradIn>(t.image, t.row + c.row0, t.col + c.col0);
    float* row = planes + i * p.in_row;
    if (p.halves)
      tools.bf16->winograd->input(pixels, c.k, reinterpret_cast<bf16*>(row), 2 * p.in_plane);
    else
      tools.transforms.of(c.in_type).input(pixels, c.k, row, p.in_plane);
  }
}

// What a task is about to need of tensors, fetched while it multiplies, a part at every point: the pixels
// that it will write, and those that the next block reads besides.
class Ahead {
 public:
  Ahead(const WinogradConv& c, const Plan& p, int64_t block) : parts_(p.runs * kWinogradPoints) {
    if (p.run_parts > 1) return;  // other workers may have the next block
    const auto last_of = [&](int64_t i) {
      const Tiles tiles = tiles_of(c, p, i);
      return c.tiles().at(tiles.first + tiles.count - 1);
    };
    const WinogradImages<std::byte> outputs = {c.out, c.out_h, c.out_w, c.out_pixel(), nullptr};
    const WinogradTiles::Tile first = c.tiles().at(tiles_of(c, p, block).first), last = last_of(block);
    output_ = outputs.rows_between(first.image, first.row, last.image, last.row + kWinogradOut);
    if (block + 1 == p.blocks) return;
    const WinogradImages<const std::byte> inputs = {c.in, c.in_h, c.in_w, c.in_pixel(), nullptr};
    const WinogradTiles::Tile next = last_of(block + 1);
    const int64_t below = c.row0 + kWinogradIn;
    input_ = inputs.rows_between(last.image, last.row + below, next.image, next.row + below);
  }

  void fetch() {
    for (const Bytes& part : {input_.share(next_, parts_), output_.share(next_, parts_)})
      fetch_ahead(part.begin, part.count);
    ++next_;
  }

 private:
  int64_t parts_, next_ = 0;
  Bytes input_ = {}, output_ = {};
};

// Products of `count` tiles with one run of panels at all points. Filters that are far are fetched a point
// and panel ahead.
void multiply(const WinogradConv& c, const Plan& p, const GemmKernels& kernels, int64_t count, int64_t panels,
              const float* planes, const float* filters, float* products, Ahead& ahead) {
  constexpr int64_t kNowhere = 0;
  const GemmFn* fn = kernels.fn[p.panel / kernels.width];
  const EvenSplit split = tile_rows(count, p.mr);
  const int64_t last = panels * kWinogradPoints;
  const auto filters_of = [&](int64_t i) {
    return i < last ? filters + (i % panels * kWinogradPoints + i / panels) * p.filter_plane
                    : filters + last * p.filter_plane;
  };
  GemmTile tile = {};
  tile.a_off = tile.b_off = &kNowhere;
  tile.batch = 1, tile.k = c.k;
  tile.ars = p.in_row, tile.aks = 1;
  tile.bks = tile.n = p.panel;
  tile.crs = p.product_row;
  tile.ahead_step = p.panel / split.parts;
  for (int64_t i = 0; i < last; ++i) {
    const int64_t point = i / panels, panel = i % panels;
    tile.b = filters_of(i);
    if (panel == 0) ahead.fetch();
    for (int64_t t = 0; t < split.parts; ++t) {
      const int64_t row = split.begin(t), height = split.size(t), half = (height + 1) / 2;
      tile.a = planes + point * p.in_plane + row * tile.ars;
      tile.c = products + point * p.product_plane + row * tile.crs + panel * p.panel;
      tile.a_jump = half * tile.ars;
      tile.c_jump = half * tile.crs;
      if (p.far) tile.ahead = filters_of(i + 1) + t * c.k * tile.ahead_step;
      run_tile(fn[height], tile, kChain);
    }
  }
}

void multiply_halves(const Plan& p, const Bf16Kernels& kernels, int64_t count, int64_t channels,
                     const float* planes, const float* filters, float* products, Ahead& ahead) {
  Bf16Product product = {};
  product.lda = 2 * p.in_row;
  product.b_panel = 2 * kWinogradPoints * p.filter_plane;
  product.m = count, product.n = channels, product.k = p.depth;
  product.ldc = p.product_row;
  for (int64_t point = 0; point < kWinogradPoints; ++point) {
    ahead.fetch();
    product.a = reinterpret_cast<const bf16*>(planes + point * p.in_plane);
    product.b = reinterpret_cast<const bf16*>(filters + point * p.filter_plane);
    product.c = products + point * p.product_plane;
    kernels.multiply(product);
  }
}

void multiply_narrow(const Plan& p, const WinogradKernels& transforms, int64_t count, const float* planes,
                     const float* filters, float* products, Ahead& ahead) {
  const int64_t rows = ceil_div(count, p.mr) * p.mr;
  for (int64_t point = 0; point < kWinogradPoints; ++point) {
    ahead.fetch();
    transforms.narrow(planes + point * p.in_plane, filters + point * p.filter_plane,
                      products + point * p.product_plane, rows);
  }
}

void transform_output(const WinogradConv& c, const Plan& p, const WinogradTools& tools, const Tiles& tiles,
                      int64_t channel0, int64_t channels, const float* products) {
  std::byte* first = c.out + channel0 * static_cast<int64_t>(size_of(c.out_type));
  const WinogradImages<std::byte> images = {first, c.out_h, c.out_w, c.out_pixel(), nullptr};
  WinogradOutput out = {};
  out.plane = p.product_plane;
  out.channels = channels;
  out.bias = c.bias ? c.bias + channel0 : nullptr;
  out.activation = c.activation;
  out.accumulate = c.accumulate;
  const auto output = p.halves && c.out_type == DType::bf16 ? tools.bf16->winograd->output
                                                            : tools.transforms.of(c.out_type).output;
  WinogradTiles::Tile t = c.tiles().at(tiles.first);
  for (int64_t i = 0; i < tiles.count; ++i, t = c.tiles().after(t)) {
    out.pixels = images.pixels<kWinogradOut>(t.image, t.row, t.col);
    out.products = products + i * p.product_row;
    output(out);
  }
}

void run_task(const WinogradConv& c, const Plan& p, const WinogradTools& tools, int64_t task,
              const float* filters, const float* zeros, float* slot) {
  const int64_t block = task / p.run_parts, part = task % p.run_parts;
  const Tiles tiles = tiles_of(c, p, block);
  float *planes = slot + p.slot_inputs, *products = slot + p.slot_products;
  if (auto* has = reinterpret_cast<int64_t*>(slot); *has != block) {
    transform_input(c, p, tools, tiles, zeros, planes);
    *has = block;
  }
  const EvenSplit split = {p.runs, p.run_parts};
  Ahead ahead(c, p, block);
  for (int64_t run = split.begin(part); run < split.begin(part) + split.size(part); ++run) {
    const float* panels = filters + run * p.run * kWinogradPoints * p.filter_plane;
    const int64_t channel0 = run * p.run * p.panel, channels = std::min(p.run * p.panel, c.n - channel0);
    if (p.halves)
      multiply_halves(p, *tools.bf16, tiles.count, channels, planes, panels, products, ahead);
    else if (p.narrow)
      multiply_narrow(p, tools.transforms, tiles.count, planes, panels, products, ahead);
    else
      multiply(c, p, tools.gemm, tiles.count, p.run_panels(run), planes, panels, products, ahead);
    transform_output(c, p, tools, tiles, channel0, channels, products);
  }
}

void run(const WinogradConv& c, const Plan& p, double flops, const WinogradTools& tools, const float* filters,
         float* workspace) {
  float* zeros = workspace + p.zeros;
  std::fill_n(zeros, kWinogradIn * c.k, 0.0f);
  const auto slot_at = [&](int64_t slot) { return workspace + p.slots + slot * p.slot_floats; };
  for (int64_t i = 0; i < scratch_slots(); ++i) *reinterpret_cast<int64_t*>(slot_at(i)) = -1;
  parallel_tasks(p.tasks(), flops / 32, [&](int64_t task, int64_t slot) {
    run_task(c, p, tools, task, filters, zeros, slot_at(slot));
  });
}

}  // namespace

WinogradTools WinogradTools::of(Target target) {
  return {gemm_kernels(target), winograd_kernels(target), nullptr};
}

WinogradTools WinogradTools::of(const Bf16Kernels& kernels) {
  WinogradTools tools = of(kernels.target);
  return {tools.gemm, tools.transforms, kernels.winograd != nullptr ? &kernels : nullptr};
}

int64_t conv2d_winograd_workspace(ConvPass pass, const ConvCall& call, const WinogradTools& tools) {
  return make_plan(make_conv(pass, call), tools, false).total;
}

void conv2d_winograd(ConvPass pass, const ConvCall& call, const WinogradTools& tools, float* workspace) {
  const WinogradConv c = make_conv(pass, call);
  const Plan p = make_plan(c, tools, false);
  if (p.blocks == 0) return;
  pack_filters(pass, c, p, call.w.as<float>(), tools, workspace + p.filters);
  run(c, p, call.g.flops(), tools, workspace + p.filters, workspace);
}

int64_t conv2d_winograd_packed_floats(const ConvCall& call, const WinogradTools& tools) {
  return make_plan(forward_conv(call), tools, true).filter_floats;
}

void conv2d_winograd_pack(const ConvCall& call, const WinogradTools& tools, float* packed) {
  const WinogradConv c = forward_conv(call);
  pack_filters(ConvPass::forward, c, make_plan(c, tools, true), call.w.as<float>(), tools, packed);
}

int64_t conv2d_winograd_packed_workspace(const ConvCall& call, const WinogradTools& tools) {
  return make_plan(forward_conv(call), tools, true).total;
}

void conv2d_winograd_packed(const ConvCall& call, const WinogradTools& tools, const float* packed,
                            float* workspace) {
  const WinogradConv c = forward_conv(call);
  const Plan p = make_plan(c, tools, true);
  if (p.blocks > 0) run(c, p, call.g.flops(), tools, packed, workspace);
}

}  // namespace tenon
