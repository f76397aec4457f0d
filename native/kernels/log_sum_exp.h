// Reductions over one row that softmax and cross entropy share. Included once per target after vec.h, math.h
// and lanes.h (no include guard on purpose). Sums are over lanes first, then across them.
inline real row_max(const real* x, int64_t n) {
  constexpr real lowest = -std::numeric_limits<real>::infinity();
  V max = splat(lowest);
  for_vectors(n, [&](int64_t k, auto lanes) { max = vmax(max, lanes.keep(lanes.load(x + k), lowest)); });
  real best = max[0];
  for (int i = 1; i < W; ++i) best = max[i] > best || max[i] != max[i] ? max[i] : best;
  return best;
}

// sum exp(x - max)
inline real row_exp_sum(const real* x, int64_t n, real max) {
  V sum = {};
  for_vectors(n, [&](int64_t k, auto lanes) { sum += lanes.keep(vexp(lanes.load(x + k) - splat(max)), 0); });
  return hsum(sum);
}

// By the vector routine, so that the C library's choice of an implementation does not show in the result.
inline real scalar_log(real x) { return vlog(splat(x))[0]; }

// Rows of n elements for one parallel block.
inline int64_t row_chunk(int64_t n) { return std::max<int64_t>(1, 4096 / std::max<int64_t>(1, n)); }
