// Blocking, packing and threads of C = op(A) op(B).
//
//   C[M][N] is cut in tasks of mc x nc; a task walks K in blocks of kc, keeping one packed panel of B (kc x panel) and its
//   block of A (mc x kc) in the second-level cache, and calls the register kernel for every tile of mr x panel.
//
// B comes from packed panels [panel][k][width of panel] in the workspace when it is transposed, when it is large enough that strided
// reads hurt, and for the last panel where rows of B end early; otherwise it is read where it is. A's block is copied to
// the worker's scratch when its rows lie so that they would fall on the same cache sets.
// Blocks never change bits: every C[m][n] is one chain over k (see gemm.h).
#include <cstring>

#include "ops/matmul.h"

namespace tenon {
namespace {

constexpr int64_t kKc = 1024;           // floats of K per block
constexpr int64_t kPackFloats = 1 << 18;  // a row-major B of at least this many floats is packed,
constexpr int64_t kPackRows = 64;         // if as many rows of A will use it

struct Plan {
  int nv;
  int64_t mr, panel;             // register tile
  int64_t panels, packed_from;   // panels from this one on are packed
  int64_t mc, nc;                // task: rows, panels
  int64_t m_blocks, n_blocks;
  int64_t kc;
  bool copy_a;
  int64_t pack_floats, b_packed, scratch, scratch_floats, total;  // workspace, in floats

  int64_t tasks(const Gemm& g) const { return g.batch * m_blocks * n_blocks; }
};

// Short problems take wide tiles: the fewer rows, the more columns keep enough sums in flight.
int choose_nv(const Gemm& g, const GemmKernels& kernels) {
  int nv = g.m <= kernels.mr[4] ? 4 : 2;
  while (nv > 1 && (nv / 2) * kernels.width >= g.n) nv /= 2;
  return nv;
}

// A's k-contiguous rows at strides of a multiple of 1 KB meet in few cache sets; a transposed A touches a page per k.
bool wants_copy(const Gemm& g, const Plan& p) {
  if (p.nc < 2) return false;
  return g.aks == 1 ? g.ars % 256 == 0 : (p.nc >= 4 && g.aks >= 512);
}

Plan make_plan(const Gemm& g, const GemmKernels& kernels) {
  Plan p = {};
  p.nv = choose_nv(g, kernels);
  p.mr = kernels.mr[p.nv];
  p.panel = p.nv * kernels.width;
  p.panels = ceil_div(g.n, p.panel);
  const bool pack_all = g.b_transposed || (g.m >= kPackRows && g.k * g.n >= kPackFloats);
  p.packed_from = pack_all ? 0 : g.n / p.panel;
  p.kc = std::min(g.k, kKc);
  // Tasks: about 128 rows by 256 columns, smaller when there would be fewer than 32 of them.
  p.mc = p.mr * std::max<int64_t>(1, 128 / p.mr);
  p.nc = std::max<int64_t>(1, 256 / p.panel);
  while (p.nc > 1 && g.batch * ceil_div(g.m, p.mc) * ceil_div(p.panels, p.nc) < 32) p.nc /= 2;
  while (p.mc > 2 * p.mr && g.batch * ceil_div(g.m, p.mc) * ceil_div(p.panels, p.nc) < 8) p.mc = p.mr * ((p.mc / p.mr + 1) / 2);
  p.m_blocks = ceil_div(g.m, p.mc);
  p.n_blocks = ceil_div(p.panels, p.nc);
  p.copy_a = wants_copy(g, p);
  Layout layout;
  p.pack_floats = checked_product(p.panels - p.packed_from, g.k, p.panel);
  p.b_packed = layout.add(checked_product(g.batch, p.pack_floats));
  p.scratch_floats = p.copy_a ? p.mc * (p.kc + 16) : 0;
  p.scratch = layout.add(checked_product(p.scratch_floats, scratch_slots()));
  p.total = layout.floats();
  return p;
}

// One panel of B, all of K, columns beyond N zero.
void pack_panel(const Gemm& g, const Plan& p, const GemmKernels& kernels, int64_t batch, int64_t panel, int64_t k0, int64_t k1,
                float* packed) {
  const int64_t n0 = panel * p.panel, n = std::min(p.panel, g.n - n0);
  const float* b = g.b + batch * g.b_batch;
  float* dst = packed + batch * p.pack_floats + (panel - p.packed_from) * g.k * p.panel + k0 * p.panel;
  if (g.b_transposed) return kernels.pack_transposed(b + n0 * g.ldb + k0, g.ldb, n, k1 - k0, dst, p.panel);
  for (int64_t k = k0; k < k1; ++k, dst += p.panel) {
    std::memcpy(dst, b + k * g.ldb + n0, static_cast<size_t>(n) * sizeof(float));
    std::fill(dst + n, dst + p.panel, 0.0f);
  }
}

void pack_b(const Gemm& g, const Plan& p, const GemmKernels& kernels, float* packed) {
  constexpr int64_t kDepth = 256;  // a multiple of every vector width
  const int64_t panels = p.panels - p.packed_from, pieces = ceil_div(g.k, kDepth);
  const double cost = static_cast<double>(g.batch * p.pack_floats) * 8;
  parallel_for(g.batch * panels * pieces, cost, [&](int64_t task) {
    const int64_t piece = task % pieces, panel = task / pieces % panels, batch = task / pieces / panels;
    pack_panel(g, p, kernels, batch, p.packed_from + panel, piece * kDepth, std::min(g.k, (piece + 1) * kDepth), packed);
  });
}

// A[m0 : m0+rows][k0 : k0+depth] into scratch; sets how the kernel reads it.
void copy_block_of_a(const Gemm& g, const float* a, int64_t rows, int64_t depth, float* scratch, GemmTile& tile) {
  if (g.aks == 1) {
    tile.ars = depth + 16, tile.aks = 1;
    for (int64_t m = 0; m < rows; ++m)
      std::memcpy(scratch + m * tile.ars, a + m * g.ars, static_cast<size_t>(depth) * sizeof(float));
  } else {
    tile.ars = 1, tile.aks = rows;
    for (int64_t k = 0; k < depth; ++k)
      std::memcpy(scratch + k * rows, a + k * g.aks, static_cast<size_t>(rows) * sizeof(float));
  }
  tile.a = scratch;
}

// One task's C block for one block of K.
void multiply_block(const Gemm& g, const Plan& p, const GemmKernels& kernels, GemmTile& tile, int64_t m0, int64_t rows, int64_t panel0,
                    int64_t panel1, int64_t batch, int64_t k0, const float* packed) {
  const float* a = tile.a;
  float* c = g.c + batch * g.c_batch + m0 * g.ldc;
  const EvenSplit split = tile_rows(rows, p.mr);
  for (int64_t panel = panel0; panel < panel1; ++panel) {
    const int64_t n0 = panel * p.panel;
    const bool from_pack = panel >= p.packed_from;
    tile.b = from_pack ? packed + batch * p.pack_floats + ((panel - p.packed_from) * g.k + k0) * p.panel
                       : g.b + batch * g.b_batch + k0 * g.ldb + n0;
    tile.bks = from_pack ? p.panel : g.ldb;
    tile.n = std::min(p.panel, g.n - n0);
    tile.bias = g.bias ? g.bias + n0 : nullptr;
    const auto& fn = kernels.fn[ceil_div(tile.n, kernels.width)];
    for (int64_t i = 0; i < split.parts; ++i) {
      const int64_t m = split.begin(i), height = split.size(i);
      tile.a = a + m * tile.ars;
      tile.c = c + m * g.ldc + n0;
      tile.a_jump = (height + 1) / 2 * tile.ars;
      tile.c_jump = (height + 1) / 2 * tile.crs;
      fn[height](tile);
    }
  }
}

void run_task(const Gemm& g, const Plan& p, const GemmKernels& kernels, int64_t task, const float* packed, float* scratch) {
  const int64_t n_block = task % p.n_blocks, m_block = task / p.n_blocks % p.m_blocks, batch = task / p.n_blocks / p.m_blocks;
  const int64_t m0 = m_block * p.mc, rows = std::min(p.mc, g.m - m0);
  const int64_t zero = 0;
  GemmTile tile = {};
  tile.a_off = tile.b_off = &zero;
  tile.batch = 1;
  tile.crs = g.ldc;
  int64_t k0 = 0;
  do {  // once also when K is 0: C = act(bias)
    tile.k = std::min(p.kc, g.k - k0);
    tile.a = g.a + batch * g.a_batch + m0 * g.ars + k0 * g.aks;
    tile.ars = g.ars, tile.aks = g.aks;
    if (p.copy_a) copy_block_of_a(g, tile.a, rows, tile.k, scratch, tile);
    const bool last = k0 + tile.k == g.k;
    tile.accumulate = g.accumulate || k0 > 0;
    tile.activation = last ? g.activation : Activation::none;
    Gemm part = g;
    if (!last) part.bias = nullptr;
    multiply_block(part, p, kernels, tile, m0, rows, n_block * p.nc, std::min(p.panels, (n_block + 1) * p.nc), batch, k0, packed);
    k0 += tile.k;
  } while (k0 < g.k);
}

}  // namespace

int64_t gemm_workspace(const Gemm& problem, const GemmKernels& kernels) {
  if (problem.batch == 0 || problem.m == 0 || problem.n == 0) return 0;
  return make_plan(problem, kernels).total;
}

void gemm(const Gemm& g, const GemmKernels& kernels, float* workspace) {
  if (g.batch == 0 || g.m == 0 || g.n == 0) return;
  const Plan p = make_plan(g, kernels);
  if (p.packed_from < p.panels && g.k > 0) pack_b(g, p, kernels, workspace + p.b_packed);
  const double cost = 2.0 * static_cast<double>(g.batch * g.m) * static_cast<double>(g.n * g.k) / 16 + static_cast<double>(g.m * g.n);
  parallel_tasks(p.tasks(g), cost, [&](int64_t task, int64_t slot) {
    run_task(g, p, kernels, task, workspace + p.b_packed, workspace + p.scratch + slot * p.scratch_floats);
  });
}

}  // namespace tenon
