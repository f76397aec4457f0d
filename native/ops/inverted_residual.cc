// inverted_residual: a 1x1 convolution that widens, a depthwise one, and a 1x1 convolution that narrows
// (Sandler et al. 2018), in one pass. The wide images, which three convolutions would write to memory and
// read again, exist a few rows at a time.
//
//   A task has a band of output rows of an image. It goes down the band in steps of a few rows: widens the
//   input rows that come into reach (a ring of rows holds them), convolves them, and narrows the result.
//   Where there are fewer bands than threads, as for one small image, tasks have groups of channels instead,
//   and leave what is convolved to a second loop, which narrows it.
//
// Each sum has the order of the three convolutions, whatever the cut, so that the bits are theirs.
#include <type_traits>

#include "base/inverted_residual_geom.h"
#include "ops/depthwise_spans.h"
#include "ops/gemm_bf16.h"
#include "ops/heavy.h"
#include "ops/panel_product.h"

namespace tenon {
namespace {

constexpr int64_t kStepPixels = 96;         // of a step, at least: several register tiles
constexpr int64_t kScratchBytes = 1 << 19;  // of a step, about, where one row fits: half a second-level cache
constexpr int64_t kBandRows = 3;      // of a band, at least: two bands widen the rows between them twice
constexpr int64_t kNarrowRows = 28;   // of a task that narrows: two register tiles
constexpr int64_t kRowsTogether = 2;  // that are convolved together: DepthwiseRows
constexpr int64_t kInputRows = 16;    // that they read, at most
constexpr int64_t kTapFloats = sizeof(DepthwiseTap) / sizeof(float);

struct Plan {
  int64_t bands, groups;   // of an image's rows; of its wide channels
  EvenSplit panels{0, 0};  // of a group, in panels
  int64_t step, held;      // output rows of a step; wide rows in memory
  int64_t channels;        // wide channels in memory: those of the largest group
  int64_t pitch;           // elements from a convolved pixel to the next one
  int64_t wide, narrow, taps, product, shared,
      total;  // workspace, in floats: a worker's parts, and everyone's
  int64_t wide_floats, narrow_floats, tap_floats, product_floats;

  int64_t first(int64_t group) const { return panels.begin(group) * kPanelColumns; }
};

// Input rows that `rows` output rows reach, beyond the image too.
int64_t reach(const ConvGeom& g, int64_t rows) { return (rows - 1) * g.sh + (g.kh - 1) * g.dh + 1; }

int64_t choose_bands(const ConvGeom& g) {
  const int64_t most = std::clamp<int64_t>(g.oh / kBandRows, 1, g.oh);
  return std::min(most, ceil_div(cores(), g.n));
}

template <class Products>
Plan make_plan(const InvertedResidualCall& call) {
  constexpr int64_t kSize = sizeof(typename Products::T), kFloat = sizeof(float);
  const ConvGeom& g = call.g;
  const int64_t panels = ceil_div(g.c, kPanelColumns);
  const int64_t bands = choose_bands(g);
  const bool few = g.n * bands < cores();
  const int64_t groups = few ? std::min<int64_t>(panels, 4 * cores()) : 1;
  Plan p = {};
  p.bands = few ? 1 : bands, p.groups = groups;
  p.panels = EvenSplit(panels, groups);
  p.channels = std::min(g.c, (p.panels.least + (p.panels.larger > 0 ? 1 : 0)) * kPanelColumns);
  const auto elements = [&](int64_t step) {
    return (std::min(g.h, reach(g, step)) * g.w * call.has_expansion + step * g.ow) * p.channels;
  };
  const int64_t rows = ceil_div(g.oh, p.bands);
  p.step = std::min(rows, ceil_div(kStepPixels, g.ow));
  while (p.step < rows && elements(p.step + 1) * kSize <= kScratchBytes) ++p.step;
  p.step = ceil_div(rows, ceil_div(rows, p.step));
  p.held = std::min(g.h, reach(g, p.step));
  Layout layout;
  const auto slots = [&](int64_t one) { return layout.add(checked_product(one, scratch_slots())); };
  const auto floats = [&](int64_t n) { return ceil_div(checked_product(n, kSize), kFloat); };
  p.pitch = Products::depth(g.c);
  p.wide_floats = call.has_expansion ? floats(checked_product(p.held, g.w, p.channels)) : 0;
  p.narrow_floats = groups > 1 ? 0 : floats(checked_product(Products::rows(p.step * g.ow), p.pitch));
  p.product_floats = Products::scratch_floats(std::max(call.in_c, g.c));
  p.tap_floats = checked_product(g.taps(), kTapFloats);
  p.wide = slots(p.wide_floats), p.narrow = slots(p.narrow_floats), p.taps = slots(p.tap_floats);
  p.product = slots(p.product_floats);
  p.shared =
      layout.add(groups > 1 ? floats(checked_product(Products::rows(g.pixels() + kNarrowRows), p.pitch)) : 0);
  p.total = layout.floats();
  return p;
}

// What a task works on: output rows of an image, and wide channels.
template <class T>
struct Part {
  int64_t image, row0, row1;
  int64_t first, channels;
  T *wide, *convolved;  // [held][W][channels]; pixels, `pitch` elements apart
  DepthwiseTap* taps;
  float* product;  // scratch
};

template <class Products>
struct Block {
  using T = typename Products::T;
  static constexpr DType kType = std::is_same_v<T, float> ? DType::f32 : DType::bf16;

  const InvertedResidualCall& call;
  const ConvGeom& g;
  Products products;
  const DepthwiseKernels& depthwise;
  Plan p;

  // Widens input rows [row0, row1) into the ring.
  void widen(const Part<T>& x, int64_t row0, int64_t row1) const {
    PanelProduct<T> product;
    product.n = x.channels, product.k = product.ars = call.in_c;
    product.panels = call.expand.as<T>() + x.first * Products::depth(call.in_c);
    product.bias = call.expand_bias.as<float>() + x.first;
    product.activation = static_cast<Activation>(call.expand_activation);
    product.ldc = x.channels;
    for (int64_t row = row0, rows; row < row1; row += rows) {
      rows = std::min(row1 - row, p.held - row % p.held);
      const int64_t pixel = (x.image * g.h + row) * g.w;
      product.m = rows * g.w, product.readable = g.n * g.h * g.w - pixel;
      product.a = call.x.as<T>() + pixel * call.in_c;
      product.c = x.wide + row % p.held * g.w * x.channels;
      products.multiply(product, x.product);
    }
  }

  // What output rows of a part share.
  DepthwiseSpan span_of(const Part<T>& x, const DepthwiseAxes& a) const {
    const bool own = call.has_expansion;  // else x is read in place
    DepthwiseSpan s = {};
    s.in_type = s.out_type = kType;
    s.in = reinterpret_cast<const std::byte*>(own ? x.wide
                                                  : call.x.as<T>() + x.image * g.h * g.w * g.c + x.first);
    s.in_step = g.sw * a.c, s.out_step = p.pitch;
    s.filters = call.filters.as<float>() + x.first;
    s.channels = x.channels, s.image_channels = a.c;
    s.bias = call.filter_bias.as<float>() + x.first;
    s.activation = static_cast<Activation>(call.depthwise_activation);
    s.ahead_row_step = a.w.in * a.c, s.ahead_columns = g.sw;
    return s;
  }

  // Convolves output rows [row, row + rows), one or two.
  void convolve(const Part<T>& x, int64_t row, int64_t rows, T* out) const {
    const TapAxes axes = TapAxes::make(g, false);
    const DepthwiseAxes a = {axes, call.has_expansion ? x.channels : g.c, call.has_expansion ? p.held : g.h};
    const bool far = !call.has_expansion && is_far(g.h * g.w, g.c, call.x);
    DepthwiseSpan s = span_of(x, a);
    if (convolve_whole(a, s, far, row, rows, out)) return;
    for (int64_t i = 0; i < rows; ++i) {
      s.taps = x.taps;
      for_spans(a, row + i, g.c, x.taps, [&](const DepthwisePixels& span) {
        s.tap_count = span.tap_count, s.pixels = span.pixels;
        s.ahead = span.below, s.ahead_rows = far && span.pixels > 1 ? g.sh : 0;
        s.out = reinterpret_cast<std::byte*>(out + (i * g.ow + span.column) * p.pitch);
        depthwise.span(s);
      });
    }
  }

  // As whole rows, where there is a kernel for them.
  bool convolve_whole(const DepthwiseAxes& a, DepthwiseSpan s, bool far, int64_t row, int64_t rows,
                      T* out) const {
    DepthwiseInputRow input[kInputRows];
    if (depthwise.rows == nullptr || g.dh > 1 || g.dw > 1 || g.kh + g.sh > kInputRows) return false;
    const int64_t top = row * g.sh - g.ph, begin = std::max<int64_t>(top, 0);
    const int64_t end = std::clamp<int64_t>(top + reach(g, rows), begin, g.h);
    const auto filter = [&](int64_t tap) { return tap >= 0 && tap < g.kh ? tap * g.kw * g.c : -1; };
    int64_t count = 0;
    for (int64_t r = begin; r < end; ++r) {
      const DepthwiseInputRow one = {r % a.held * a.w.in * a.c, filter(r - top),
                                     rows > 1 ? filter(r - top - g.sh) : -1};
      if (one.upper >= 0 || one.lower >= 0) input[count++] = one;
    }
    s.pixels = g.ow, s.out = reinterpret_cast<std::byte*>(out);
    s.ahead = (end * a.w.in - g.pw) * a.c, s.ahead_rows = far ? rows * g.sh : 0;
    auto* lower = rows > 1 ? reinterpret_cast<std::byte*>(out + g.ow * p.pitch) : nullptr;
    return depthwise.rows({s, lower, input, count, g.w, g.kw, g.sw, g.pw, g.c});
  }

  // Output pixels [pixel, pixel + pixels) of all images, and channels [n0, n1), from convolved
  // pixels at `in`.
  void narrow(const T* in, int64_t pixel, int64_t pixels, int64_t n0, int64_t n1, float* scratch) const {
    PanelProduct<T> product;
    product.m = pixels, product.n = n1 - n0, product.k = g.c;
    product.a = in, product.ars = p.pitch, product.readable = Products::rows(pixels);
    product.panels = call.project.as<T>() + n0 * p.pitch;
    product.bias = call.project_bias.as<float>() + n0;
    product.activation = static_cast<Activation>(call.activation);
    const int64_t at = pixel * call.out_c + n0;
    product.c = call.y.as<T>() + at, product.ldc = call.out_c;
    if (call.has_residual) product.addend = call.residual.as<T>() + at;
    products.multiply(product, scratch);
  }

  // Goes down the part in steps.
  void run_part(const Part<T>& x) const {
    int64_t widened = 0;
    for (int64_t row = x.row0; row < x.row1; row += p.step) {
      const int64_t rows = std::min(p.step, x.row1 - row), top = row * g.sh - g.ph;
      const int64_t end = std::clamp<int64_t>(top + reach(g, rows), 0, g.h);
      widened = std::max({widened, top, int64_t{0}});
      if (call.has_expansion && widened < end) widen(x, widened, end);
      widened = std::max(widened, end);
      const int64_t pixel = (x.image * g.oh + row) * g.ow;
      T* out = p.groups > 1 ? x.convolved + pixel * p.pitch : x.convolved;
      for (int64_t i = 0; i < rows; i += kRowsTogether)
        convolve(x, row + i, std::min(kRowsTogether, rows - i), out + i * g.ow * p.pitch);
      if (p.groups == 1) narrow(out, pixel, rows * g.ow, 0, call.out_c, x.product);
    }
  }

  // What products read behind the channels of `pixels` pixels.
  void clear_padding(T* convolved, int64_t pixels) const {
    for (int64_t i = 0; i < pixels && p.pitch > g.c; ++i)
      std::fill(convolved + i * p.pitch + g.c, convolved + (i + 1) * p.pitch, T{});
  }

  void run(float* workspace) const {
    const EvenSplit bands = {g.oh, p.bands};
    const double cost = call.flops() / 16;
    T* shared = reinterpret_cast<T*>(workspace + p.shared);
    if (p.groups > 1) clear_padding(shared, g.pixels());
    parallel_tasks(g.n * p.bands * p.groups, cost, [&](int64_t task, int64_t slot) {
      Part<T> x = {};
      const int64_t group = task % p.groups, band = task / p.groups % p.bands;
      x.image = task / p.groups / p.bands;
      x.row0 = bands.begin(band), x.row1 = x.row0 + bands.size(band);
      x.first = p.first(group), x.channels = std::min(g.c, p.first(group + 1)) - x.first;
      x.wide = reinterpret_cast<T*>(workspace + p.wide + slot * p.wide_floats);
      x.convolved = reinterpret_cast<T*>(workspace + p.narrow + slot * p.narrow_floats);
      if (p.groups == 1) clear_padding(x.convolved, p.step * g.ow);
      if (p.groups > 1) x.convolved = shared + x.first;
      x.taps = reinterpret_cast<DepthwiseTap*>(workspace + p.taps + slot * p.tap_floats);
      x.product = workspace + p.product + slot * p.product_floats;
      run_part(x);
    });
    if (p.groups == 1) return;
    const int64_t columns = ceil_div(call.out_c, kPanelColumns);
    const EvenSplit pixels = {g.pixels(), ceil_div(g.pixels(), kNarrowRows)};
    parallel_tasks(columns * pixels.parts, cost / 2, [&](int64_t task, int64_t slot) {
      const int64_t n0 = task % columns * kPanelColumns, i = task / columns, pixel = pixels.begin(i);
      narrow(shared + pixel * p.pitch, pixel, pixels.size(i), n0, std::min(call.out_c, n0 + kPanelColumns),
             workspace + p.product + slot * p.product_floats);
    });
  }
};

template <class Products>
Cost cost_of(const Call& call, const InvertedResidualCall& block) {
  double bytes = 0;
  for (int i = 0; i < call.count; ++i) bytes += static_cast<double>(call.t[i].bytes());
  const int64_t floats = block.g.n == 0 ? 0 : make_plan<Products>(block).total;
  return {static_cast<size_t>(floats) * sizeof(float), block.flops(), bytes};
}

template <class Products>
void run(const Call& call, const InvertedResidualCall& block, const Products& products,
         const DepthwiseKernels& depthwise) {
  if (block.g.n == 0) return;
  Block<Products>{block, block.g, products, depthwise, make_plan<Products>(block)}.run(
      reinterpret_cast<float*>(call.workspace));
}

struct InvertedResidualOp {
  static constexpr const char* kName = "inverted_residual";
  static constexpr AttrList kAttrs = kInvertedResidualAttrs;

  static InvertedResidualCall parse(const Call& call) {
    return InvertedResidualCall::make(call.t, call.count, call.attrs, DType::f32, DType::f32);
  }
  static Cost prepare(const Call& call, Target) { return cost_of<FloatProducts>(call, parse(call)); }
  static void run(const Call& call, Target target) {
    tenon::run(call, parse(call), FloatProducts{gemm_kernels(target)}, depthwise_kernels(target));
  }
};

struct InvertedResidualBf16Op {
  static constexpr const char* kName = "inverted_residual_bf16";
  static constexpr AttrList kAttrs = kInvertedResidualAttrs;

  static InvertedResidualCall parse(const Call& call) {
    return InvertedResidualCall::make(call.t, call.count, call.attrs, DType::f32, DType::bf16);
  }
  static Cost prepare(const Call& call, const Bf16Kernels&) {
    return cost_of<Bf16Products>(call, parse(call));
  }
  static void run(const Call& call, const Bf16Kernels& kernels) {
    tenon::run(call, parse(call), Bf16Products{kernels}, *kernels.depthwise);
  }
};

// w f32 [N, ..., K] -> y bf16 [panels, K in steps of 32, 32], pairs of K next to each other.
struct PackPanelsBf16 {
  static constexpr const char* kName = "pack_panels_bf16";

  static int64_t depth(const Call& call) { return call.t[0].numel() / call.t[0].dims[0]; }
  static Cost prepare(const Call& call, const Bf16Kernels&) {
    require_operands(call, 2);
    const TensorView &w = call.t[0], &y = call.t[1];
    require(w.dtype == DType::f32 && y.dtype == DType::bf16, "pack_panels_bf16: w must be f32, y bf16");
    require(w.rank >= 2 && y.rank == 3 && w.numel() > 0, "pack_panels_bf16: w must have rows, and y rank 3");
    require(y.dims[0] == ceil_div(w.dims[0], kPanelColumns) &&
                y.dims[1] == Bf16Products::depth(depth(call)) && y.dims[2] == kPanelColumns,
            "pack_panels_bf16: y must be [panels, K, 32]");
    return {0, static_cast<double>(y.numel()), static_cast<double>(w.bytes() + y.bytes())};
  }
  static void run(const Call& call, const Bf16Kernels& kernels) {
    const int64_t k = depth(call);
    Bf16Blocks s = Bf16Blocks::make(1, 1, call.t[0].dims[0], k, kernels);
    s.depth = Bf16Products::depth(k);
    pack_float_columns(s, kernels, call.t[0].as<float>(), k, {{0, s.depth, 0, k}}, call.t[1].as<bf16>());
  }
};

}  // namespace

// It uses more than the GEMM kernels of a target.
template <Target T>
struct HeavyFor<InvertedResidualOp, T> {
  static Cost prepare(const Call& call) { return InvertedResidualOp::prepare(call, T); }
  static void run(const Call& call) { InvertedResidualOp::run(call, T); }
  static constexpr bool kPacks = false;
  static void pack(const Call&, std::byte*) {}
};

namespace {

const RegisterHeavy<InvertedResidualOp> registration;
const RegisterBf16<InvertedResidualBf16Op> bf16_registration;
const RegisterBf16<PackPanelsBf16> pack_registration;

}  // namespace
}  // namespace tenon
