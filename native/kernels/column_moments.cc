// column_moments: x R [B, D], shift f64 [D], total f64 [D] -> total' f64 [D]; attribute: power, 1
// or 2. total'[d] = total[d] + sum over b of (x[b][d] - shift[d])^power, in f64, in the order of b. In
// place with total.
#define TENON_KERNEL_FILE "kernels/column_moments.cc"
#include "kernels/sums_operands.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

constexpr AttrNames kAttrs{"power"};
constexpr int64_t kColumns = 512;  // a chunk's sums stay in the first-level cache

Cost prepare_moments(const Call& c) {
  const SumsOperands g = SumsOperands::make(c, kReal, 1);
  require(c.attrs[kAttrs["power"]] == 1 || c.attrs[kAttrs["power"]] == 2,
          "column_moments: power must be 1 or 2");
  const double n = static_cast<double>(g.rows) * static_cast<double>(g.features);
  return {0, 3 * n, n * sizeof(real)};
}

void run_moments(const Call& c) {
  const SumsOperands g = SumsOperands::make(c, kReal, 1);
  const bool square = c.attrs[kAttrs["power"]] == 2;
  const double *shift = c.t[1].as<double>(), *total = c.t[2].as<double>();
  double* out = c.t[3].as<double>();
  const double cost = static_cast<double>(g.rows) * static_cast<double>(g.features);
  parallel_chunks(g.features, kColumns, cost, [&](int64_t begin, int64_t end) {
    if (out != total) std::copy(total + begin, total + end, out + begin);
    for (int64_t b = 0; b < g.rows; ++b) {
      const real* row = c.t[0].as<real>() + b * g.features;
      for (int64_t d = begin; d < end; ++d) {
        const double v = static_cast<double>(row[d]) - shift[d];
        out[d] += square ? v * v : v;
      }
    }
  });
}

TENON_KERNEL(column_moments, prepare_moments, run_moments, kAttrs)
#endif
