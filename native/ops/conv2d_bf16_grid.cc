#include "ops/conv2d_bf16_grid.h"

#include <limits>

namespace tenon {
namespace {

constexpr int64_t kMostSums = 1 << 17;   // floats of C of a task: a quarter of the second cache level
constexpr int64_t kKeptBytes = 3 << 19;  // weights that stay there from task to task
constexpr int64_t kMostPixels = 1024, kLeastPixels = 32;
constexpr int64_t kTasks = 16, kLeastTasks = 6;

// Tiles read rows of pixels a fixed distance apart. Long distances that are powers of two put them all into
// a few sets of the first cache level.
int64_t spread(int64_t channels) {
  constexpr int64_t kLong = 256, kLine = 32;
  return channels >= kLong && channels % kLong == 0 ? channels + kLine : channels;
}

// Zero columns that end one row of the copy and begin the next are stored once.
int64_t shared_columns(const ConvPhase& p, int64_t width) {
  const int64_t before = std::clamp<int64_t>(-p.w.in0, 0, width);
  const int64_t after = std::clamp<int64_t>(p.w.in0 + width - p.in_w, 0, width);
  return std::min({before, after, (p.w.taps - 1) * p.w.gap});
}

}  // namespace

bool ConvGrid::is_matrix(const ConvPhase& p) {
  const bool whole = p.h.in0 == 0 && p.w.in0 == 0 && p.h.count == p.in_h && p.w.count == p.in_w;
  return p.taps() == 1 && p.step_h == 1 && p.step_w == 1 && whole;
}

bool ConvGrid::spreads_well(int64_t channels) { return spread(channels) == channels; }

ConvGrid ConvGrid::make(const ConvPhase& phase, const Bf16Kernels& kernels) {
  ConvGrid g = {};
  g.phase = phase;
  g.whole_rows = phase.k % kernels.k_step != 0 && phase.w.gap == 1;
  g.steps = ceil_div(g.run_taps() * phase.k, kernels.k_step);
  g.pixel = g.whole_rows ? phase.k : spread(phase.k);
  g.width = (phase.w.count - 1) * phase.step_w + (phase.w.taps - 1) * phase.w.gap + 1;
  g.pitch = round_up(g.width - shared_columns(phase, g.width), phase.step_w);
  g.pitch_q = g.pitch / phase.step_w;
  const int64_t extent = (phase.h.taps - 1) * phase.h.gap;
  g.planes = std::min(phase.step_h, extent + 1);
  g.shift = extent / phase.step_h;

  g.cut(kernels);
  const int64_t after = std::max<int64_t>(0, g.width - g.pitch) * g.pixel + kernels.k_step;
  g.plane_size = checked_product(g.rows + g.shift, g.pitch, g.pixel) + after;
  return g;
}

// Each part of the panels copies all of the input, and each block of pixels reads all weights, but for
// those of a part that stay in the cache from block to block. Takes the cut that moves the fewest bytes and
// has tasks enough.
void ConvGrid::cut(const Bf16Kernels& kernels) {
  const int64_t all = std::max<int64_t>(1, ceil_div(phase.n, kBf16Panel));
  const int64_t whole = checked_product(phase.h.count, pitch_q);  // pixels of an image
  const int64_t pixels = checked_product(phase.images, whole);
  const int64_t panel_bytes = checked_product(run_count(), steps, kernels.k_step, kBf16Panel * 2);
  int64_t most_tasks = 0;
  double least_bytes = std::numeric_limits<double>::infinity();
  for (int64_t n = std::min(all, kMostBlockPanels); n > 0; n /= 2) {
    ConvGrid g = *this;
    g.panels = n;
    const int64_t fair = ceil_div(checked_product(pixels, g.parts(), phase.groups), kTasks);
    const int64_t most = std::clamp(std::min(kMostSums / (n * kBf16Panel), fair), kLeastPixels, kMostPixels);
    g.images = std::max<int64_t>(1, std::min(most / std::max<int64_t>(1, whole), phase.images));
    g.rows = ceil_div(phase.h.count, ceil_div(whole, std::max(most, pitch_q)));
    const int64_t tasks = std::min(g.tasks(), kLeastTasks), blocks = g.tasks() / (phase.groups * g.parts());
    const int64_t reads = n * panel_bytes <= kKeptBytes ? std::min<int64_t>(blocks, 2) : blocks;
    const int64_t copied =
        checked_product(checked_product(g.images, planes, g.rows + shift), pitch, pixel * 4);
    const double bytes = static_cast<double>(g.tasks()) * static_cast<double>(copied) +
                         static_cast<double>(phase.groups * all) * static_cast<double>(reads * panel_bytes);
    if (tasks < most_tasks || (tasks == most_tasks && bytes >= least_bytes)) continue;
    most_tasks = tasks, least_bytes = bytes;
    panels = g.panels, images = g.images, rows = g.rows;
  }
}

int64_t ConvGrid::tasks() const {
  return checked_product(phase.groups, parts(), ceil_div(phase.images, images),
                         ceil_div(phase.h.count, rows));
}

// Parts of the weights change slowest: one stays in the cache for all blocks of pixels.
ConvGrid::Block ConvGrid::block(int64_t task) const {
  const int64_t row_blocks = ceil_div(phase.h.count, rows), image_blocks = ceil_div(phase.images, images);
  const int64_t part = task / row_blocks / image_blocks;
  Block b = {};
  b.group = part / parts(), b.panel = part % parts() * panels;
  b.image = task / row_blocks % image_blocks * images, b.row = task % row_blocks * rows;
  b.images = std::min(images, phase.images - b.image), b.rows = std::min(rows, phase.h.count - b.row);
  b.columns = std::min(panels * kBf16Panel, phase.n - b.panel * kBf16Panel);
  return b;
}

std::vector<int64_t> ConvGrid::runs() const {
  std::vector<int64_t> runs;
  for (int64_t r = 0; r < phase.h.taps; ++r) {
    const int64_t below = r * phase.h.gap, plane = below % phase.step_h, row = below / phase.step_h;
    for (int64_t s = 0; s < phase.w.taps; s += run_taps())
      runs.push_back(plane * plane_size + (row * pitch + s * phase.w.gap) * pixel);
  }
  return runs;
}

Bf16Blocks ConvGrid::blocks(const Bf16Kernels& kernels) const {
  const int64_t pixels = checked_product(phase.images, phase.h.count, phase.w.count);
  return Bf16Blocks::make(phase.groups, pixels, phase.n, checked_product(run_count(), steps, kernels.k_step),
                          kernels);
}

int64_t ConvGrid::copied() const {
  // Whole tiles read past the last pixel.
  constexpr int64_t kTile = 16;
  return checked_product(images + 1, image_size() + kTile * phase.step_w * pixel);
}

int64_t ConvGrid::workspace(const Bf16Kernels& kernels) const {
  Layout layout;
  layout.add(floats_of(copied()));
  layout.add(checked_product(images, round_up(numbered(), kernels.row_step), panels * kBf16Panel));
  return checked_product(layout.floats(), scratch_slots());
}

void ConvGrid::copy(const Block& block, int64_t image, bf16* to) const {
  const int64_t from = std::max<int64_t>(phase.w.in0, 0);
  const int64_t before = std::min(std::max<int64_t>(-phase.w.in0, 0), pitch);
  const int64_t inside = std::clamp<int64_t>(std::min(width - before, phase.in_w - from), 0, pitch - before);
  const bf16* in = phase.in + image * phase.in_h * phase.in_w * phase.in_c + block.group * phase.k;
  for (int64_t plane = 0; plane < planes; ++plane) {
    bf16* row = to + plane * plane_size;
    for (int64_t i = 0; i < block.rows + shift; ++i, row += pitch * pixel) {
      const int64_t h = (block.row + i) * phase.step_h + phase.h.in0 + plane;
      if (h < 0 || h >= phase.in_h) {
        std::fill(row, row + pitch * pixel, bf16{});
        continue;
      }
      std::fill(row, row + before * pixel, bf16{});
      const bf16* pixels = in + (h * phase.in_w + from) * phase.in_c;
      if (pixel == phase.in_c) {
        std::memcpy(row + before * pixel, pixels, static_cast<size_t>(inside * pixel) * sizeof(bf16));
      } else {
        for (int64_t j = 0; j < inside; ++j)
          std::memcpy(row + (before + j) * pixel, pixels + j * phase.in_c,
                      static_cast<size_t>(phase.k) * sizeof(bf16));
      }
      std::fill(row + (before + inside) * pixel, row + pitch * pixel, bf16{});
    }
    std::fill(row, to + (plane + 1) * plane_size, bf16{});
  }
}

void ConvGrid::put(const Bf16Kernels& kernels, const Block& block, int64_t image, const float* c,
                   int64_t ldc) const {
  const int64_t channel = block.group * phase.n + block.panel * kBf16Panel;
  const bool narrow = phase.out.dtype == DType::bf16, stream = phase.streams();
  for (int64_t i = 0; i < block.rows; ++i) {
    const int64_t at = phase.out_first + image * phase.out_image + (block.row + i) * phase.out_row + channel;
    kernels.finish({c + i * pitch_q * ldc, phase.w.count, ldc, block.columns,
                    phase.bias ? phase.bias + channel : nullptr, phase.activation,
                    phase.out.data + at * static_cast<int64_t>(size_of(phase.out.dtype)), phase.out_pixel,
                    narrow, phase.accumulate, stream});
  }
  if (stream) gemm_kernels(kernels.target).end_streaming();
}

void ConvGrid::run(const Bf16Kernels& kernels, const bf16* packed, float* workspace) const {
  const Bf16Blocks weights = blocks(kernels);
  const std::vector<int64_t> offsets = runs();
  Layout layout;
  const int64_t ldc = panels * kBf16Panel, c_image = round_up(numbered(), kernels.row_step) * ldc;
  const int64_t a_at = layout.add(floats_of(copied())), c_at = layout.add(images * c_image);
  const double cost = static_cast<double>(weights.m) * static_cast<double>(phase.n) *
                      static_cast<double>(phase.groups * weights.depth);
  const double speed = kernels.convolves_in_float ? 8 : 64;  // of vectors, of AMX
  parallel_tasks(tasks(), cost / speed, [&](int64_t task, int64_t slot) {
    const Block b = block(task);
    float* own = workspace + slot * layout.floats();
    auto* a = reinterpret_cast<bf16*>(own + a_at);
    float* c = own + c_at;
    for (int64_t i = 0; i < b.images; ++i) copy(b, b.image + i, a + i * image_size());
    const bf16* part = packed + (b.group * weights.columns + b.panel * kBf16Panel) * weights.depth;
    kernels.multiply_taps({a, phase.step_w * pixel, image_size(), offsets.data(), run_count(), steps, part,
                           weights.panel_size(), b.images, (b.rows - 1) * pitch_q + phase.w.count, b.columns,
                           c, c_image, ldc, false});
    for (int64_t i = 0; i < b.images; ++i) put(kernels, b, b.image + i, c + i * c_image, ldc);
  });
}

}  // namespace tenon
