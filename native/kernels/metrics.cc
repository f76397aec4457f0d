// Counts the rows of x [B, K] whose argmax is the target: a label (i32 [B]) or the argmax of soft targets
// (real [B, K]). The lowest index wins ties and NaN counts as largest, as in argmax. A label outside of [0,
// K) equals no argmax: cross_entropy reports it.
#define TENON_KERNEL_FILE "kernels/metrics.cc"
#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

constexpr int64_t kChunkElements = 16384;

inline int64_t argmax(const real* x, int64_t n) {
  int64_t best = 0;
  for (int64_t k = 1; k < n; ++k) {
    if (x[k] > x[best] || (x[k] != x[k] && x[best] == x[best])) best = k;
  }
  return best;
}

int64_t chunk_rows(int64_t k) { return std::max<int64_t>(1, kChunkElements / k); }

Cost prepare(const Call& call) {
  require_counts(call, 3, 0);
  const TensorView &x = call.t[0], &target = call.t[1], &y = call.t[2];
  require(x.rank == 2 && x.dims[1] >= 1 && x.dtype == kReal, "count_correct: x must be real [B, K]");
  const bool hard = target.dtype == DType::i32 && target.rank == 1;
  const bool soft = target.dtype == kReal && target.rank == 2 && target.dims[1] == x.dims[1];
  require((hard || soft) && target.dims[0] == x.dims[0],
          "count_correct: target must be i32 [B] or real [B, K]");
  require(y.dtype == kReal && y.rank == 0, "count_correct: y must be a real of rank 0");
  const size_t chunks = static_cast<size_t>(ceil_div(x.dims[0], chunk_rows(x.dims[1])));
  return {chunks * sizeof(int64_t), static_cast<double>(x.numel()),
          static_cast<double>(x.bytes() + target.bytes())};
}

void run(const Call& call) {
  const int64_t n = call.t[0].dims[0], k = call.t[0].dims[1], chunk = chunk_rows(k);
  const real* x = call.t[0].as<real>();
  const TensorView& target = call.t[1];
  int64_t* counts = reinterpret_cast<int64_t*>(call.workspace);
  parallel_chunks(n, chunk, 4.0 * n * k, [&](int64_t begin, int64_t end) {
    int64_t count = 0;
    for (int64_t b = begin; b < end; ++b) {
      const int64_t want =
          target.dtype == DType::i32 ? target.as<int32_t>()[b] : argmax(target.as<real>() + b * k, k);
      count += argmax(x + b * k, k) == want;
    }
    counts[begin / chunk] = count;
  });
  int64_t total = 0;
  for (int64_t i = 0; i < ceil_div(n, chunk); ++i) total += counts[i];
  *call.t[2].as<real>() = static_cast<real>(total);
}

TENON_KERNEL(count_correct, prepare, run)
#endif
