// C[M][N] = A[M][K] op(B) for few rows of A, as C^T = op(B)^T A^T: the register tile's rows are columns of
// op(B), which the tile reads in place with broadcasts, and its columns are the rows of A, packed once to
// [panel][k][width of panel] and shared by all tasks. B, the large one, is never copied. A transposed B is
// read along its rows in as many streams as the tile has rows. A row-major B is walked down in strips of few
// rows and in a strip along the rows, the next strip being fetched meanwhile: reading column after column of
// it would make memory, and the sets of the caches, slow. K is cut in the blocks of gemm_driver.cc, so that
// the bits are the same; a strip that is not the last of its block leaves its sums to the next one.
#include "ops/gemm_swapped.h"

namespace tenon {
namespace {

constexpr int64_t kRows = 32;         // of A, at most
constexpr int64_t kLargeB = 1 << 18;  // floats: B does not stay in the second-level cache
constexpr int64_t kTilesPerTask = 8;
constexpr int64_t kHugeB = 1 << 21;   // nor in the third, usually
constexpr int64_t kColumns = 256;     // of a row-major B, a task's;
constexpr int64_t kFewColumns = 512;  // with fewer, tasks would be too few
constexpr int64_t kStrip = 16;        // rows of a row-major B
constexpr int64_t kDepth = 256;       // of a packing task; a multiple of every vector width

struct Plan {
  int nv;
  int64_t panel, panels;  // columns of C^T: the rows of A
  int64_t mr, rows;       // of C^T: of a tile, of a task
  int64_t depth, strip;   // of a block of K; of a strip, which divides it
  int64_t packed, scratch, sum_floats, scratch_floats, total;
};

Plan make_plan(const Gemm& g, const GemmKernels& kernels) {
  Plan p = {};
  p.nv = g.m <= kernels.width ? 1 : 2;
  p.panel = p.nv * kernels.width;
  p.panels = ceil_div(g.m, p.panel);
  p.mr = kernels.mr[p.nv];
  p.rows = g.b_transposed ? p.mr * kTilesPerTask : kColumns;
  p.depth = gemm_depth(g.k);
  p.strip = g.b_transposed ? p.depth : kStrip;
  Layout layout;
  p.packed = layout.add(checked_product(p.panels, g.k, p.panel));
  p.sum_floats = p.panels * p.rows * p.panel;
  p.scratch_floats = g.b_transposed ? p.sum_floats : 2 * p.sum_floats;
  p.scratch = layout.add(checked_product(p.scratch_floats, scratch_slots()));
  p.total = layout.floats();
  return p;
}

void pack_rows_of_a(const Gemm& g, const Plan& p, const GemmKernels& kernels, float* packed) {
  const int64_t pieces = ceil_div(g.k, kDepth);
  parallel_for(p.panels * pieces, static_cast<double>(g.m * g.k), [&](int64_t task) {
    const int64_t panel = task / pieces, k0 = task % pieces * kDepth, m0 = panel * p.panel;
    kernels.pack_transposed(g.a + m0 * g.ars + k0, g.ars, std::min(p.panel, g.m - m0),
                            std::min(kDepth, g.k - k0), packed + (panel * g.k + k0) * p.panel, p.panel);
  });
}

// What a task works on: rows of C^T, in tiles, and its sums, [panel][row][column].
struct Part {
  int64_t n0, rows;
  EvenSplit tiles;
  float* sums;
};

// A strip of K, and what its tiles have in common: where a block begins and ends with it, or not.
struct Strip {
  int64_t k0;
  GemmTile tile;
  const float* start;  // sums of the same block to go on from, or null
  float* sums;
};

Strip make_strip(const Gemm& g, const Plan& p, const Part& x, int64_t k0, bool begins, bool ends) {
  static constexpr int64_t kZero = 0;
  float* unfinished = x.sums + p.sum_floats;
  Strip s = {k0, {}, begins ? nullptr : unfinished, ends ? x.sums : unfinished};
  s.tile.a_off = s.tile.b_off = &kZero;
  s.tile.batch = 1;
  s.tile.k = std::min(p.strip, g.k - k0);
  s.tile.ars = g.b_transposed ? g.ldb : 1, s.tile.aks = g.b_transposed ? 1 : g.ldb;
  s.tile.bks = s.tile.crs = p.panel;
  s.tile.accumulate = ends && k0 >= p.depth;
  return s;
}

// Adds the products of the strip to the sums of a tile.
inline void multiply_tile(const Gemm& g, const Plan& p, const GemmKernels& kernels, const float* packed,
                          const Part& x, int64_t index, Strip& s) {
  const int64_t n = x.tiles.begin(index), height = x.tiles.size(index);
  GemmTile& tile = s.tile;
  tile.a = g.b + (x.n0 + n) * tile.ars + s.k0 * tile.aks;
  tile.a_jump = (height + 1) / 2 * tile.ars;
  tile.c_jump = (height + 1) / 2 * tile.crs;
  for (int64_t panel = 0; panel < p.panels; ++panel) {
    const int64_t at = (panel * p.rows + n) * p.panel;
    tile.b = packed + (panel * g.k + s.k0) * p.panel;
    tile.start = s.start ? s.start + at : nullptr;
    tile.c = s.sums + at;
    tile.n = std::min(p.panel, g.m - panel * p.panel);
    kernels.fn[ceil_div(tile.n, kernels.width)][height](tile);
  }
}

// Along the rows of a transposed B, tile after tile; strips are whole blocks.
void multiply_along(const Gemm& g, const Plan& p, const GemmKernels& kernels, const float* packed,
                    const Part& x) {
  for (int64_t i = 0; i < x.tiles.parts; ++i) {
    for (int64_t k0 = 0; k0 < g.k; k0 += p.strip) {
      Strip strip = make_strip(g, p, x, k0, true, true);
      multiply_tile(g, p, kernels, packed, x, i, strip);
    }
  }
}

// Down a row-major B, strip after strip. The rows of the next one are spread over this one's tiles.
void multiply_down(const Gemm& g, const Plan& p, const GemmKernels& kernels, const float* packed,
                   const Part& x) {
  for (int64_t k0 = 0; k0 < g.k; k0 += p.strip) {
    const int64_t next = k0 + p.strip, rows_ahead = std::clamp<int64_t>(g.k - next, 0, p.strip);
    const EvenSplit ahead = {rows_ahead, x.tiles.parts};
    Strip strip = make_strip(g, p, x, k0, k0 % p.depth == 0, next % p.depth == 0 || next >= g.k);
    for (int64_t i = 0; i < x.tiles.parts; ++i) {
      const float* row = g.b + (next + ahead.begin(i)) * g.ldb + x.n0;
      for (int64_t k = 0; k < ahead.size(i); ++k) fetch_ahead(row + k * g.ldb, x.rows);
      multiply_tile(g, p, kernels, packed, x, i, strip);
    }
  }
}

// Adds bias and activates `columns` of C that hold the sums: tiles of no depth, so that the bits
// are the kernel's.
void finish(const Gemm& g, const GemmKernels& kernels, int64_t n0, int64_t columns) {
  if (g.bias == nullptr && g.activation == Activation::none) return;
  const int64_t zero = 0;
  GemmTile tile = {};
  tile.a = g.a, tile.b = g.b;
  tile.a_off = tile.b_off = &zero;
  tile.activation = g.activation;
  for (int64_t m = 0; m < g.m; ++m) {
    for (int64_t n = n0; n < n0 + columns; n += kernels.width) {
      tile.start = tile.c = g.c + m * g.ldc + n;
      tile.n = std::min<int64_t>(kernels.width, n0 + columns - n);
      tile.bias = g.bias ? g.bias + n : nullptr;
      kernels.fn[1][1](tile);
    }
  }
}

}  // namespace

bool gemm_is_swapped(const Gemm& g) {
  if (g.batch != 1 || g.m < 2 || g.m > kRows || g.aks != 1 || g.accumulate || g.k == 0) return false;
  return g.b_transposed ? g.n * g.k >= kLargeB : g.n * g.k >= kHugeB && g.n >= kFewColumns;
}

int64_t gemm_swapped_workspace(const Gemm& g, const GemmKernels& kernels) {
  return make_plan(g, kernels).total;
}

void gemm_swapped(const Gemm& g, const GemmKernels& kernels, float* workspace) {
  const Plan p = make_plan(g, kernels);
  float* packed = workspace + p.packed;
  pack_rows_of_a(g, p, kernels, packed);
  const double cost = static_cast<double>(g.n) * static_cast<double>(g.k);
  parallel_tasks(ceil_div(g.n, p.rows), cost, [&](int64_t task, int64_t slot) {
    const int64_t n0 = task * p.rows, rows = std::min(p.rows, g.n - n0);
    float* sums = workspace + p.scratch + slot * p.scratch_floats;
    const Part part = {n0, rows, tile_rows(rows, p.mr), sums};
    g.b_transposed ? multiply_along(g, p, kernels, packed, part) : multiply_down(g, p, kernels, packed, part);
    for (int64_t m = 0; m < g.m; ++m) {
      const float* from = sums + m / p.panel * p.rows * p.panel + m % p.panel;
      for (int64_t n = 0; n < rows; ++n) g.c[m * g.ldc + n0 + n] = from[n * p.panel];
    }
    finish(g, kernels, n0, rows);
  });
}

}  // namespace tenon
