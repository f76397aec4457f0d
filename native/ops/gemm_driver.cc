// Blocking, packing and threads of C = op(A) op(B).
//
//   C[M][N] is cut in tasks of mc x nc; a task walks K in blocks of kc, keeping one packed panel of B (kc x
//   panel) and its block of A (mc x kc) in the second-level cache, and calls the register kernel for every
//   tile of mr x panel.
//
// B comes from packed panels [panel][k][width of panel] when it is transposed, when it is large enough that
// strided reads hurt, and for the last panel where rows of B end early; otherwise it is read where it is.
// With few rows of A a task has all of them and packs the block of B it is about to use into its scratch;
// with many, all of B is packed to the workspace first. A's block is copied to the scratch, tile by tile,
// when enough panels use it. Few rows with a large B are left to gemm_few_rows.cc. Every C[m][n] is the sum
// of its blocks of K in order, each summed from zero (see gemm.h): how M and N are cut changes no bit.
#include <cstring>

#include "kernels/streamed_bytes.h"
#include "ops/gemm_few_rows.h"
#include "ops/matmul.h"

namespace tenon {
namespace {

constexpr int64_t kPackFloats = 1 << 18;  // a row-major B of at least this many floats is packed,
constexpr int64_t kPackRows = 64;         // if as many rows of A will use it;
constexpr int64_t kShortK = 32;           // sums so short that writing C takes most of the time,
constexpr int64_t kLargeC = 1 << 18;      // where C is larger than the second-level cache
constexpr int64_t kLargeA = 1 << 18;      // or where A is
constexpr int64_t kLine = 16;             // floats of a cache line
constexpr int64_t kWays = 8;              // lines of a first-level cache's set

struct Plan {
  int nv;
  int64_t mr, panel;            // register tile
  int64_t panels, packed_from;  // panels from this one on are packed
  int64_t mc, nc;               // task: rows, panels
  int64_t m_blocks, n_blocks;
  int64_t kc, a_panel;
  bool copy_a, fetch_a, pack_first, along_rows, stream;
  int64_t pack_floats, packed_floats, b_packed;      // workspace, in floats: all of B (of one batch, of all),
  int64_t scratch, a_floats, scratch_floats, total;  // and a worker's blocks of A and B

  int64_t tasks(const Gemm& g) const { return g.batch * m_blocks * n_blocks; }
};

// Short problems take wide tiles: the fewer rows, the more columns keep enough sums in flight.
int choose_nv(const Gemm& g, const GemmKernels& kernels) {
  int nv = g.m <= kernels.mr[4] ? 4 : 2;
  while (nv > 1 && (nv / 2) * kernels.width >= g.n) nv /= 2;
  return nv;
}

// Whether C is written once, in whole lines, and is too large for caches.
bool wants_stream(const Gemm& g, const Plan& p) {
  const bool later = g.activation == Activation::tanh || g.activation == Activation::sigmoid;
  const bool lines = g.n % kLine == 0 && p.panel % kLine == 0 && g.ldc % kLine == 0 &&
                     g.c_batch % kLine == 0 && reinterpret_cast<uintptr_t>(g.c) % (4 * kLine) == 0;
  return lines && !later && !g.accumulate && g.k <= p.kc && g.batch * g.m * g.n * 4 >= streamed_bytes;
}

// Rows of A are streams that the processor fetches ahead, and are copied only where tall tiles need it: a
// multiple of 4 KB apart, they meet in one set of the first-level cache, which has fewer lines. Columns are
// copied when enough panels use the copy.
bool wants_copy(const Gemm& g, const Plan& p) {
  if (g.aks == 1) return p.mr > kWays && p.nc >= 2 && g.ars % 1024 == 0;
  return p.nc >= 4 && g.aks >= 512;
}

// Whether rows of A come from beyond the second-level cache, next to each other. A tile reads so many short
// ones at a time that the processor does not see what follows.
bool wants_fetch(const Gemm& g, const Plan& p) {
  return !p.copy_a && g.aks == 1 && g.ars == g.k && g.k <= p.kc && g.m * g.k >= kLargeA;
}

// Rows of A that a task may have: their block of K stays in the second-level cache, which is larger where
// vectors are. With more rows, B is packed before all tasks.
int64_t most_rows(const GemmKernels& kernels) { return kernels.width >= 16 ? 512 : 256; }

// kept: panels of B come from an earlier call, so all of them that are not read in place are packed first.
Plan make_plan(const Gemm& g, const GemmKernels& kernels, bool kept) {
  Plan p = {};
  p.nv = choose_nv(g, kernels);
  p.mr = kernels.mr[p.nv];
  p.panel = p.nv * kernels.width;
  p.panels = ceil_div(g.n, p.panel);
  const bool large = g.k * g.n >= kPackFloats || g.ldb % 1024 == 0;  // so far apart, rows share cache sets
  const bool pack_all = g.b_transposed || (g.m >= kPackRows && large);
  p.packed_from = pack_all ? 0 : g.n / p.panel;
  p.kc = gemm_depth(g.k);
  p.pack_first = (kept || g.m > most_rows(kernels)) && p.packed_from < p.panels;
  // Tasks: about 128 rows by 256 columns, smaller when there would be few of them. Where tasks pack B, they
  // have all rows, so that it is packed once.
  p.mc = p.mr * ceil_div(pack_all && !p.pack_first ? g.m : 128, p.mr);
  p.nc = std::clamp<int64_t>(256 / p.panel, 1, p.panels);
  const auto tasks = [&] { return g.batch * ceil_div(g.m, p.mc) * ceil_div(p.panels, p.nc); };
  while (p.nc > 1 && tasks() < wanted_tasks()) p.nc /= 2;
  while (p.mc > 2 * p.mr && tasks() < wanted_tasks() / 2) p.mc = p.mr * ceil_div(p.mc / p.mr, 2);
  p.m_blocks = ceil_div(g.m, p.mc);
  p.mc = p.mr * ceil_div(ceil_div(g.m, p.mr), p.m_blocks);
  p.n_blocks = ceil_div(p.panels, p.nc);
  p.copy_a = wants_copy(g, p);
  p.fetch_a = wants_fetch(g, p);
  p.stream = wants_stream(g, p);
  p.along_rows = g.k <= kShortK && g.m * g.n >= kLargeC && (p.pack_first || p.packed_from == p.panels);
  Layout layout;
  p.pack_floats = p.pack_first ? checked_product(p.panels - p.packed_from, g.k, p.panel) : 0;
  p.packed_floats = checked_product(g.batch, p.pack_floats);
  p.b_packed = layout.add(kept ? 0 : p.packed_floats);
  p.a_panel = ceil_div(p.mr, kernels.width) * kernels.width;
  p.a_floats =
      p.copy_a ? ceil_div(tile_rows(std::min(p.mc, g.m), p.mr).parts * p.kc * p.a_panel, 16) * 16 : 0;
  p.scratch_floats = p.a_floats + (p.pack_first || p.packed_from == p.panels ? 0 : p.kc * p.panel);
  p.scratch = layout.add(checked_product(p.scratch_floats, scratch_slots()));
  p.total = layout.floats();
  return p;
}

// B[k0 : k1][one panel] -> dst, columns beyond N zero.
void pack_panel(const Gemm& g, const Plan& p, const GemmKernels& kernels, int64_t batch, int64_t panel,
                int64_t k0, int64_t k1, float* dst) {
  const int64_t n0 = panel * p.panel, n = std::min(p.panel, g.n - n0);
  const float* b = g.b + batch * g.b_batch;
  if (g.b_transposed) return kernels.pack_transposed(b + n0 * g.ldb + k0, g.ldb, n, k1 - k0, dst, p.panel);
  for (int64_t k = k0; k < k1; ++k, dst += p.panel) {
    std::memcpy(dst, b + k * g.ldb + n0, static_cast<size_t>(n) * sizeof(float));
    std::fill(dst + n, dst + p.panel, 0.0f);
  }
}

// Where row k of the panel is in a B that is packed first.
int64_t packed_at(const Gemm& g, const Plan& p, int64_t batch, int64_t panel, int64_t k) {
  return batch * p.pack_floats + ((panel - p.packed_from) * g.k + k) * p.panel;
}

// Rows of a row-major B are read in runs of many panels, a few rows at a time: whole cache lines along the
// rows, and panels written in runs too.
void pack_b(const Gemm& g, const Plan& p, const GemmKernels& kernels, float* packed) {
  struct Piece {
    int64_t depth, strip, panels;  // depth and strip: multiples of every vector width, or not transposed
  };
  const Piece piece = g.b_transposed ? Piece{256, 256, 1} : Piece{64, 8, 32};
  const int64_t panels = p.panels - p.packed_from;
  const int64_t pieces = ceil_div(g.k, piece.depth), groups = ceil_div(panels, piece.panels);
  const double cost = static_cast<double>(g.batch * p.pack_floats) * 8;
  parallel_for(g.batch * groups * pieces, cost, [&](int64_t task) {
    const int64_t batch = task / pieces / groups, panel0 = task / pieces % groups * piece.panels;
    const int64_t k0 = task % pieces * piece.depth, k1 = std::min(g.k, k0 + piece.depth);
    for (int64_t k = k0; k < k1; k += piece.strip) {
      for (int64_t panel = panel0; panel < std::min(panels, panel0 + piece.panels); ++panel)
        pack_panel(g, p, kernels, batch, p.packed_from + panel, k, std::min(k1, k + piece.strip),
                   packed + packed_at(g, p, batch, p.packed_from + panel, k));
    }
  });
}

// The rows of a task as the kernels read them: tile i is at a + i * tile_step (copied) or at its
// rows' own place.
struct BlockOfA {
  const float* a;
  int64_t ars, aks;
  bool copied;
};

// The same for an A whose columns are contiguous: a few of them at a time, so that cache lines are read
// whole. Where A has the rows, a panel is copied with those beyond its tile: copies of a constant size.
void copy_columns_of_a(const Gemm& g, const Plan& p, const float* a, int64_t rows, int64_t readable,
                       int64_t depth, float* scratch) {
  constexpr int64_t kStrip = 8;
  const EvenSplit split = tile_rows(rows, p.mr);
  for (int64_t k0 = 0; k0 < depth; k0 += kStrip) {
    const int64_t k1 = std::min(depth, k0 + kStrip);
    for (int64_t i = 0; i < split.parts; ++i) {
      const float* src = a + split.begin(i);
      float* dst = scratch + i * depth * p.a_panel;
      const bool whole = p.a_panel % 8 == 0 && split.begin(i) + p.a_panel <= readable;
      const auto height = static_cast<size_t>(split.size(i));
      for (int64_t k = k0; k < k1; ++k) {
        if (!whole)
          std::memcpy(dst + k * p.a_panel, src + k * g.aks, height * sizeof(float));
        else
          for (int64_t j = 0; j < p.a_panel; j += 8)
            std::memcpy(dst + k * p.a_panel + j, src + k * g.aks + j, 8 * sizeof(float));
      }
    }
  }
}

// A[m0 : m0+rows][k0 : k0+depth] -> [tile][k][a_panel], each tile's rows next to each other. `readable`: the
// rows that A has from m0 on.
BlockOfA copy_block_of_a(const Gemm& g, const Plan& p, const GemmKernels& kernels, const float* a,
                         int64_t rows, int64_t readable, int64_t depth, float* scratch) {
  if (g.aks != 1) {
    copy_columns_of_a(g, p, a, rows, readable, depth, scratch);
  } else {
    const EvenSplit split = tile_rows(rows, p.mr);
    for (int64_t i = 0; i < split.parts; ++i)
      kernels.pack_transposed(a + split.begin(i) * g.ars, g.ars, split.size(i), depth,
                              scratch + i * depth * p.a_panel, p.a_panel);
  }
  return {scratch, 1, p.a_panel, true};
}

// What a task works on: rows of A, panels of B, a block of K.
struct Block {
  int64_t batch, m0, rows, panel0, panel1, k0;
};

// Where the panel's block of B is read; packs it first when that is the task's job.
void place_b(const Gemm& g, const Plan& p, const GemmKernels& kernels, const Block& x, int64_t panel,
             const float* packed, float* scratch, GemmTile& tile) {
  tile.bks = p.panel;
  if (panel < p.packed_from) {
    tile.b = g.b + x.batch * g.b_batch + x.k0 * g.ldb + panel * p.panel;
    tile.bks = g.ldb;
  } else if (p.pack_first) {
    tile.b = packed + packed_at(g, p, x.batch, panel, x.k0);
  } else {
    pack_panel(g, p, kernels, x.batch, panel, x.k0, x.k0 + tile.k, scratch + p.a_floats);
    tile.b = scratch + p.a_floats;
  }
}

// Tile i of the block's rows with one panel whose block of B is placed.
void multiply_tile(const Gemm& g, const Plan& p, const GemmKernels& kernels, const Block& x,
                   const BlockOfA& a, const EvenSplit& split, int64_t panel, int64_t i, GemmTile& tile) {
  const int64_t m = split.begin(i), height = split.size(i), n0 = panel * p.panel;
  tile.a = a.a + (a.copied ? i * tile.k * p.a_panel : m * tile.ars);
  tile.c = g.c + x.batch * g.c_batch + (x.m0 + m) * g.ldc + n0;
  tile.a_jump = (height + 1) / 2 * tile.ars;
  tile.c_jump = (height + 1) / 2 * tile.crs;
  tile.n = std::min(p.panel, g.n - n0);
  tile.bias = g.bias && x.k0 + tile.k == g.k ? g.bias + n0 : nullptr;
  kernels.fn[ceil_div(tile.n, kernels.width)][height](tile);
}

// The packed block of B that the task needs after this panel's, or null. With a single tile of rows, panels
// are read as fast as they are multiplied, and the processor sees what is next.
const float* next_block_of_b(const Gemm& g, const Plan& p, const Block& x, int64_t panel, int64_t depth,
                             const float* packed) {
  int64_t k0 = x.k0;
  if (++panel == x.panel1) panel = x.panel0, k0 += depth;
  const bool read_in_place = !p.pack_first || panel < p.packed_from;
  if (x.rows <= p.mr || read_in_place || depth == 0 || k0 + depth > g.k) return nullptr;
  return packed + packed_at(g, p, x.batch, panel, k0);
}

// What is fetched while tile i is multiplied: the rows of A that the next tile reads first, or a part of the
// next block of B.
void fetch_ahead(const Plan& p, const BlockOfA& a, const EvenSplit& split, int64_t i, bool first_panel,
                 const float* next, GemmTile& tile) {
  const EvenSplit ahead = {tile.k, split.parts};
  if (p.fetch_a && first_panel) {
    tile.ahead = a.a + split.begin(i + 1) * tile.ars;
    tile.ahead_step = split.size(i);
  } else if (next) {
    tile.ahead = next + ahead.begin(i) * p.panel;
    tile.ahead_step = ceil_div(ahead.size(i) * p.panel, tile.k);
  } else {
    tile.ahead = nullptr;
  }
}

// The task's block of C for one block of K. Panels change slower than rows, so that a panel of B stays in the
// first-level cache; short sums go along the rows of C, as memory likes to be written.
void multiply_block(const Gemm& g, const Plan& p, const GemmKernels& kernels, const Block& x,
                    const BlockOfA& a, GemmTile& tile, const float* packed, float* scratch) {
  const EvenSplit split = tile_rows(x.rows, p.mr);
  tile.activation = x.k0 + tile.k == g.k ? g.activation : Activation::none;
  if (p.along_rows) {
    for (int64_t i = 0; i < split.parts; ++i) {
      for (int64_t panel = x.panel0; panel < x.panel1; ++panel) {
        place_b(g, p, kernels, x, panel, packed, scratch, tile);
        fetch_ahead(p, a, split, i, panel == x.panel0, nullptr, tile);
        multiply_tile(g, p, kernels, x, a, split, panel, i, tile);
      }
    }
    return;
  }
  for (int64_t panel = x.panel0; panel < x.panel1; ++panel) {
    place_b(g, p, kernels, x, panel, packed, scratch, tile);
    const float* next = next_block_of_b(g, p, x, panel, tile.k, packed);
    for (int64_t i = 0; i < split.parts; ++i) {
      fetch_ahead(p, a, split, i, panel == x.panel0, next, tile);
      multiply_tile(g, p, kernels, x, a, split, panel, i, tile);
    }
  }
}

void run_task(const Gemm& g, const Plan& p, const GemmKernels& kernels, int64_t task, const float* packed,
              float* scratch) {
  const int64_t n_block = task % p.n_blocks, m_block = task / p.n_blocks % p.m_blocks;
  Block x = {};
  x.batch = task / p.n_blocks / p.m_blocks;
  const EvenSplit tiles = {ceil_div(g.m, p.mr), p.m_blocks};  // even, for the threads' sake
  x.m0 = tiles.begin(m_block) * p.mr, x.rows = std::min(tiles.size(m_block) * p.mr, g.m - x.m0);
  x.panel0 = n_block * p.nc, x.panel1 = std::min(p.panels, x.panel0 + p.nc);
  const int64_t zero = 0;
  GemmTile tile = {};
  tile.a_off = tile.b_off = &zero;
  tile.batch = 1;
  tile.crs = g.ldc;
  tile.stream = p.stream;
  do {  // once also when K is 0: C = act(bias)
    tile.k = std::min(p.kc, g.k - x.k0);
    BlockOfA a = {g.a + x.batch * g.a_batch + x.m0 * g.ars + x.k0 * g.aks, g.ars, g.aks, false};
    if (p.copy_a) a = copy_block_of_a(g, p, kernels, a.a, x.rows, g.m - x.m0, tile.k, scratch);
    tile.ars = a.ars, tile.aks = a.aks;
    tile.accumulate = g.accumulate || x.k0 > 0;
    multiply_block(g, p, kernels, x, a, tile, packed, scratch);
    x.k0 += tile.k;
  } while (x.k0 < g.k);
  if (p.stream) kernels.end_streaming();
}

void run(const Gemm& g, const Plan& p, const GemmKernels& kernels, const float* packed, float* workspace) {
  const double cost = 2.0 * static_cast<double>(g.batch * g.m) * static_cast<double>(g.n * g.k) / 16 +
                      static_cast<double>(g.m * g.n);
  parallel_tasks(p.tasks(g), cost, [&](int64_t task, int64_t slot) {
    run_task(g, p, kernels, task, packed, workspace + p.scratch + slot * p.scratch_floats);
  });
}

bool is_empty(const Gemm& g) { return g.batch == 0 || g.m == 0 || g.n == 0; }

}  // namespace

int64_t gemm_depth(int64_t k) {
  constexpr int64_t kStep = 16;
  const int64_t blocks = std::max<int64_t>(1, ceil_div(k, kLongestChain));
  return std::min(k, ceil_div(ceil_div(k, blocks), kStep) * kStep);
}

int64_t gemm_workspace(const Gemm& g, const GemmKernels& kernels) {
  if (is_empty(g)) return 0;
  if (gemm_has_few_rows(g)) return gemm_few_rows_workspace(g, kernels);
  return make_plan(g, kernels, false).total;
}

void gemm(const Gemm& g, const GemmKernels& kernels, float* workspace) {
  if (is_empty(g)) return;
  if (gemm_has_few_rows(g)) return gemm_few_rows(g, kernels, workspace);
  const Plan p = make_plan(g, kernels, false);
  if (p.packed_floats > 0) pack_b(g, p, kernels, workspace + p.b_packed);
  run(g, p, kernels, workspace + p.b_packed, workspace);
}

int64_t gemm_packed_floats(const Gemm& g, const GemmKernels& kernels) {
  return is_empty(g) ? 0 : make_plan(g, kernels, true).packed_floats;
}

int64_t gemm_packed_layout(const Gemm& g, const GemmKernels& kernels) {
  return is_empty(g) ? 0 : make_plan(g, kernels, true).panel;
}

void gemm_pack(const Gemm& g, const GemmKernels& kernels, float* packed) {
  if (is_empty(g)) return;
  const Plan p = make_plan(g, kernels, true);
  if (p.packed_floats > 0) pack_b(g, p, kernels, packed);
}

int64_t gemm_packed_workspace(const Gemm& g, const GemmKernels& kernels) {
  return is_empty(g) ? 0 : make_plan(g, kernels, true).total;
}

void gemm_packed(const Gemm& g, const GemmKernels& kernels, const float* packed, float* workspace) {
  if (is_empty(g)) return;
  run(g, make_plan(g, kernels, true), kernels, packed, workspace);
}

}  // namespace tenon
