// softplus: x -> y, no attributes. y = log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), which never overflows.
// Dense, any shape, both real or both bf16; y may be x. Tails are handled by the mask of map.
#define TENON_KERNEL_FILE "kernels/softplus.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"

constexpr int64_t kChunk = 8192;
constexpr int kCost = 40;  // roughly the arithmetic per element

V softplus_of(V x) { return vmax(x, V{}) + vlog1p(vexp(-vabs(x))); }

Cost prepare_softplus(const Call& c) {
  require_operands(c, 2);
  require(is_storage(c.t[1].dtype), "softplus: y must be real or bf16");
  require_dtype(c.t[0], c.t[1].dtype, "softplus: x must be of y's dtype");
  require_same_dims(c.t[0], c.t[1], "softplus: shapes differ");
  const double n = static_cast<double>(c.t[0].numel());
  return {0, n * kCost, n * 2 * static_cast<double>(size_of(c.t[1].dtype))};
}

void run_softplus(const Call& c) {
  const int64_t n = c.t[0].numel();
  with_storage(c.t[1].dtype, [&](auto stored) {
    using T = decltype(stored);
    const T* x = c.t[0].as<T>();
    T* y = c.t[1].as<T>();
    parallel_chunks(n, kChunk, static_cast<double>(n) * kCost,
                    [&](int64_t begin, int64_t end) { map(end - begin, y + begin, softplus_of, x + begin); });
  });
}

TENON_KERNEL(softplus, prepare_softplus, run_softplus)
#endif
