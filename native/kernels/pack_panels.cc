// pack_panels: w [N, ..., K] -> y [panels, K, 32], no attributes. Rows of w become columns, 32 to a panel,
// and columns beyond N are zero. Matrix products read panels in runs, whatever the vector's width.
#define TENON_KERNEL_FILE "kernels/pack_panels.cc"
#include "base/inverted_residual_geom.h"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

Cost prepare_pack_panels(const Call& c) {
  require_operands(c, 2);
  const TensorView &w = c.t[0], &y = c.t[1];
  require_dtype(w, kReal, "pack_panels: w must be real");
  require_dtype(y, kReal, "pack_panels: y must be real");
  require(w.rank >= 2 && y.rank == 3, "pack_panels: w must have rows, and y rank 3");
  const int64_t columns = w.dims[0], depth = columns > 0 ? w.numel() / columns : 0;
  require(columns >= 1 && depth >= 1, "pack_panels: w is empty");
  require(y.dims[0] == ceil_div(columns, kPanelColumns) && y.dims[1] == depth && y.dims[2] == kPanelColumns,
          "pack_panels: y must be [panels, K, 32]");
  const double bytes = static_cast<double>(w.bytes() + y.bytes());
  return {0, static_cast<double>(y.numel()), bytes};
}

void run_pack_panels(const Call& c) {
  const int64_t columns = c.t[0].dims[0], depth = c.t[1].dims[1];
  const real* w = c.t[0].as<real>();
  real* y = c.t[1].as<real>();
  parallel_for(c.t[1].dims[0], static_cast<double>(c.t[1].numel()), [&](int64_t panel) {
    for (int64_t k = 0; k < depth; ++k) {
      for (int64_t j = 0; j < kPanelColumns; ++j) {
        const int64_t column = panel * kPanelColumns + j;
        y[(panel * depth + k) * kPanelColumns + j] = column < columns ? w[column * depth + k] : real(0);
      }
    }
  });
}

TENON_KERNEL(pack_panels, prepare_pack_panels, run_pack_panels)
#endif
