#include "ops/panel_product.h"

#include "base/inverted_residual_geom.h"
#include "ops/matmul.h"

namespace tenon {
namespace {

// The columns of a panel that one tile takes.
int64_t tile_columns(int64_t columns, const GemmKernels& kernels) {
  return columns <= kernels.width ? kernels.width : 2 * kernels.width;
}

// All rows with some columns of a panel, for one block of K.
void multiply_columns(const PanelProduct& p, const GemmKernels& kernels, int64_t n0, bool first,
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

}  // namespace

void multiply_panels(const PanelProduct& p, const GemmKernels& kernels) {
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
