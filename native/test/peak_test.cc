// The kernels that measure the machine: that they compute what they say, with plain and streaming stores,
// and refuse other operands.
#include "kernels/gemm_bf16_paths.h"
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

void test_fma_peak(Target target) {
  const Tensor y(DType::f32, {5, 16});
  const Outcome outcome = run_kernel("fma_peak", target, {y.view}, {200});
  // Each of 12 chains has converged to 0.75 / (1 - 0.5).
  close(y, std::vector<double>(80, 12 * 1.5), 1e-5, 0, name_of(target));
  CHECK(outcome.cost.flops == 5.0 * 200 * 12 * 2 * static_cast<double>(lanes_of(target)));
  CHECK(rejects("fma_peak", target, {y.view}, {0}));
  CHECK(rejects("fma_peak", target, {make_view(DType::f32, {5, 8})}, {1}));
  CHECK(rejects("fma_peak", target, {make_view(DType::i32, {5, 16})}, {1}));
}

void test_bf16_peak(Target target) {
  const Tensor y(DType::f32, {5, 16});
  const Outcome outcome = run_kernel("bf16_peak", target, {y.view}, {200});
  CHECK(rejects("bf16_peak", target, {y.view}, {0}));
  if (bf16_chains(target).run == nullptr) {
    // In float: the chains of fma_peak.
    close(y, std::vector<double>(80, 12 * 1.5), 1e-5, 0, name_of(target));
    return;
  }
  // Each multiply-add of ones has added one.
  double total = 0;
  for (int64_t i = 0; i < 80; ++i) total += y.at(i);
  CHECK(total == outcome.cost.flops / 2);
}

void test_triad(Target target) {
  for (const int64_t n : {0, 1, 7, 8, 16, 33, 70001}) {
    for (const double streaming : {0.0, 1.0}) {
      const std::vector<double> b = random_values(n, 1), c = random_values(n, 2);
      const Tensor x(DType::f32, {n}, b), z(DType::f32, {n}, c), a(DType::f32, {n});
      std::vector<double> expected(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) expected[static_cast<size_t>(i)] = x.at(i) + 3 * z.at(i);
      const Outcome outcome = run_kernel("triad", target, {x.view, z.view, a.view}, {streaming});
      close(a, expected, 1e-6, 0, name_of(target));
      CHECK(outcome.cost.bytes == 12.0 * static_cast<double>(n));
      check_threads("triad", target, {x.view, z.view, a.view}, {streaming}, a);
    }
  }
  const TensorView four = make_view(DType::f32, {4}), five = make_view(DType::f32, {5});
  CHECK(rejects("triad", target, {four, five, four}, {0}));
  CHECK(rejects("triad", target, {five, four, four}, {0}));
  CHECK(rejects("triad", target, {four, four, four}, {}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    if (target == Target::ref) return;
    test_fma_peak(target);
    test_bf16_peak(target);
    test_triad(target);
  });
  return report();
}
