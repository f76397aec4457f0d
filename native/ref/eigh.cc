// The reference of `eigh`: cyclic Jacobi rotations (Golub, Van Loan, section 8.5), until nothing beside the
// diagonal is left to rotate away.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/conv_geom.h"
#include "kernels/checks.h"
#include "kernels/kernel.h"

namespace tenon::ref {
namespace {

constexpr int kMostPasses = 60;

int64_t size_of_matrix(const Call& call) {
  require_operands(call, 3);
  const TensorView &a = call.t[0], &values = call.t[1], &vectors = call.t[2];
  require(a.dtype == DType::f64 && a.rank == 2 && a.dims[0] == a.dims[1] && a.dims[0] >= 1,
          "eigh: a must be f64 [N, N]");
  require(values.dtype == DType::f64 && values.rank == 1 && values.dims[0] == a.dims[0],
          "eigh: values must be f64 [N]");
  require(vectors.dtype == DType::f64, "eigh: vectors must be f64");
  require_same_dims(a, vectors, "eigh: vectors must have the shape of a");
  return a.dims[0];
}

Cost prepare(const Call& call) {
  const int64_t n = size_of_matrix(call);
  return {static_cast<size_t>(checked_product(n, n, sizeof(double))), 0, 0};
}

struct Jacobi {
  int64_t n;
  double *a, *v;  // both [n][n]; rows of v become the eigenvectors

  // Rotates rows and columns p and q so that a[p][q] vanishes. False where it is zero to rounding.
  bool rotate(int64_t p, int64_t q) const {
    const double apq = a[p * n + q], app = a[p * n + p], aqq = a[q * n + q];
    if (!(std::fabs(apq) > 1e-17 * std::sqrt(std::fabs(app)) * std::sqrt(std::fabs(aqq)))) return false;
    if (std::fabs(apq) < std::numeric_limits<double>::min()) return false;
    const double theta = (aqq - app) / (2 * apq);
    const double t = std::copysign(1 / (std::fabs(theta) + std::hypot(theta, 1.0)), theta);
    const double c = 1 / std::hypot(t, 1.0), s = t * c;
    for (int64_t k = 0; k < n; ++k) turn(a[k * n + p], a[k * n + q], c, s);
    for (int64_t k = 0; k < n; ++k) turn(a[p * n + k], a[q * n + k], c, s);
    for (int64_t k = 0; k < n; ++k) turn(v[p * n + k], v[q * n + k], c, s);
    a[p * n + q] = a[q * n + p] = 0;
    return true;
  }

  static void turn(double& x, double& y, double c, double s) {
    const double before = x;
    x = c * before - s * y;
    y = s * before + c * y;
  }

  void run() const {
    bool rotated = true;
    for (int pass = 0; rotated && pass < kMostPasses; ++pass) {
      rotated = false;
      for (int64_t p = 0; p < n; ++p)
        for (int64_t q = p + 1; q < n; ++q) rotated = rotate(p, q) || rotated;
    }
  }
};

// Ascending values by selection; each vector's largest entry positive.
void order(const Jacobi& jacobi, double* values) {
  const int64_t n = jacobi.n;
  for (int64_t i = 0; i < n; ++i) values[i] = jacobi.a[i * n + i];
  for (int64_t i = 0; i < n; ++i) {
    const int64_t least = std::min_element(values + i, values + n) - values;
    std::swap(values[i], values[least]);
    double *row = jacobi.v + i * n, *other = jacobi.v + least * n;
    if (least != i) std::swap_ranges(row, row + n, other);
    const double peak =
        *std::max_element(row, row + n, [](double x, double y) { return std::fabs(x) < std::fabs(y); });
    if (peak < 0) std::transform(row, row + n, row, [](double x) { return -x; });
  }
}

void run(const Call& call) {
  const int64_t n = call.t[0].dims[0];
  const double* a = call.t[0].as<double>();
  const Jacobi jacobi = {n, reinterpret_cast<double*>(call.workspace), call.t[2].as<double>()};
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      jacobi.a[i * n + j] = i >= j ? a[i * n + j] : a[j * n + i];
      jacobi.v[i * n + j] = i == j;
      finite = finite && std::isfinite(jacobi.a[i * n + j]);
    }
  }
  if (finite) {
    jacobi.run();
    order(jacobi, call.t[1].as<double>());
  } else {
    std::fill_n(call.t[1].as<double>(), n, std::numeric_limits<double>::quiet_NaN());
    std::fill_n(call.t[2].as<double>(), n * n, std::numeric_limits<double>::quiet_NaN());
  }
}

const KernelRegistrar registration("eigh", Target::ref, prepare, run);

}  // namespace
}  // namespace tenon::ref
