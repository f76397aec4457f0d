// Weight gradients of 1x1 kernels of stride 1: dw = dy^T x, one product over all pixels. The side with more
// channels is read in place as rows of B, a few vectors of it with as many rows of the other side as fit a
// tile; where that side is dy, the product is dw's transpose.
//
// A task is (chunk of pixels, some panels of B). It adds one block of pixels after the other to its sums. The
// number of chunks is a function of the shape alone; each has sums of its own, which are added in order.
#include "ops/conv2d.h"
#include "ops/heavy.h"

namespace tenon {
namespace {

constexpr int64_t kPixels = 128;           // of a block: its panel of B stays in the first cache level
constexpr int64_t kMostWeights = 1 << 17;  // of more, sums of several chunks take too long to add
constexpr int64_t kNearSums = 1 << 13;     // that stay in the first cache level
constexpr int64_t kFarFloats = 1 << 20;    // of an operand that comes from memory

struct Plan {
  bool swapped;  // B is dy
  int64_t m, n, pixels;
  int64_t mr, panel, panels;
  int64_t together;  // panels of a task
  int64_t chunks;
  int64_t groups() const { return ceil_div(panels, together); }
  int64_t blocks() const { return ceil_div(pixels, kPixels); }
  int64_t floats() const { return checked_product(chunks, m, n); }
};

// Vectors of a panel: as many as a tile can have and leave no narrower panel at the end.
int64_t panel_vectors(int64_t vectors) {
  constexpr int64_t kLeast = 2;
  int64_t nv = std::min<int64_t>(GemmKernels::kMaxNv, vectors);
  while (nv > kLeast && vectors % nv != 0) --nv;
  return nv;
}

Plan make_plan(const ConvGeom& g, const GemmKernels& kernels) {
  Plan p = {};
  p.swapped = g.o > g.c;
  p.m = std::min(g.o, g.c), p.n = std::max(g.o, g.c);
  p.pixels = g.pixels();
  const int64_t nv = panel_vectors(p.n / kernels.width);
  p.mr = kernels.mr[nv];
  p.panel = nv * kernels.width;
  p.panels = ceil_div(p.n, p.panel);
  p.together = std::clamp<int64_t>(kNearSums / (p.m * p.panel), 1, p.panels);
  p.chunks = weight_chunks(p.groups(), p.blocks(), g.weights());
  return p;
}

// Sums of one chunk for some panels, [m][n].
void sum_chunk(const ConvCall& call, const Plan& p, const GemmKernels& kernels, int64_t chunk, int64_t panel0,
               float* sums) {
  const float* a = p.swapped ? call.x.as<float>() : call.y.as<float>();
  const float* b = p.swapped ? call.y.as<float>() : call.x.as<float>();
  const EvenSplit chunks = {p.blocks(), p.chunks}, rows = tile_rows(p.m, p.mr);
  const int64_t begin = chunks.begin(chunk), end = begin + chunks.size(chunk), zero = 0;
  const int64_t panel1 = std::min(p.panels, panel0 + p.together);
  GemmTile tile = {};
  tile.a_off = tile.b_off = &zero;
  tile.batch = 1;
  tile.ars = 1, tile.aks = p.m;
  tile.bks = tile.crs = p.n;
  const bool far = p.groups() == 1 && p.pixels * p.n >= kFarFloats;
  // Every tile fetches a part of the next block of B.
  const EvenSplit ahead = {kPixels * p.n, p.panels * rows.parts};
  for (int64_t block = begin; block < end; ++block) {
    tile.k = std::min(kPixels, p.pixels - block * kPixels);
    tile.accumulate = block > begin;
    for (int64_t panel = panel0; panel < panel1; ++panel) {
      tile.n = std::min(p.panel, p.n - panel * p.panel);
      tile.b = b + block * kPixels * p.n + panel * p.panel;
      for (int64_t i = 0; i < rows.parts; ++i) {
        const int64_t row = rows.begin(i), height = rows.size(i), part = panel * rows.parts + i;
        tile.ahead = far ? b + (block + 1) * kPixels * p.n + ahead.begin(part) : nullptr;
        tile.ahead_step = ahead.size(part) / kPixels;
        tile.a = a + block * kPixels * p.m + row;
        tile.c = sums + row * p.n + panel * p.panel;
        tile.a_jump = (height + 1) / 2;
        tile.c_jump = tile.a_jump * p.n;
        kernels.fn[tile.n / kernels.width][height](tile);
      }
    }
  }
}

// dw = the chunks' sums, added in order and transposed where they are dw's transpose.
void put_sums(const Plan& p, float* sums, float* dw) {
  const double cost = static_cast<double>(p.floats());
  parallel_chunks(p.m, ceil_div(2048, p.n), cost, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = 1; chunk < p.chunks; ++chunk) {
      const float* part = sums + chunk * p.m * p.n;
      for (int64_t i = begin * p.n; i < end * p.n; ++i) sums[i] += part[i];
    }
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < p.n; ++j) dw[p.swapped ? j * p.m + i : i * p.n + j] = sums[i * p.n + j];
  });
}

}  // namespace

bool conv2d_weights_is_matrix(const ConvGeom& g, const GemmKernels& kernels) {
  return conv2d_is_matrix(g) && g.pixels() > 0 && g.weights() > 0 && g.weights() <= kMostWeights &&
         std::max(g.o, g.c) % kernels.width == 0;
}

int64_t conv2d_weights_matrix_workspace(const ConvCall& call, const GemmKernels& kernels) {
  return make_plan(call.g, kernels).floats();
}

void conv2d_weights_matrix(const ConvCall& call, const GemmKernels& kernels, float* workspace) {
  const Plan p = make_plan(call.g, kernels);
  parallel_tasks(p.chunks * p.groups(), call.g.flops() / 16, [&](int64_t task, int64_t) {
    const int64_t panel = task % p.groups() * p.together, chunk = task / p.groups();
    sum_chunk(call, p, kernels, chunk, panel, workspace + chunk * p.m * p.n);
  });
  put_sums(p, workspace, call.w.as<float>());
}

}  // namespace tenon
