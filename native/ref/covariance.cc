// The reference of `covariance`: loops in the order of the definition.
#include "base/parallel.h"
#include "kernels/kernel.h"
#include "kernels/sums_operands.h"

namespace tenon::ref {
namespace {

Cost prepare(const Call& call) {
  const SumsOperands g = SumsOperands::make(call, DType::f64, 2);
  const double d = static_cast<double>(g.features);
  return {0, static_cast<double>(g.rows) * d * (d + 1), 0};
}

void run(const Call& call) {
  const auto [rows, d] = SumsOperands::make(call, DType::f64, 2);
  const double *x = call.t[0].as<double>(), *shift = call.t[1].as<double>(), *total = call.t[2].as<double>();
  double* out = call.t[3].as<double>();
  for (int64_t i = 0; i < d; ++i) {
    for (int64_t j = 0; j < d; ++j) {
      double sum = total[i * d + j];
      for (int64_t b = 0; b < rows; ++b) sum += (x[b * d + i] - shift[i]) * (x[b * d + j] - shift[j]);
      out[i * d + j] = sum;
    }
  }
}

const KernelRegistrar registration("covariance", Target::ref, prepare, run);

}  // namespace
}  // namespace tenon::ref
