// Blocking, packing and threads of double-precision products.
//
//   C is cut in tasks of kMc x kNc; a task walks K in blocks of kKc, packs its block of A (tiles of mr rows,
//   times alpha) and of B (panels of nr columns), zero where they end early, and calls the register tile.
//
// Packing takes kMc + kNc copies for kMc * kNc multiply-adds, so every task packs for itself.
#include "ops/gemm_f64.h"

#include <algorithm>
#include <cstring>

namespace tenon {
namespace {

constexpr int64_t kMc = 192, kNc = 192;  // multiples of every register tile
constexpr int64_t kKc = 256;
constexpr int64_t kTileDoubles = 12 * 16;  // of the largest register tile
constexpr int64_t kSlot = kKc * (kMc + kNc) + kTileDoubles;

// dst[tile][k][i] = alpha * src[(tile * width + i) * step + k * ks] for i < width; zero past `count`.
void pack(const double* src, int64_t step, int64_t ks, int64_t count, int64_t depth, int64_t width,
          double alpha, double* dst) {
  for (int64_t begin = 0; begin < count; begin += width) {
    const int64_t used = std::min(width, count - begin);
    const double* from = src + begin * step;
    for (int64_t k = 0; k < depth; ++k, dst += width) {
      for (int64_t i = 0; i < used; ++i) dst[i] = alpha * from[i * step + k * ks];
      for (int64_t i = used; i < width; ++i) dst[i] = 0;
    }
  }
}

// A tile at the edge of C goes through `edge`, which is as large as a whole one.
void edge_tile(const LinalgF64& linalg, int64_t depth, const double* a, const double* b, double* c,
               int64_t ldc, int64_t rows, int64_t columns, double* edge) {
  std::memset(edge, 0, kTileDoubles * sizeof(double));
  for (int64_t m = 0; m < rows; ++m) std::copy_n(c + m * ldc, columns, edge + m * linalg.nr);
  linalg.tile(depth, a, b, edge, linalg.nr);
  for (int64_t m = 0; m < rows; ++m) std::copy_n(edge + m * linalg.nr, columns, c + m * ldc);
}

void block(const GemmF64& g, const LinalgF64& linalg, int64_t m0, int64_t n0, double* scratch) {
  const int64_t rows = std::min(kMc, g.m - m0), columns = std::min(kNc, g.n - n0);
  double *a = scratch, *b = a + kKc * kMc, *edge = b + kKc * kNc;
  for (int64_t k0 = 0; k0 < g.k; k0 += kKc) {
    const int64_t depth = std::min(kKc, g.k - k0);
    pack(g.a + m0 * g.ars + k0 * g.aks, g.ars, g.aks, rows, depth, linalg.mr, g.alpha, a);
    pack(g.b + n0 * g.bcs + k0 * g.brs, g.bcs, g.brs, columns, depth, linalg.nr, 1, b);
    for (int64_t n = 0; n < columns; n += linalg.nr) {
      for (int64_t m = 0; m < rows; m += linalg.mr) {
        double* c = g.c + (m0 + m) * g.ldc + n0 + n;
        const int64_t m_left = rows - m, n_left = columns - n;
        if (m_left >= linalg.mr && n_left >= linalg.nr) {
          linalg.tile(depth, a + m * depth, b + n * depth, c, g.ldc);
        } else {
          edge_tile(linalg, depth, a + m * depth, b + n * depth, c, g.ldc, std::min(m_left, linalg.mr),
                    std::min(n_left, linalg.nr), edge);
        }
      }
    }
  }
}

}  // namespace

int64_t gemm_f64_workspace(const LinalgF64&) { return scratch_slots() * kSlot; }

void gemm_f64(const GemmF64& g, const LinalgF64& linalg, double* workspace) {
  const int64_t n_blocks = ceil_div(g.n, kNc);
  const double cost = static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.k);
  parallel_tasks(ceil_div(g.m, kMc) * n_blocks, cost, [&](int64_t task, int64_t slot) {
    const int64_t m0 = task / n_blocks * kMc, n0 = task % n_blocks * kNc;
    if (g.lower && n0 >= std::min(m0 + kMc, g.m)) return;
    block(g, linalg, m0, n0, workspace + slot * kSlot);
  });
}

}  // namespace tenon
