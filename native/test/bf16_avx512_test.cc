// bf16 products and convolutions by AVX512-BF16, which a processor with AMX would not choose.
#include <cmath>
#include <cstdlib>
#include <limits>

#include "test/bf16_cases.h"

namespace tenon::test {
namespace {

std::vector<bf16> ramp(int64_t n, int64_t step) {
  std::vector<bf16> x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i)
    x[i] =
        to_bf16(static_cast<float>(static_cast<int64_t>(i) * step % 31 - 15) * 0.37f);  // sums are not exact
  return x;
}

// Rows of y are two elements longer than the product, to see what is written beyond it.
void finished_in_registers(int64_t m, int64_t n, int64_t k, Activation activation, bool bias, bool add) {
  const Bf16Kernels& kernels = bf16_kernels(Target::avx512);
  const int64_t panels = ceil_div(n, kBf16Panel), ldc = panels * kBf16Panel, ldy = n + 2;
  std::vector<bf16> a = ramp(m * k, 7), b = ramp(ldc * k, 5), before = ramp(m * ldy, 3);
  for (int64_t p = 0; p < panels; ++p)
    for (int64_t i = 0; i < k * kBf16Panel; ++i)
      if (p * kBf16Panel + i / 2 % kBf16Panel >= n) b[static_cast<size_t>(p * k * kBf16Panel + i)] = {};
  if (m > 1 && k > 0) a[static_cast<size_t>(k)] = to_bf16(std::numeric_limits<float>::quiet_NaN());
  std::vector<float> biases(static_cast<size_t>(n)), c(static_cast<size_t>(m * ldc));
  for (size_t i = 0; i < biases.size(); ++i) biases[i] = static_cast<float>(i % 9) - 4.3f;
  const auto run = [&](bool fused) {
    std::vector<bf16> y = before;
    const Bf16Product product = {a.data(), k, b.data(), k * kBf16Panel, m, n, k, c.data(), ldc, false};
    const Bf16Finish finish = {
        c.data(), m, ldc, n, bias ? biases.data() : nullptr, activation, y.data(), ldy, true, add, false};
    if (fused) {
      kernels.multiply_and_finish(product, finish);
    } else {
      kernels.multiply(product);
      kernels.finish(finish);
    }
    std::vector<uint16_t> bits;
    for (const bf16& value : y) bits.push_back(value.bits);
    return bits;
  };
  CHECK_THAT(run(true) == run(false), "finished in registers: " + std::to_string(m) + " " +
                                          std::to_string(n) + " " + std::to_string(k) + " " +
                                          std::to_string(static_cast<int>(activation)));
}

void all_finished_in_registers() {
  for (const Activation activation : {Activation::none, Activation::relu, Activation::relu6})
    for (const int64_t m : {1, 5, 12, 31})
      for (const int64_t n : {1, 15, 16, 24, 32, 33, 96, 110})
        for (const int64_t k : {0, 2, 16, 384, 386, 960})
          for (const bool bias : {false, true})
            for (const bool add : {false, true}) finished_in_registers(m, n, k, activation, bias, add);
}

// Taps, whose blocks of K may begin inside of a run, against the product of gathered rows: the same bits.
void taps_as_gathered(int64_t runs, int64_t steps, int64_t m, int64_t n) {
  const Bf16Kernels& kernels = bf16_kernels(Target::avx512);
  constexpr int64_t kImages = 2, kRow = 6, kRunGap = 20;
  const int64_t k = 2 * runs * steps, ldc = ceil_div(n, kBf16Panel) * kBf16Panel;
  const int64_t image = m * kRow + runs * kRunGap + 2 * steps;
  const std::vector<bf16> a = ramp(kImages * image, 7), b = ramp(ldc * k, 5);
  std::vector<int64_t> offsets;
  for (int64_t run = 0; run < runs; ++run) offsets.push_back(run * kRunGap);
  std::vector<bf16> gathered;
  for (int64_t row = 0; row < kImages * m; ++row)
    for (const int64_t offset : offsets) {
      const auto from = a.begin() + row / m * image + row % m * kRow + offset;
      gathered.insert(gathered.end(), from, from + 2 * steps);
    }
  std::vector<float> by_taps(static_cast<size_t>(kImages * m * ldc)), expected = by_taps;
  kernels.multiply_taps({a.data(), kRow, image, offsets.data(), runs, steps, b.data(), k * kBf16Panel,
                         kImages, m, n, by_taps.data(), m * ldc, ldc, false});
  kernels.multiply(
      {gathered.data(), k, b.data(), k * kBf16Panel, kImages * m, n, k, expected.data(), ldc, false});
  CHECK_THAT(by_taps == expected, "taps: " + std::to_string(runs) + " " + std::to_string(steps) + " " +
                                      std::to_string(m) + " " + std::to_string(n));
}

}  // namespace
}  // namespace tenon::test

int main() {
  using namespace tenon;
  using namespace tenon::test;
  if (!is_here(Bf16Path::avx512bf16, Target::avx512)) return std::puts("skipped"), 0;
  set_variable("TENON_BF16", "avx512bf16");
  CHECK(bf16_path(Target::avx512).path == Bf16Path::avx512bf16);
  all_finished_in_registers();
  for (const int64_t n : {1, 16, 17, 40}) {
    taps_as_gathered(7, 11, 25, n);
    taps_as_gathered(9, 32, 13, n);   // a block ends with a run
    taps_as_gathered(9, 50, 13, n);   // and inside of one
    taps_as_gathered(2, 500, 12, n);  // a run of several blocks
  }
  bf16_cases();
  return report();
}
