// Depthwise convolution, all three passes, of f32 and bf16 images. Rows of the output are cut in
// spans of pixels that the same taps reach. Backward-data is the forward pass over dy with the phases
// of the stride (tap_axis.h).
//
// Filters lie as [tap][C] in the workspace. For their gradients, channels are cut in blocks, and output rows
// are divided among a number of chunks that the shape fixes; each has sums of its own, which are added in
// order. Rows that the same taps reach are summed together, so that narrow images keep sums in registers.
#include "ops/conv2d_depthwise.h"

#include "ops/depthwise_spans.h"

namespace tenon {
namespace {

constexpr int64_t kTasks = 32;        // of a gradient of filters, at least, where the shape has as many
constexpr int64_t kBlock = 64;        // channels of such a task: a few vectors
constexpr int64_t kRowPixels = 128;   // of rows that are summed together: their vectors stay in the cache
constexpr int64_t kPixels = 512;      // of a task, about
constexpr int64_t kWindow = 1 << 15;  // bytes of input under a row: the first-level cache keeps them
constexpr int64_t kManyRows = 5;      // that an output row reads
constexpr int64_t kLeast = 32;        // channels of a pixel that are read together: whole lines
constexpr int64_t kTapFloats = sizeof(DepthwiseTap) / sizeof(float);

using Axes = DepthwiseAxes;
using Span = DepthwisePixels;

Axes make_axes(const ConvGeom& g, bool adjoint) {
  const TapAxes axes = TapAxes::make(g, adjoint);
  return {axes, g.c, std::max<int64_t>(1, axes.h.in)};
}

// [rows][columns] -> [columns][rows]
void transpose(const float* from, int64_t rows, int64_t columns, float* to) {
  constexpr int64_t kRows = 64;
  parallel_chunks(rows, kRows, static_cast<double>(rows * columns), [&](int64_t begin, int64_t end) {
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t i = begin; i < end; ++i) to[j * rows + i] = from[i * columns + j];
  });
}

struct Plan {
  int64_t filters;  // [tap][C], or that many for each chunk
  int64_t filter_floats;
  int64_t chunks, block, blocks;
  int64_t taps, tap_floats;  // a worker's list
  int64_t total;
};

int64_t bytes_of(const TensorView& t) { return static_cast<int64_t>(size_of(t.dtype)); }

Plan make_plan(ConvPass pass, const ConvCall& call) {
  const ConvGeom& g = call.g;
  Plan p = {};
  // Memory likes to be read in the order of addresses: all channels together.
  p.block = is_far(g.h * g.w, g.c, call.x) ? g.c : kBlock;
  p.blocks = ceil_div(g.c, p.block);
  p.chunks = pass == ConvPass::backward_weights ? std::min(ceil_div(kTasks, p.blocks), g.n * g.oh) : 1;
  p.filter_floats = ceil_div(g.weights(), 16) * 16;
  p.tap_floats = checked_product(g.taps(), kTapFloats);
  Layout layout;
  p.filters = layout.add(checked_product(p.chunks, p.filter_floats));
  p.taps = layout.add(checked_product(p.tap_floats, scratch_slots()));
  p.total = layout.floats();
  return p;
}

DepthwiseTap* taps_of(const Plan& p, float* workspace, int64_t slot) {
  return reinterpret_cast<DepthwiseTap*>(workspace + p.taps + slot * p.tap_floats);
}

// How many of `most` rows of an image, from `row` on, the same taps reach.
int64_t rows_alike(const Axes& a, int64_t row, int64_t most) {
  if (a.h.out_step() > 1) return 1;
  const Phase h = a.h.phase(0);
  const Range taps = taps_at(a.h, h, row);
  int64_t rows = 1;
  for (; rows < most; ++rows) {
    const Range next = taps_at(a.h, h, row + rows);
    if (next.lo != taps.lo || next.hi != taps.hi) break;
  }
  return rows;
}

// How forward and backward-data are cut in tasks. Channels come in blocks where the rows that an output row
// reads would leave the first-level cache before the next one reads them again, and where it reads so many
// that this pays (measured: not for 3).
struct Cut {
  EvenSplit channels;  // in units of kLeast
  int64_t rows;        // of all images' rows, for a task
  int64_t rows_all;

  static Cut make(const Axes& a, int64_t images, int64_t size) {
    const int64_t units = ceil_div(a.c, kLeast), all = images * a.h.out;
    const int64_t taps = a.h.phase(0).taps, window = taps * a.w.in * kLeast * size;
    const bool cut = taps >= kManyRows && a.h.out_step() == 1;
    const int64_t blocks = cut ? std::min(units, ceil_div(units * window, kWindow)) : 1;
    // As many rows as leave every thread several tasks, so that neighbouring rows meet in one cache.
    const int64_t pixels = blocks > 1 ? a.h.out * a.w.out : kPixels;
    const int64_t most = std::max<int64_t>(1, pixels / std::max<int64_t>(1, a.w.out));
    return {{units, blocks}, std::clamp<int64_t>(ceil_div(all * blocks, wanted_tasks()), 1, most), all};
  }
  int64_t row_runs() const { return ceil_div(rows_all, rows); }
  int64_t tasks() const { return row_runs() * channels.parts; }
};

// One task: its rows, for the channels that `s` is set up for.
void convolve_rows(const Axes& a, const TensorView& in, const TensorView& out, int64_t begin, int64_t end,
                   DepthwiseTap* taps, DepthwiseSpan s, const DepthwiseKernels& kernels) {
  const int64_t ahead_rows = s.ahead_rows;
  const int64_t in_row = a.h.in_step() * a.w.in * a.c * bytes_of(in);
  const int64_t out_pixel = a.c * bytes_of(out);
  const std::byte* const first_in = s.in;
  std::byte* const first_out = s.out;
  s.taps = taps;
  for (int64_t row = begin, rows; row < end; row += rows) {
    const int64_t image = row / a.h.out, i = row % a.h.out;
    rows = rows_alike(a, i, std::min(a.h.out - i, end - row));
    for_spans(a, i, a.c, taps, [&](const Span& span) {
      s.tap_count = span.tap_count, s.pixels = span.pixels;
      s.ahead = span.below, s.ahead_rows = span.pixels > 1 ? ahead_rows : 0;
      for (int64_t r = 0; r < rows; ++r) {
        s.in = first_in + image * a.h.in * a.w.in * a.c * bytes_of(in) + r * in_row;
        s.out = first_out + ((row + r) * a.w.out + span.column) * out_pixel;
        kernels.span(s);
      }
    });
  }
}

// Forward and backward-data: from `in` to `out`, images of the axes' sizes.
void convolve(const ConvCall& call, const Axes& a, const TensorView& in, const TensorView& out,
              const DepthwiseKernels& kernels, float* workspace) {
  const ConvGeom& g = call.g;
  const Plan p = make_plan(ConvPass::forward, call);
  transpose(call.w.as<float>(), g.c, g.taps(), workspace + p.filters);
  // Pixels next to each other lie too far apart for the processor to fetch rows ahead by itself. The phases
  // of an adjoint would ask for the same rows several times.
  const bool far = a.h.out_step() == 1 && is_far(a.h.in * a.w.in, g.c, in);
  const Cut cut = Cut::make(a, g.n, bytes_of(in));
  parallel_tasks(cut.tasks(), g.flops() / 8, [&](int64_t task, int64_t slot) {
    const int64_t block = task % cut.channels.parts, begin = task / cut.channels.parts * cut.rows;
    const int64_t first = cut.channels.begin(block) * kLeast;
    DepthwiseSpan s = {};
    s.in_type = in.dtype, s.out_type = out.dtype;
    s.in = in.data + first * bytes_of(in), s.out = out.data + first * bytes_of(out);
    s.in_step = a.w.in_step() * g.c, s.out_step = a.w.out_step() * g.c;
    s.filters = workspace + p.filters + first;
    s.channels = std::min(cut.channels.size(block) * kLeast, g.c - first), s.image_channels = g.c;
    s.bias = call.bias.data == nullptr ? nullptr : call.bias.as<float>() + first;
    s.activation = static_cast<Activation>(call.activation);
    s.out_bytes = out.bytes();
    s.ahead_rows = far ? a.h.in_step() : 0, s.ahead_row_step = a.w.in * g.c;
    s.ahead_columns = a.w.in_step();
    convolve_rows(a, in, out, begin, std::min(cut.rows_all, begin + cut.rows), taps_of(p, workspace, slot), s,
                  kernels);
  });
}

// dw[c][tap] = sum over chunks of sums[chunk][tap][c], in order.
void add_chunks(const ConvGeom& g, const Plan& p, float* sums, float* dw) {
  constexpr int64_t kPiece = 1024;
  const double cost = static_cast<double>(p.chunks * g.weights());
  parallel_chunks(g.weights(), kPiece, cost, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = 1; chunk < p.chunks; ++chunk)
      for (int64_t i = begin; i < end; ++i) sums[i] += sums[chunk * p.filter_floats + i];
  });
  transpose(sums, g.taps(), g.c, dw);
}

// Adds up `rows` rows of all images, from `begin` on, for the channels from `first` on; d has the rest.
void sum_rows(const ConvCall& call, const Axes& a, int64_t begin, int64_t rows, int64_t first,
              DepthwiseTap* taps, DepthwiseGradient d, const DepthwiseKernels& kernels) {
  const ConvGeom& g = call.g;
  const bool far = is_far(g.h * g.w, g.c, call.x);
  d.taps = taps;
  for (int64_t row = begin; row < begin + rows; row += d.rows) {
    const int64_t image = row / g.oh, i = row % g.oh;
    const int64_t most = std::max<int64_t>(1, kRowPixels / g.ow);
    d.rows = rows_alike(a, i, std::min({g.oh - i, begin + rows - row, most}));
    const std::byte* x = call.x.data + (image * g.h * g.w * g.c + first) * bytes_of(call.x);
    for_spans(a, i, a.c, taps, [&](const Span& span) {
      d.tap_count = span.tap_count;
      for (int64_t pixel = 0; pixel < span.pixels; pixel += kLongestChain) {
        d.pixels = std::min(kLongestChain, span.pixels - pixel);
        d.in = x + pixel * d.in_step * bytes_of(call.x);
        d.dy = call.y.data + ((row * g.ow + span.column + pixel) * g.c + first) * bytes_of(call.y);
        const bool fetches = far && span.pixels > 1;
        const int64_t below = span.below + (d.rows - 1) * d.in_row_step;
        d.ahead_in = fetches ? d.in + below * bytes_of(call.x) : nullptr;
        d.ahead_dy = fetches ? d.dy + d.rows * d.dy_row_step * bytes_of(call.y) : nullptr;
        kernels.gradient(d);
      }
    });
  }
}

void backward_weights(const ConvCall& call, const DepthwiseKernels& kernels, float* workspace) {
  const ConvGeom& g = call.g;
  const Axes a = make_axes(g, false);
  const Plan p = make_plan(ConvPass::backward_weights, call);
  const EvenSplit split = {g.n * g.oh, p.chunks};
  parallel_tasks(p.chunks * p.blocks, g.flops() / 8, [&](int64_t task, int64_t slot) {
    const int64_t chunk = task / p.blocks, first = task % p.blocks * p.block;
    DepthwiseGradient d = {};
    d.type = call.x.dtype;
    d.in_step = g.sw * g.c, d.in_row_step = g.sh * g.w * g.c;
    d.dy_step = g.c, d.dy_row_step = g.ow * g.c;
    d.channels = std::min(p.block, g.c - first);
    d.ahead_ratio = g.sh * g.sw;
    d.filters = workspace + p.filters + chunk * p.filter_floats + first;
    for (int64_t tap = 0; tap < g.taps(); ++tap) std::fill_n(d.filters + tap * g.c, d.channels, 0.0f);
    sum_rows(call, a, split.begin(chunk), split.size(chunk), first, taps_of(p, workspace, slot), d, kernels);
  });
  add_chunks(g, p, workspace + p.filters, call.w.as<float>());
}

}  // namespace

bool conv2d_is_depthwise(const ConvGeom& g) { return g.groups > 1 && g.groups == g.c && g.groups == g.o; }

int64_t conv2d_depthwise_workspace(ConvPass pass, const ConvCall& call) {
  return call.g.n == 0 ? 0 : make_plan(pass, call).total;
}

void conv2d_depthwise(ConvPass pass, const ConvCall& call, const DepthwiseKernels& kernels,
                      float* workspace) {
  const ConvGeom& g = call.g;
  if (pass == ConvPass::backward_weights) {
    if (g.n == 0) return std::fill_n(call.w.as<float>(), g.weights(), 0.0f), void();
    return backward_weights(call, kernels, workspace);
  }
  if (g.n == 0) return;
  if (pass == ConvPass::forward)
    return convolve(call, make_axes(g, false), call.x, call.y, kernels, workspace);
  convolve(call, make_axes(g, true), call.y, call.x, kernels, workspace);
}

}  // namespace tenon
