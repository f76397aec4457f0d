// bf16 products on the best path of this machine (or TENON_BF16), and the choice of the path.
#include "kernels/tap_sums_bf16.h"
#include "test/bf16_cases.h"

namespace tenon::test {
namespace {

void rounding() {
  for_each_target([](Target target) {
    const float special[] = {0.0f,    -0.0f,    1.0f,      1.00390625f, 1.01171875f,
                             3.4e38f, INFINITY, -INFINITY, NAN,         1e-40f};
    for (const float v : special) {
      const bf16 r = to_bf16(v);
      const float back = to_float(r);
      CHECK(std::isnan(v) ? std::isnan(back)
                          : std::isinf(back) || std::fabs(back - v) <= std::fabs(v) * kHalfUnit + 1e-40f);
    }
    CHECK(to_float(to_bf16(1.00390625f)) == 1.0f);  // a tie goes to the even neighbour
    CHECK(to_float(to_bf16(1.01171875f)) == 1.015625f);
    static_cast<void>(target);
  });
}

void choice() {
  for_each_target([](Target target) {
    const Bf16Choice best = choose_bf16_path(target, "");
    CHECK(!best.reason.empty());
    CHECK(best.stores == (best.path != Bf16Path::emulated));
    CHECK(choose_bf16_path(target, "emulated").path == Bf16Path::emulated);
    CHECK(choose_bf16_path(target, "emulated").stores);
    CHECK(choose_bf16_path(target, "best").path == best.path);
    CHECK(choose_bf16_path(target, "best").stores);
    CHECK(choose_bf16_path(target, name_of(best.path)).reason ==
          std::string("TENON_BF16=") + name_of(best.path));
    for (const char* wrong : {"avx", "amx-soft", "fast"}) {
      bool refused = false;
      try {
        choose_bf16_path(target, wrong);
      } catch (const std::invalid_argument&) {
        refused = true;
      }
      CHECK_THAT(refused, wrong);
    }
  });
}

// Every path that this machine has, and the two in software, on one product: within the error of sums, and
// paths that promise it to the bit.
void paths_agree() {
  constexpr int64_t kM = 37, kN = 70, kK = 640, kColumns = 96;
  const std::vector<double> values = bf16_values(kM * kK, 5), weights = bf16_values(kK * kColumns, 6);
  std::vector<bf16> a(48 * kK), b(kK * kColumns);
  for (size_t i = 0; i < values.size(); ++i) a[i] = to_bf16(static_cast<float>(values[i]));
  const auto at = [](int64_t k, int64_t n) {
    return n / kBf16Panel * kBf16Panel * kK + k / 2 * 2 * kBf16Panel + n % kBf16Panel * 2 + k % 2;
  };
  for (int64_t k = 0; k < kK; ++k)
    for (int64_t n = 0; n < kN; ++n)
      b[size_t(at(k, n))] = to_bf16(static_cast<float>(weights[size_t(k * kColumns + n)]));
  const auto product = [&](Target target, Bf16Path path) {
    std::vector<float> c(48 * kColumns, 1.0f);
    bf16_kernels(target, path)
        .multiply({a.data(), kK, b.data(), kK * kBf16Panel, kM, kN, kK, c.data(), kColumns, true});
    for (int64_t m = 0; m < kM; ++m) {
      for (int64_t n = 0; n < kN; ++n) {
        double sum = 1;
        for (int64_t k = 0; k < kK; ++k)
          sum += values[size_t(m * kK + k)] * weights[size_t(k * kColumns + n)];
        if (std::fabs(c[size_t(m * kColumns + n)] - sum) > 2 * eps_of(target) * (kK + 16))
          return CHECK_THAT(false, std::string(name_of(path)) + " on " + name_of(target)), c;
      }
    }
    return CHECK(true), c;
  };
  const auto same = [&](const std::vector<float>& x, const std::vector<float>& y) {
    bool equal = true;
    for (int64_t m = 0; m < kM; ++m)
      equal &= std::memcmp(&x[size_t(m * kColumns)], &y[size_t(m * kColumns)], kN * sizeof(float)) == 0;
    return equal;
  };
  const std::vector<float> emulated = product(Target::baseline, Bf16Path::emulated);
  const std::vector<float> software = product(Target::baseline, Bf16Path::amx_software);
  for_each_target([&](Target target) {
    if (target == Target::ref) return;
    CHECK_THAT(same(product(target, Bf16Path::emulated), emulated), name_of(target));
    for (const Bf16Path path : {Bf16Path::avx512bf16, Bf16Path::amx}) {
      if (!is_here(path, target)) continue;
      CHECK_THAT(same(product(target, path), path == Bf16Path::amx ? software : emulated), name_of(path));
    }
  });
}

// Sums over taps in the processor's tiles and in software, to the bit: whole and half strips, one column of
// tiles and two, none and several runs.
void tap_sums_agree() {
  if (bf16_path(Target::avx512).path != Bf16Path::amx) return std::puts("sums on tiles: no AMX here"), void();
  constexpr int64_t kSteps = 5, kRowTiles = 3, kStrips = 2, kJobs = 3;
  const auto tiles = [](int64_t count, uint64_t seed) {
    std::vector<bf16> packed;
    for (const double v : bf16_values(count * kTileBf16, seed))
      packed.push_back(to_bf16(static_cast<float>(v)));
    return packed;
  };
  const std::vector<bf16> a = tiles(kRowTiles * kSteps, 1), b = tiles(2 * kSteps, 2);
  const bf16 *b0 = b.data(), *b1 = b0 + kSteps * kTileBf16;
  const TapRun runs[] = {{a.data(), {b0, b1}, 3}, {a.data() + 2 * kTileBf16, {b1, b0}, 2}};
  const auto sums_of = [&](SumTaps sum) {
    std::vector<float> sums(size_t(kStrips * kJobs * kTapBlock), 0.5f);
    const TapJob jobs[] = {{runs, 2, sums.data(), true},
                           {runs + 1, 1, sums.data() + kTapBlock, false},
                           {runs, 0, sums.data() + 2 * kTapBlock, true}};
    for (const bool accumulate : {false, true})
      sum({jobs, kJobs, 0, kStrips, kRowTiles, kSteps * kTileBf16, kJobs * kTapBlock, accumulate});
    return sums;
  };
  const std::vector<float> hardware = sums_of(sum_taps_amx()), software = sums_of(sum_taps_amx_software());
  CHECK(std::memcmp(hardware.data(), software.data(), hardware.size() * sizeof(float)) == 0);
  double sum = 0;  // of the first output channel and the first channel, twice
  for (const TapRun& run : runs)
    for (int64_t step = 0; step < run.steps; ++step)
      for (int64_t k = 0; k < kTapDepth; ++k)
        sum += 2.0 * to_float(run.a[step * kTileBf16 + k]) *
               to_float(run.b[0][step * kTileBf16 + k / 2 * 2 * kTapTile + k % 2]);
  CHECK(std::fabs(hardware[0] - sum) <= 1e-4 && hardware[2 * kTapBlock] == 0.0f);
}

}  // namespace
}  // namespace tenon::test

int main() {
  using namespace tenon::test;
  rounding();
  choice();
  paths_agree();
  tap_sums_agree();
  bf16_cases();
  return report();
}
