#include "ops/panel_product.h"

#include <cstring>

#include "base/inverted_residual_geom.h"
#include "ops/gemm_bf16.h"
#include "ops/matmul.h"

namespace tenon {
namespace {

// The columns of a panel that one tile takes.
int64_t tile_columns(int64_t columns, const GemmKernels& kernels) {
  return columns <= kernels.width ? kernels.width : 2 * kernels.width;
}

// All rows with some columns of a panel, for one block of K.
void multiply_columns(const PanelProduct<float>& p, const GemmKernels& kernels, int64_t n0, bool first,
                      GemmTile& tile) {
  const int64_t vectors = ceil_div(tile.n, kernels.width);
  const EvenSplit rows = tile_rows(p.m, kernels.mr[vectors]);
  for (int64_t i = 0; i < rows.parts; ++i) {
    const int64_t half = (rows.size(i) + 1) / 2;
    tile.a_jump = half * p.ars, tile.c_jump = half * p.ldc;
    const int64_t at = rows.begin(i) * p.ldc + n0;
    tile.c = p.c + at;
    tile.addend = first && p.addend ? p.addend + at : nullptr;
    kernels.fn[vectors][rows.size(i)](tile);
    tile.a += rows.size(i) * p.ars;
  }
}

// Multiples of what every path of bf16 products takes.
constexpr int64_t kDepthStep = 32, kRowStep = 16;
constexpr int64_t kSums = kMostBlockPanels * kPanelColumns * kLeastBlockRows;

// Rows of a block of `panels` panels.
int64_t block_rows(int64_t depth, int64_t panels) {
  const int64_t floats = depth <= kShortDepth ? kNearBlockSums : kSums;
  return std::clamp(floats / (panels * kPanelColumns) / kRowStep * kRowStep, kLeastBlockRows, kMostBlockRows);
}

}  // namespace

int64_t Bf16Products::depth(int64_t k) { return round_up(k, kDepthStep); }
int64_t Bf16Products::rows(int64_t m) { return round_up(m, kRowStep); }
int64_t Bf16Products::scratch_floats(int64_t k) {
  return kSums + floats_of(checked_product(kMostBlockRows, depth(k)));
}

void Bf16Products::multiply(const PanelProduct<bf16>& p, float* scratch) const {
  static_assert(kPanelColumns == kBf16Panel);
  const int64_t depth = Bf16Products::depth(p.k), all = ceil_div(p.n, kPanelColumns);
  const int64_t k = round_up(p.k, kernels.k_step);  // zeros behind it are left out where that is allowed
  const EvenSplit parts = {all, ceil_div(all, kMostBlockPanels)};
  const int64_t step = block_rows(depth, parts.least + (parts.larger > 0 ? 1 : 0));
  auto* padded = reinterpret_cast<bf16*>(scratch + kSums);
  for (int64_t m = 0; m < p.m; m += step) {
    const int64_t rows = std::min(step, p.m - m);
    const bf16* a = p.a + m * p.ars;
    int64_t lda = p.ars;
    if (lda < k || m + round_up(rows, kernels.row_step) > p.readable) {
      pad_rows(a, lda, rows, p.k, k, padded);
      a = padded, lda = k;
    }
    for (int64_t part = 0; part < parts.parts; ++part) {
      const int64_t n0 = parts.begin(part) * kPanelColumns, ldc = parts.size(part) * kPanelColumns;
      const int64_t n = std::min(ldc, p.n - n0);
      bf16* c = p.c + m * p.ldc + n0;
      if (p.addend != nullptr)
        for (int64_t i = 0; i < rows; ++i)
          std::memcpy(c + i * p.ldc, p.addend + (m + i) * p.ldc + n0, static_cast<size_t>(n) * sizeof(bf16));
      multiply_and_finish(
          kernels, {a, lda, p.panels + n0 * depth, depth * kPanelColumns, rows, n, k, scratch, ldc, false},
          {scratch, rows, ldc, n, p.bias + n0, p.activation, c, p.ldc, true, p.addend != nullptr, false});
    }
  }
}

void FloatProducts::multiply(const PanelProduct<float>& p, float*) const {
  const int64_t zero = 0, depth = gemm_depth(p.k);
  GemmTile tile = {};
  tile.a_off = tile.b_off = &zero;
  tile.batch = 1;
  tile.ars = p.ars, tile.aks = 1;
  tile.bks = kPanelColumns;
  tile.crs = p.ldc;
  for (int64_t k0 = 0; k0 < p.k; k0 += depth) {
    tile.k = std::min(depth, p.k - k0);
    const bool last = k0 + tile.k == p.k;
    tile.accumulate = p.addend != nullptr || k0 > 0;
    tile.activation = last ? p.activation : Activation::none;
    for (int64_t panel = 0; panel < p.n; panel += kPanelColumns) {
      const int64_t end = std::min(p.n, panel + kPanelColumns);
      for (int64_t n0 = panel, columns; n0 < end; n0 += columns) {
        columns = std::min(end - n0, tile_columns(end - n0, kernels));
        tile.a = p.a + k0;
        tile.b = p.panels + panel * p.k + k0 * kPanelColumns + n0 - panel;
        tile.n = columns;
        tile.bias = last && p.bias != nullptr ? p.bias + n0 : nullptr;
        multiply_columns(p, kernels, n0, k0 == 0, tile);
      }
    }
  }
}

}  // namespace tenon
