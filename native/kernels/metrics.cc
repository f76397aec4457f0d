// Counts rows of x [B, K] by the place of the target: a label (i32 [B]) or the argmax of soft targets (real
// [B, K]). The lowest index wins ties and NaN counts as largest, as in argmax.
// count_correct: the target is the argmax. A label outside of [0, K) equals none: cross_entropy reports it.
// count_top_k, attribute k: the target is among the k largest. Reports a label outside of [0, K) itself.
#define TENON_KERNEL_FILE "kernels/metrics.cc"
#include "kernels/checks.h"

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

// Whether element i comes before element j when x is sorted from the largest on.
inline bool before(const real* x, int64_t i, int64_t j) {
  const bool nan = x[i] != x[i];
  if (nan != (x[j] != x[j])) return nan;
  return x[i] > x[j] || (!(x[i] < x[j]) && i < j);
}

inline int64_t place_of(const real* x, int64_t n, int64_t j) {
  int64_t place = 0;
  for (int64_t i = 0; i < n; ++i) place += before(x, i, j);
  return place;
}

Cost prepare(const Call& call) {
  require_operands(call, 3);
  const TensorView &x = call.t[0], &target = call.t[1], &y = call.t[2];
  require(x.rank == 2 && x.dims[1] >= 1 && x.dtype == kReal, "metrics: x must be real [B, K]");
  const bool hard = target.dtype == DType::i32 && target.rank == 1;
  const bool soft = target.dtype == kReal && target.rank == 2 && target.dims[1] == x.dims[1];
  require((hard || soft) && target.dims[0] == x.dims[0], "metrics: target must be i32 [B] or real [B, K]");
  require(y.dtype == kReal && y.rank == 0, "metrics: y must be a real of rank 0");
  const size_t chunks = static_cast<size_t>(ceil_div(x.dims[0], chunk_rows(x.dims[1])));
  return {chunks * sizeof(int64_t), static_cast<double>(x.numel()),
          static_cast<double>(x.bytes() + target.bytes())};
}

// hit(row of x, target, index of the row) for every row; how many do.
template <class Hit>
void count_rows(const Call& call, Hit&& hit) {
  const int64_t n = call.t[0].dims[0], k = call.t[0].dims[1], chunk = chunk_rows(k);
  const real* x = call.t[0].as<real>();
  const TensorView& target = call.t[1];
  int64_t* counts = reinterpret_cast<int64_t*>(call.workspace);
  parallel_chunks(n, chunk, 4.0 * n * k, [&](int64_t begin, int64_t end) {
    int64_t count = 0;
    for (int64_t b = begin; b < end; ++b) {
      const int64_t want =
          target.dtype == DType::i32 ? target.as<int32_t>()[b] : argmax(target.as<real>() + b * k, k);
      count += hit(x + b * k, want, b);
    }
    counts[begin / chunk] = count;
  });
  int64_t total = 0;
  for (int64_t i = 0; i < ceil_div(n, chunk); ++i) total += counts[i];
  *call.t[2].as<real>() = static_cast<real>(total);
}

void run_correct(const Call& call) {
  const int64_t k = call.t[0].dims[1];
  count_rows(call, [=](const real* x, int64_t want, int64_t) { return argmax(x, k) == want; });
}

constexpr AttrNames kTopKAttrs{"k"};

Cost prepare_top_k(const Call& call) {
  const Cost cost = prepare(call);
  const int64_t count = integer_attr(call, kTopKAttrs["k"], "count_top_k: k must be an integer");
  require(count >= 1 && count <= call.t[0].dims[1], "count_top_k: k must be from 1 to the number of classes");
  return cost;
}

void run_top_k(const Call& call) {
  const int64_t k = call.t[0].dims[1], count = call.attr(kTopKAttrs["k"]);
  count_rows(call, [&](const real* x, int64_t want, int64_t row) {
    const bool valid = want >= 0 && want < k;
    if (!valid) call.run->fault(Fault::label_out_of_range, row);
    return valid && place_of(x, k, want) < count;
  });
}

TENON_KERNEL(count_correct, prepare, run_correct)
TENON_KERNEL(count_top_k, prepare_top_k, run_top_k, kTopKAttrs)
#endif
