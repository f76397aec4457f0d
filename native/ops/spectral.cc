// spectral: vectors f64 [K, D], scale f64 [K] -> y R [D, D]; no attributes. y = V^T diag(scale) V, a function
// of a symmetric matrix by its eigenvectors: summed in f64, then rounded.
#include <algorithm>

#include "kernels/spectral_operands.h"
#include "ops/gemm_f64.h"

namespace tenon {
namespace {

struct Spectral {
  static constexpr const char* kName = "spectral";
  static Cost prepare(const Call& call, const LinalgF64& linalg) {
    const auto [k, d] = SpectralOperands::make(call, DType::f32);
    const int64_t doubles = checked_product(k, d) + checked_product(d, d) + gemm_f64_workspace(linalg);
    return {static_cast<size_t>(checked_product(doubles, sizeof(double))),
            2.0 * static_cast<double>(k) * static_cast<double>(d) * static_cast<double>(d),
            static_cast<double>(call.t[0].bytes() + call.t[2].bytes())};
  }

  static void run(const Call& call, const LinalgF64& linalg) {
    const auto [k, d] = SpectralOperands::make(call, DType::f32);
    const double *v = call.t[0].as<double>(), *scale = call.t[1].as<double>();
    auto* scaled = reinterpret_cast<double*>(call.workspace);
    double *sums = scaled + k * d, *scratch = sums + d * d;
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < d; ++j) scaled[i * d + j] = scale[i] * v[i * d + j];
    std::fill_n(sums, d * d, 0.0);
    gemm_f64({.m = d,
              .n = d,
              .k = k,
              .alpha = 1,
              .a = scaled,
              .ars = 1,
              .aks = d,
              .b = v,
              .brs = d,
              .bcs = 1,
              .c = sums,
              .ldc = d},
             linalg, scratch);
    std::transform(sums, sums + d * d, call.t[2].as<float>(), [](double x) { return static_cast<float>(x); });
  }
};

const RegisterLinalg<Spectral> registration;

}  // namespace
}  // namespace tenon
