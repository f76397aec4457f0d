// C[M][N] = A[M][K] op(B) for few rows of A, which are packed once and shared by all tasks; B, the large one,
// is never copied. A task has some columns of C.
//
// A row-major B is walked down in strips of few rows, tile by tile of one vector of columns. The pages of its
// rows are streams that the processor fetches ahead once it has seen them, and tiles fetch the beginning of
// the next strip's. A strip that is not the last of its block of K leaves its sums to the next one.
//
// A transposed B is read along its rows in as many streams as a tile has rows: the product is
// C^T = op(B)^T A^T there, whose register tiles broadcast numbers of B and have rows of A as lanes.
//
// K is cut in the blocks of gemm_driver.cc, so that the bits are the same.
#include "ops/gemm_few_rows.h"

#include "kernels/gemm_few_rows.h"

namespace tenon {
namespace {

constexpr int64_t kRows = 32;           // of A, at most
constexpr int64_t kLargeB = 1 << 18;    // floats: B does not stay in the second-level cache
constexpr int64_t kTilesPerTask = 8;    // of a transposed B
constexpr int64_t kHugeB = 1 << 21;     // nor in the third, usually
constexpr int64_t kFewColumns = 512;    // of a row-major B: with fewer, tasks would be too few
constexpr int64_t kLeastColumns = 256;  // of a task of a row-major B: runs of its rows,
constexpr int64_t kMostColumns = 1024;  // and a page of each
constexpr int64_t kStrip = 16;          // rows of a row-major B
constexpr int64_t kDepth = 256;         // of a packing task; a multiple of every vector width

struct Plan {
  int nv;                 // vectors of a panel
  int64_t panel, panels;  // rows of A that are packed together
  int64_t columns;        // of C, a task's
  int64_t packed, sums;   // in the workspace: A, and the sums of each worker
  int64_t sum_floats, total;
};

// Columns of a task with a row-major B: enough tasks for all threads, of nearly equal size.
int64_t columns_of_task(int64_t n) {
  const auto round_up = [](int64_t x, int64_t step) { return ceil_div(x, step) * step; };
  const int64_t tasks = round_up(ceil_div(n, kMostColumns), scratch_slots());
  return std::max(kLeastColumns, round_up(ceil_div(n, tasks), 64));
}

Plan make_plan(const Gemm& g, const GemmKernels& kernels) {
  Plan p = {};
  const auto vectors = static_cast<int>(ceil_div(g.m, kernels.width));
  p.nv = g.b_transposed ? std::min(vectors, 2) : vectors;
  p.panel = p.nv * kernels.width;
  p.panels = ceil_div(g.m, p.panel);
  p.columns = g.b_transposed ? few_rows_kernels(kernels.target).most_columns[p.nv] * kTilesPerTask
                             : columns_of_task(g.n);
  Layout layout;
  p.packed = layout.add(checked_product(p.panels, g.k, p.panel));
  p.sum_floats = p.panels * p.panel * p.columns;
  p.sums = layout.add(checked_product(p.sum_floats, scratch_slots()));
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

// What a task works on: columns of C from n0 on, and memory for their sums.
struct Part {
  const Gemm& g;
  const Plan& p;
  const GemmKernels& kernels;
  const float* packed;
  float* sums;
  int64_t n0, columns;
};

// Down a row-major B, strip after strip.
void multiply_down(const Part& x) {
  const Gemm& g = x.g;
  const FewRowsKernels& kernels = few_rows_kernels(x.kernels.target);
  const EvenSplit tiles = tile_rows(g.m, kernels.tallest);
  const int64_t block = gemm_depth(g.k);
  DownStrip s = {};
  s.a_step = x.p.panel;
  s.ldb = g.ldb, s.ldc = g.ldc;
  s.columns = x.columns;
  for (int64_t k0 = 0; k0 < g.k; k0 += s.k) {
    const int64_t end = std::min(g.k, k0 / block * block + block);
    s.k = std::min(kStrip, end - k0);
    s.begins = k0 % block == 0, s.ends = k0 + s.k == end;
    s.accumulate = k0 >= block;
    s.b = g.b + k0 * g.ldb + x.n0;
    s.next = k0 + 2 * s.k <= g.k ? s.b + s.k * g.ldb : nullptr;
    for (int64_t i = 0; i < tiles.parts; ++i) {
      const int64_t m = tiles.begin(i);
      s.a = x.packed + k0 * x.p.panel + m;
      s.sums = x.sums + m * x.p.columns;
      s.c = g.c + m * g.ldc + x.n0;
      kernels.down[tiles.size(i)](s);
    }
  }
}

// Columns of C from n on, a tile's, along the rows of a transposed B: all of K, panel after panel of A.
void multiply_tile(const Part& x, const FewRowsKernels& kernels, int64_t n, int64_t columns) {
  const Gemm& g = x.g;
  AlongTile t = {};
  t.ldb = g.ldb;
  t.a_step = t.c_step = x.p.panel;
  for (int64_t k0 = 0; k0 < g.k; k0 += t.k) {
    t.k = std::min(gemm_depth(g.k), g.k - k0);
    t.b = g.b + (x.n0 + n) * g.ldb + k0;
    for (int64_t panel = 0; panel < x.p.panels; ++panel) {
      t.a = x.packed + (panel * g.k + k0) * x.p.panel;
      t.c = x.sums + (panel * x.p.columns + n) * x.p.panel;
      kernels.along[x.p.nv][columns](t);
    }
    t.accumulate = true;
  }
}

void multiply_along(const Part& x) {
  const Gemm& g = x.g;
  const FewRowsKernels& kernels = few_rows_kernels(x.kernels.target);
  const EvenSplit tiles = tile_rows(x.columns, kernels.most_columns[x.p.nv]);
  for (int64_t i = 0; i < tiles.parts; ++i) multiply_tile(x, kernels, tiles.begin(i), tiles.size(i));
  for (int64_t m = 0; m < g.m; ++m) {
    const float* from = x.sums + m / x.p.panel * x.p.columns * x.p.panel + m % x.p.panel;
    for (int64_t n = 0; n < x.columns; ++n) g.c[m * g.ldc + x.n0 + n] = from[n * x.p.panel];
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

bool gemm_has_few_rows(const Gemm& g) {
  if (g.batch != 1 || g.m < 2 || g.m > kRows || g.aks != 1 || g.accumulate || g.k == 0) return false;
  return g.b_transposed ? g.n * g.k >= kLargeB : g.n * g.k >= kHugeB && g.n >= kFewColumns;
}

int64_t gemm_few_rows_workspace(const Gemm& g, const GemmKernels& kernels) {
  return make_plan(g, kernels).total;
}

void gemm_few_rows(const Gemm& g, const GemmKernels& kernels, float* workspace) {
  const Plan p = make_plan(g, kernels);
  float* packed = workspace + p.packed;
  pack_rows_of_a(g, p, kernels, packed);
  const double cost = static_cast<double>(g.n) * static_cast<double>(g.k);
  parallel_tasks(ceil_div(g.n, p.columns), cost, [&](int64_t task, int64_t slot) {
    const int64_t n0 = task * p.columns, columns = std::min(p.columns, g.n - n0);
    const Part part = {g, p, kernels, packed, workspace + p.sums + slot * p.sum_floats, n0, columns};
    g.b_transposed ? multiply_along(part) : multiply_down(part);
    finish(g, kernels, n0, columns);
  });
}

}  // namespace tenon
