// What this machine can do at most: the roof that `tenon bench` measures kernels against.
// fma_peak: -> y R[blocks, 16]: chains of dependent multiply-adds that stay in registers, once per block.
// Attributes: iterations. Its FLOPs are 2 per lane, iteration and chain.
// bf16_peak: -> y R[blocks, 16]: the same in bf16, by the path of this process: dot products of pairs, or
// products of tiles; where there is none, fma_peak. Attributes: iterations.
//   triad:    b, c -> a, all R of one shape: a = b + s c (McCalpin's STREAM). Attributes: streaming, 1 for
//             stores that bypass the caches where the instruction set has them, else 0. It counts 3 operands,
//             as every kernel does: the line that an ordinary store reads first is not counted.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/peak.cc"
#include "kernels/checks.h"
#include "kernels/gemm_bf16_paths.h"
#include "kernels/streamed_bytes.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/streaming.h"

// Enough to hide the latency of two multiply-add units, and few enough for 16 registers.
constexpr int kChains = 12;
constexpr int64_t kRow = 16;

constexpr AttrNames kPeakAttrs{"iterations"}, kTriadAttrs{"streaming"};

Cost prepare_chains(const Call& c, int64_t flops) {
  require_operands(c, 1);
  require_dtype(c.t[0], kReal, "peak: y must be real");
  require(c.t[0].rank == 2 && c.t[0].dims[1] == kRow, "peak: y must be [blocks, 16]");
  const int64_t iterations = integer_attr(c, kPeakAttrs["iterations"], "peak: iterations must be an integer");
  require(iterations >= 1 && iterations <= 1000000000, "peak: iterations must be 1 to 1e9");
  const double links = static_cast<double>(iterations) * static_cast<double>(c.t[0].dims[0]);
  return {0, links * static_cast<double>(flops), 0};
}

Cost prepare_fma_peak(const Call& c) { return prepare_chains(c, kChains * W * 2); }

Cost prepare_bf16_peak(const Call& c) {
  const Bf16Chains chains = bf16_chains(kTarget);
  return chains.run == nullptr ? prepare_fma_peak(c) : prepare_chains(c, chains.flops);
}

// x = a x + b converges to b / (1 - a): neither overflow nor denormals slow it down.
V run_chains(int64_t iterations) {
  const V a = splat(0.5f), b = splat(0.75f);
  V x[kChains];
  for (int i = 0; i < kChains; ++i) x[i] = splat(static_cast<real>(i));
  for (int64_t n = 0; n < iterations; ++n) {
  #pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) x[i] = fma(x[i], a, b);
  }
  V sum = {};
  for (int i = 0; i < kChains; ++i) sum += x[i];
  return sum;
}

void run_fma_peak(const Call& c) {
  const int64_t iterations = c.attr(kPeakAttrs["iterations"]);
  real* y = c.t[0].as<real>();
  parallel_for(c.t[0].dims[0], [&](int64_t block) {
    const V sum = run_chains(iterations);
    for (int64_t i = 0; i < kRow; i += W) store(y + block * kRow + i, sum);
  });
}

void run_bf16_peak(const Call& c) {
  const Bf16Chains chains = bf16_chains(kTarget);
  if (chains.run == nullptr) {
    run_fma_peak(c);
    return;
  }
  const int64_t iterations = c.attr(kPeakAttrs["iterations"]);
  real* y = c.t[0].as<real>();
  parallel_for(c.t[0].dims[0], [&](int64_t block) { chains.run(iterations, y + block * kRow); });
}

Cost prepare_triad(const Call& c) {
  require_operands(c, 3);
  for (int i = 0; i < 3; ++i) require_dtype(c.t[i], kReal, "triad: operands must be real");
  require_same_dims(c.t[0], c.t[2], "triad: shapes differ");
  require_same_dims(c.t[1], c.t[2], "triad: shapes differ");
  const double n = static_cast<double>(c.t[2].numel());
  return {0, 2 * n, 3 * n * sizeof(real)};
}

void triad_range(int64_t n, real* a, const real* b, const real* c, bool streaming) {
  const V s = splat(3);
  const bool aligned = reinterpret_cast<uintptr_t>(a) % sizeof(V) == 0;
  if (!streaming || !aligned) {
    map(
        n, a, [s](V x, V y) { return x + s * y; }, b, c);
    return;
  }
  int64_t i = 0;
  for (; i + W <= n; i += W) store_streaming(a + i, load(b + i) + s * load(c + i));
  map(
      n - i, a + i, [s](V x, V y) { return x + s * y; }, b + i, c + i);
  end_streaming();
}

void run_triad(const Call& c) {
  constexpr int64_t kChunk = 1 << 16;
  const real* b = c.t[0].as<real>();
  const real* x = c.t[1].as<real>();
  real* a = c.t[2].as<real>();
  const bool streaming = c.attr(kTriadAttrs["streaming"]) != 0;
  const int64_t n = c.t[2].numel();
  parallel_chunks(n, kChunk, static_cast<double>(n) * 12, [&](int64_t begin, int64_t end) {
    triad_range(end - begin, a + begin, b + begin, x + begin, streaming);
  });
}

TENON_KERNEL(fma_peak, prepare_fma_peak, run_fma_peak, kPeakAttrs)
TENON_KERNEL(bf16_peak, prepare_bf16_peak, run_bf16_peak, kPeakAttrs)
TENON_KERNEL(triad, prepare_triad, run_triad, kTriadAttrs)
#endif
