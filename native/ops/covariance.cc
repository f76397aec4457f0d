// covariance: x R [B, D], shift f64 [D], total f64 [D, D] -> total' f64 [D, D]; no attributes.
// total' = total + (x - shift)^T (x - shift), in f64; only the lower triangle is meant, what is above it is
// partly computed. In place with total.
#include <cstring>

#include "kernels/sums_operands.h"
#include "ops/gemm_f64.h"

namespace tenon {
namespace {

struct Covariance {
  static constexpr const char* kName = "covariance";
  static Cost prepare(const Call& call, const LinalgF64& linalg) {
    const SumsOperands g = SumsOperands::make(call, DType::f32, 2);
    const int64_t doubles = checked_product(g.rows, g.features) + gemm_f64_workspace(linalg);
    const double d = static_cast<double>(g.features);
    return {static_cast<size_t>(checked_product(doubles, sizeof(double))),
            static_cast<double>(g.rows) * d * (d + 1), static_cast<double>(call.t[2].bytes()) * 2};
  }

  static void run(const Call& call, const LinalgF64& linalg) {
    const auto [rows, d] = SumsOperands::make(call, DType::f32, 2);
    auto* centred = reinterpret_cast<double*>(call.workspace);
    const double* total = call.t[2].as<double>();
    double* out = call.t[3].as<double>();
    centre(call, rows, d, centred);
    if (out != total) std::memcpy(out, total, call.t[2].bytes());
    gemm_f64({.m = d,
              .n = d,
              .k = rows,
              .alpha = 1,
              .a = centred,
              .ars = 1,
              .aks = d,
              .b = centred,
              .brs = d,
              .bcs = 1,
              .c = out,
              .ldc = d,
              .lower = true},
             linalg, centred + rows * d);
  }

 private:
  static void centre(const Call& call, int64_t rows, int64_t d, double* centred) {
    const double* shift = call.t[1].as<double>();
    parallel_for(rows, static_cast<double>(rows) * static_cast<double>(d), [&](int64_t b) {
      const float* x = call.t[0].as<float>() + b * d;
      for (int64_t i = 0; i < d; ++i) centred[b * d + i] = static_cast<double>(x[i]) - shift[i];
    });
  }
};

const RegisterLinalg<Covariance> registration;

}  // namespace
}  // namespace tenon
