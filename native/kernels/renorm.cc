// renorm: w [O, ...], limit -> w'. Scales the rows of w whose 2-norm exceeds the limit by
// limit / (norm + 1e-7), as PyTorch's renorm. Real, rank 1 to 4. w' may be w.
#define TENON_KERNEL_FILE "kernels/renorm.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

constexpr int64_t kBlock = 512;
constexpr int64_t kChunk = 8192;

Cost prepare_renorm(const Call& c) {
  require_operands(c, 3);
  require_dtype(c.t[0], kReal, "renorm: w must be real");
  require_dtype(c.t[2], kReal, "renorm: w' must be real");
  require(c.t[0].rank >= 1, "renorm: w must have an axis");
  require_same_dims(c.t[0], c.t[2], "renorm: shapes differ");
  require_scalar(c.t[1], "renorm: limit must be a runtime scalar");
  const double n = static_cast<double>(c.t[0].numel());
  return {0, 3 * n, 2 * static_cast<double>(c.t[0].bytes())};
}

// Blocks are summed from zero.
real squares(const real* w, int64_t n) {
  real total = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock);
    V sum = {};
    int64_t i = begin;
    for (; i + W <= end; i += W) sum = fma(load(w + i), load(w + i), sum);
    if (i < end) sum = fma(load_n(w + i, end - i), load_n(w + i, end - i), sum);
    total += hsum(sum);
  }
  return total;
}

void run_renorm(const Call& c) {
  const int64_t rows = c.t[0].dims[0], n = c.t[0].numel();
  if (n == 0) return;
  const int64_t length = n / rows;
  const real *w = c.t[0].as<real>(), limit = static_cast<real>(scalar(c.t[1]));
  real* y = c.t[2].as<real>();
  parallel_chunks(rows, std::max<int64_t>(1, kChunk / length), 3 * static_cast<double>(n),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t row = begin; row < end; ++row) {
                      const real norm = std::sqrt(squares(w + row * length, length));
                      const V scale = splat(norm > limit ? limit / (norm + static_cast<real>(1e-7)) : 1);
                      map(
                          length, y + row * length, [scale](V x) { return x * scale; }, w + row * length);
                    }
                  });
}

TENON_KERNEL(renorm, prepare_renorm, run_renorm)
#endif
