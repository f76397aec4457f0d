// The reference of `spectral`: loops in the order of the definition.
#include "kernels/kernel.h"
#include "kernels/spectral_operands.h"

namespace tenon::ref {
namespace {

Cost prepare(const Call& call) {
  SpectralOperands::make(call, DType::f64);
  return {};
}

void run(const Call& call) {
  const auto [count, d] = SpectralOperands::make(call, DType::f64);
  const double *v = call.t[0].as<double>(), *scale = call.t[1].as<double>();
  double* y = call.t[2].as<double>();
  for (int64_t i = 0; i < d; ++i) {
    for (int64_t j = 0; j < d; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < count; ++k) sum += v[k * d + i] * scale[k] * v[k * d + j];
      y[i * d + j] = sum;
    }
  }
}

const KernelRegistrar registration("spectral", Target::ref, prepare, run);

}  // namespace
}  // namespace tenon::ref
