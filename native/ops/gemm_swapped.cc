// C[M][N] = A[M][K] B[N][K]^T for few rows of A, as C^T = B A^T: the register tile's rows are rows of B,
// which the tile reads in place with broadcasts, and its columns are the rows of A, packed once to
// [panel][k][width of panel] and shared by all tasks. B, the large one, is never copied and is read in as
// many streams as the tile has rows.
#include "ops/gemm_swapped.h"

namespace tenon {
namespace {

constexpr int64_t kRows = 32;         // of A, at most
constexpr int64_t kLargeB = 1 << 18;  // floats: B does not stay in the second-level cache
constexpr int64_t kTilesPerTask = 8;
constexpr int64_t kDepth = 256;  // of a packing task; a multiple of every vector width

struct Plan {
  int nv;
  int64_t panel, panels;  // columns of C^T: the rows of A
  int64_t mr, rows;       // of C^T: of a tile, of a task
  int64_t packed, scratch, scratch_floats, total;
};

Plan make_plan(const Gemm& g, const GemmKernels& kernels) {
  Plan p = {};
  p.nv = g.m <= kernels.width ? 1 : 2;
  p.panel = p.nv * kernels.width;
  p.panels = ceil_div(g.m, p.panel);
  p.mr = kernels.mr[p.nv];
  p.rows = p.mr * kTilesPerTask;
  Layout layout;
  p.packed = layout.add(checked_product(p.panels, g.k, p.panel));
  p.scratch_floats = p.rows * p.panel;
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

// Rows n0 ... of C^T, those of one panel, to dst[rows][panel].
void multiply(const Gemm& g, const Plan& p, const GemmKernels& kernels, const float* packed, int64_t n0,
              int64_t rows, int64_t columns, float* dst) {
  const int64_t zero = 0;
  GemmTile tile = {};
  tile.a_off = tile.b_off = &zero;
  tile.batch = 1;
  tile.k = g.k;
  tile.ars = g.ldb, tile.aks = 1;
  tile.b = packed, tile.bks = p.panel;
  tile.crs = p.panel, tile.n = columns;
  const EvenSplit split = tile_rows(rows, p.mr);
  for (int64_t i = 0; i < split.parts; ++i) {
    const int64_t n = split.begin(i), height = split.size(i);
    tile.a = g.b + (n0 + n) * g.ldb;
    tile.a_jump = (height + 1) / 2 * tile.ars;
    tile.c = dst + n * p.panel;
    tile.c_jump = (height + 1) / 2 * tile.crs;
    kernels.fn[ceil_div(columns, kernels.width)][height](tile);
  }
}

// Adds bias and activates `columns` of C that hold the sums: tiles of no depth, so that the bits are the
// kernel's.
void finish(const Gemm& g, const GemmKernels& kernels, int64_t n0, int64_t columns) {
  if (g.bias == nullptr && g.activation == Activation::none) return;
  const int64_t zero = 0;
  GemmTile tile = {};
  tile.a = g.a, tile.b = g.b;
  tile.a_off = tile.b_off = &zero;
  tile.accumulate = true;
  tile.activation = g.activation;
  for (int64_t m = 0; m < g.m; ++m) {
    for (int64_t n = n0; n < n0 + columns; n += kernels.width) {
      tile.c = g.c + m * g.ldc + n;
      tile.n = std::min<int64_t>(kernels.width, n0 + columns - n);
      tile.bias = g.bias ? g.bias + n : nullptr;
      kernels.fn[1][1](tile);
    }
  }
}

}  // namespace

bool gemm_is_swapped(const Gemm& g) {
  return g.b_transposed && g.batch == 1 && g.m > 1 && g.m <= kRows && g.aks == 1 && !g.accumulate &&
         g.k > 0 && g.n * g.k >= kLargeB;
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
    for (int64_t panel = 0; panel < p.panels; ++panel) {
      const int64_t m0 = panel * p.panel, columns = std::min(p.panel, g.m - m0);
      multiply(g, p, kernels, packed + panel * g.k * p.panel, n0, rows, columns, sums);
      for (int64_t m = 0; m < columns; ++m)
        for (int64_t n = 0; n < rows; ++n) g.c[(m0 + m) * g.ldc + n0 + n] = sums[n * p.panel + m];
    }
    finish(g, kernels, n0, rows);
  });
}

}  // namespace tenon
