// The reference of `matmul`: three loops in the order of the definition.
#include <cmath>

#include "base/matmul_geom.h"
#include "base/parallel.h"
#include "kernels/kernel.h"
#include "ref/activation.h"

namespace tenon::ref {
namespace {

Cost prepare(const Call& call) {
  const MatmulGeom g = MatmulGeom::make(call.t, call.count, call.attrs, DType::f64);
  return {0, 2.0 * static_cast<double>(g.batch * g.m) * static_cast<double>(g.n) * static_cast<double>(g.k),
          0};
}

template <class T>
void matmul(const Call& call, DType real) {
  const MatmulGeom g = MatmulGeom::make(call.t, call.count, call.attrs, real);
  const T* bias = g.has_bias ? call.t[2].as<T>() : nullptr;
  T* y = call.t[call.count - 1].as<T>();
  parallel_for(
      g.batch * g.m, static_cast<double>(g.batch * g.m) * static_cast<double>(g.n * g.k), [&](int64_t row) {
        const int64_t batch = row / g.m, m = row % g.m;
        const T* a = call.t[0].as<T>() + batch * g.m * g.k;
        const T* b = call.t[1].as<T>() + batch * g.k * g.n;
        for (int64_t n = 0; n < g.n; ++n) {
          T sum = 0;
          for (int64_t k = 0; k < g.k; ++k)
            sum += a[g.trans_a ? k * g.m + m : m * g.k + k] * b[g.trans_b ? n * g.k + k : k * g.n + n];
          y[row * g.n + n] = activate(bias ? sum + bias[n] : sum, g.activation);
        }
      });
}

void run(const Call& call) { matmul<double>(call, DType::f64); }

const KernelRegistrar registration("matmul", Target::ref, prepare, run, kMatmulAttrs);

}  // namespace
}  // namespace tenon::ref
