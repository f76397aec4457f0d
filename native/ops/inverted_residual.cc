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
#include "base/inverted_residual_geom.h"
#include "ops/depthwise_spans.h"
#include "ops/heavy.h"
#include "ops/panel_product.h"

namespace tenon {
namespace {

constexpr int64_t kStepPixels = 96;  // of a step, at least: several register tiles
constexpr int64_t kScratchFloats =
    1 << 17;                         // of a step, about, where one row fits: half a second-level cache
constexpr int64_t kBandRows = 3;     // of a band, at least: two bands widen the rows between them twice
constexpr int64_t kNarrowRows = 28;  // of a task that narrows: two register tiles
constexpr int64_t kTapFloats = sizeof(DepthwiseTap) / sizeof(float);

struct Plan {
  int64_t bands, groups;                      // of an image's rows; of its wide channels
  EvenSplit panels{0, 0};                     // of a group, in panels
  int64_t step, held;                         // output rows of a step; wide rows in memory
  int64_t channels;                           // wide channels in memory: those of the largest group
  int64_t wide, narrow, taps, shared, total;  // workspace: a worker's parts, and everyone's
  int64_t wide_floats, narrow_floats, tap_floats;

  int64_t first(int64_t group) const { return panels.begin(group) * kPanelColumns; }
};

// Input rows that `rows` output rows reach, beyond the image too.
int64_t reach(const ConvGeom& g, int64_t rows) { return (rows - 1) * g.sh + (g.kh - 1) * g.dh + 1; }

int64_t choose_bands(const ConvGeom& g) {
  const int64_t most = std::clamp<int64_t>(g.oh / kBandRows, 1, g.oh);
  return std::min(most, ceil_div(cores(), g.n));
}

Plan make_plan(const InvertedResidualCall& call) {
  const ConvGeom& g = call.g;
  const int64_t panels = ceil_div(g.c, kPanelColumns);
  const int64_t bands = choose_bands(g);
  const bool few = g.n * bands < cores();
  const int64_t groups = few ? std::min<int64_t>(panels, 4 * cores()) : 1;
  Plan p = {};
  p.bands = few ? 1 : bands, p.groups = groups;
  p.panels = EvenSplit(panels, groups);
  p.channels = std::min(g.c, (p.panels.least + (p.panels.larger > 0 ? 1 : 0)) * kPanelColumns);
  const auto floats = [&](int64_t step) {
    return (std::min(g.h, reach(g, step)) * g.w * call.has_expansion + step * g.ow) * p.channels;
  };
  const int64_t rows = ceil_div(g.oh, p.bands);
  p.step = std::min(rows, ceil_div(kStepPixels, g.ow));
  while (p.step < rows && floats(p.step + 1) <= kScratchFloats) ++p.step;
  p.step = ceil_div(rows, ceil_div(rows, p.step));
  p.held = std::min(g.h, reach(g, p.step));
  Layout layout;
  const auto slots = [&](int64_t one) { return layout.add(checked_product(one, scratch_slots())); };
  p.wide_floats = call.has_expansion ? checked_product(p.held, g.w, p.channels) : 0;
  p.narrow_floats = groups > 1 ? 0 : checked_product(p.step, g.ow, g.c);
  p.tap_floats = checked_product(g.taps(), kTapFloats);
  p.wide = slots(p.wide_floats), p.narrow = slots(p.narrow_floats), p.taps = slots(p.tap_floats);
  p.shared = layout.add(groups > 1 ? checked_product(g.pixels(), g.c) : 0);
  p.total = layout.floats();
  return p;
}

// What a task works on: output rows of an image, and wide channels.
struct Part {
  int64_t image, row0, row1;
  int64_t first, channels;
  float *wide, *narrow;  // [held][W][channels]; outputs, `pitch` floats apart
  int64_t pitch;
  DepthwiseTap* taps;
};

// Widens input rows [row0, row1) into the ring.
void widen(const InvertedResidualCall& call, const Plan& p, const GemmKernels& kernels, const Part& x,
           int64_t row0, int64_t row1) {
  const ConvGeom& g = call.g;
  PanelProduct product;
  product.n = x.channels, product.k = product.ars = call.in_c;
  product.panels = call.expand.as<float>() + x.first * call.in_c;
  product.bias = call.expand_bias.as<float>() + x.first;
  product.activation = static_cast<Activation>(call.expand_activation);
  product.ldc = x.channels;
  for (int64_t row = row0, rows; row < row1; row += rows) {
    rows = std::min(row1 - row, p.held - row % p.held);
    product.m = rows * g.w;
    product.a = call.x.as<float>() + (x.image * g.h + row) * g.w * call.in_c;
    product.c = x.wide + row % p.held * g.w * x.channels;
    multiply_panels(product, kernels);
  }
}

// Convolves output row `row`.
void convolve(const InvertedResidualCall& call, const Plan& p, const DepthwiseKernels& kernels, const Part& x,
              int64_t row, float* out) {
  const ConvGeom& g = call.g;
  const TapAxes axes = TapAxes::make(g, false);
  const bool own = call.has_expansion;  // else x is read in place
  const DepthwiseAxes a = {axes, own ? x.channels : g.c, own ? p.held : g.h};
  DepthwiseSpan s = {};
  s.taps = x.taps;
  s.in_type = s.out_type = DType::f32;
  s.in = reinterpret_cast<const std::byte*>(own ? x.wide
                                                : call.x.as<float>() + x.image * g.h * g.w * g.c + x.first);
  s.in_step = g.sw * a.c, s.out_step = x.pitch;
  s.filters = call.filters.as<float>() + x.first;
  s.channels = x.channels, s.image_channels = a.c;
  s.bias = call.filter_bias.as<float>() + x.first;
  s.activation = static_cast<Activation>(call.depthwise_activation);
  for_spans(a, row, g.c, x.taps, [&](const DepthwisePixels& span) {
    s.tap_count = span.tap_count, s.pixels = span.pixels;
    s.out = reinterpret_cast<std::byte*>(out + span.column * x.pitch);
    kernels.span(s);
  });
}

// Output pixels [pixel, pixel + pixels) of all images, and channels [n0, n1), from wide pixels at `in`.
void narrow(const InvertedResidualCall& call, const GemmKernels& kernels, const float* in, int64_t pixel,
            int64_t pixels, int64_t n0, int64_t n1) {
  PanelProduct product;
  product.m = pixels, product.n = n1 - n0, product.k = product.ars = call.g.c;
  product.a = in;
  product.panels = call.project.as<float>() + n0 * call.g.c;
  product.bias = call.project_bias.as<float>() + n0;
  product.activation = static_cast<Activation>(call.activation);
  product.c = call.y.as<float>() + pixel * call.out_c + n0;
  product.ldc = call.out_c;
  if (call.has_residual) product.addend = call.residual.as<float>() + pixel * call.out_c + n0;
  multiply_panels(product, kernels);
}

struct Kernels {
  const GemmKernels& gemm;
  const DepthwiseKernels& depthwise;
};

// Goes down the part in steps.
void run_part(const InvertedResidualCall& call, const Plan& p, const Kernels& kernels, const Part& x) {
  const ConvGeom& g = call.g;
  int64_t widened = 0;
  for (int64_t row = x.row0; row < x.row1; row += p.step) {
    const int64_t rows = std::min(p.step, x.row1 - row), top = row * g.sh - g.ph;
    const int64_t end = std::clamp<int64_t>(top + reach(g, rows), 0, g.h);
    widened = std::max({widened, top, int64_t{0}});
    if (call.has_expansion && widened < end) widen(call, p, kernels.gemm, x, widened, end);
    widened = std::max(widened, end);
    const int64_t pixel = (x.image * g.oh + row) * g.ow;
    float* out = p.groups > 1 ? x.narrow + pixel * x.pitch : x.narrow;
    for (int64_t i = 0; i < rows; ++i)
      convolve(call, p, kernels.depthwise, x, row + i, out + i * g.ow * x.pitch);
    if (p.groups == 1) narrow(call, kernels.gemm, out, pixel, rows * g.ow, 0, call.out_c);
  }
}

void run(const InvertedResidualCall& call, const Kernels& kernels, float* workspace) {
  const ConvGeom& g = call.g;
  if (g.n == 0) return;
  const Plan p = make_plan(call);
  const EvenSplit bands = {g.oh, p.bands};
  const double cost = call.flops() / 16;
  parallel_tasks(g.n * p.bands * p.groups, cost, [&](int64_t task, int64_t slot) {
    Part x = {};
    const int64_t group = task % p.groups, band = task / p.groups % p.bands;
    x.image = task / p.groups / p.bands;
    x.row0 = bands.begin(band), x.row1 = x.row0 + bands.size(band);
    x.first = p.first(group), x.channels = std::min(g.c, p.first(group + 1)) - x.first;
    x.wide = workspace + p.wide + slot * p.wide_floats;
    x.narrow = p.groups > 1 ? workspace + p.shared + x.first : workspace + p.narrow + slot * p.narrow_floats;
    x.pitch = g.c;
    x.taps = reinterpret_cast<DepthwiseTap*>(workspace + p.taps + slot * p.tap_floats);
    run_part(call, p, kernels, x);
  });
  if (p.groups == 1) return;
  const int64_t blocks = ceil_div(call.out_c, kPanelColumns);
  const EvenSplit pixels = {g.pixels(), ceil_div(g.pixels(), kNarrowRows)};
  parallel_tasks(blocks * pixels.parts, cost / 2, [&](int64_t task, int64_t) {
    const int64_t n0 = task % blocks * kPanelColumns, i = task / blocks, pixel = pixels.begin(i);
    narrow(call, kernels.gemm, workspace + p.shared + pixel * g.c, pixel, pixels.size(i), n0,
           std::min(call.out_c, n0 + kPanelColumns));
  });
}

struct InvertedResidualOp {
  static constexpr const char* kName = "inverted_residual";
  static constexpr AttrList kAttrs = kInvertedResidualAttrs;

  static InvertedResidualCall parse(const Call& call) {
    return InvertedResidualCall::make(call.t, call.count, call.attrs, DType::f32);
  }
  static Cost prepare(const Call& call, Target) {
    const InvertedResidualCall block = parse(call);
    double bytes = 0;
    for (int i = 0; i < call.count; ++i) bytes += static_cast<double>(call.t[i].bytes());
    const int64_t floats = block.g.n == 0 ? 0 : make_plan(block).total;
    return {static_cast<size_t>(floats) * sizeof(float), block.flops(), bytes};
  }
  static void run(const Call& call, Target target) {
    tenon::run(parse(call), {gemm_kernels(target), depthwise_kernels(target)},
               reinterpret_cast<float*>(call.workspace));
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

}  // namespace
}  // namespace tenon
