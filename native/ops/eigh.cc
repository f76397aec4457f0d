// eigh: a f64 [N, N] -> values f64 [N] ascending, vectors f64 [N, N]; no attributes. Eigenvalues of a
// symmetric matrix, of which the lower triangle is read, and row i the eigenvector of value i, of length 1,
// its entry of largest magnitude positive. Everything is NaN when a holds a number that is not finite.
//
// Householder reflectors in panels (Dongarra, Sorensen, Hammarling 1989), Q by blocks of reflectors
// (Schreiber, Van Loan 1989), then implicit QL on the tridiagonal matrix, whose rotations are collected and
// applied to strips of Q that fit the second-level cache (Van Zee, van de Geijn, Quintana-Orti 2014). Rows of
// Q are independent of each other, so strips go to threads.
#include "ops/eigh.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ops/gemm_f64.h"

namespace tenon {
namespace {

// Scratch memory in doubles, each part on a cache line.
class Parts {
 public:
  explicit Parts(double* base) : base_(base) {}
  double* add(int64_t count) {
    double* part = base_ == nullptr ? nullptr : base_ + size_;
    size_ = checked_product(ceil_div(size_ + checked_product(count, 1), 8), 8);
    return part;
  }
  int64_t size() const { return size_; }

 private:
  double* base_;
  int64_t size_ = 0;
};

int64_t size_of_matrix(const Call& call) {
  require_operands(call, 3);
  const TensorView &a = call.t[0], &values = call.t[1], &vectors = call.t[2];
  require(a.dtype == DType::f64 && a.rank == 2 && a.dims[0] == a.dims[1], "eigh: a must be f64 [N, N]");
  require(a.dims[0] >= 1, "eigh: a is empty");
  require(values.dtype == DType::f64 && values.rank == 1 && values.dims[0] == a.dims[0],
          "eigh: values must be f64 [N]");
  require(vectors.dtype == DType::f64, "eigh: vectors must be f64");
  require_same_dims(a, vectors, "eigh: vectors must have the shape of a");
  return a.dims[0];
}

// The largest magnitude in the lower triangle; infinity where something is not finite.
double largest(int64_t n, const double* a) {
  double most = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      const double magnitude = std::fabs(a[i * n + j]);
      if (!std::isfinite(magnitude)) return std::numeric_limits<double>::infinity();
      most = std::max(most, magnitude);
    }
  }
  return most;
}

// Both triangles of `to` from the lower one of `from`, times a power of two.
void mirror(int64_t n, const double* from, int exponent, double* to) {
  constexpr int64_t kRows = 64;
  parallel_chunks(n, kRows, static_cast<double>(n) * static_cast<double>(n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j <= i; ++j) to[i * n + j] = std::ldexp(from[i * n + j], exponent);
      for (int64_t j = i + 1; j < n; ++j) to[i * n + j] = std::ldexp(from[j * n + i], exponent);
    }
  });
}

// Rows of qt in the order of their values, with signs; by way of space.a, which nothing needs any more.
void sort_vectors(int64_t n, const EighSpace& space, int exponent, double* values, double* qt) {
  for (int64_t i = 0; i < n; ++i) space.order[i] = i;
  std::sort(space.order, space.order + n, [&](int64_t i, int64_t j) {
    return space.diagonal[i] < space.diagonal[j] || (space.diagonal[i] == space.diagonal[j] && i < j);
  });
  parallel_for(n, static_cast<double>(n) * static_cast<double>(n), [&](int64_t i) {
    const double* row = qt + space.order[i] * n;
    const double* peak =
        std::max_element(row, row + n, [](double x, double y) { return std::fabs(x) < std::fabs(y); });
    const double sign = *peak < 0 ? -1 : 1;
    for (int64_t j = 0; j < n; ++j) space.a[i * n + j] = sign * row[j];
    values[i] = std::ldexp(space.diagonal[space.order[i]], -exponent);
  });
  std::memcpy(qt, space.a, static_cast<size_t>(n * n) * sizeof(double));
}

struct Eigh {
  static constexpr const char* kName = "eigh";

  static Cost prepare(const Call& call, const LinalgF64& linalg) {
    const int64_t n = size_of_matrix(call);
    const EighSpace space(n, linalg, nullptr);
    const double cube = std::pow(static_cast<double>(n), 3);
    // Reduction and Q take 4/3 n^3 each, QL about 3/2 n sweeps of n/2 rotations of n pairs of numbers.
    return {static_cast<size_t>(checked_product(space.doubles, sizeof(double))), 7.2 * cube,
            2 * static_cast<double>(call.t[0].bytes())};
  }

  static void run(const Call& call, const LinalgF64& linalg) {
    const int64_t n = call.t[0].dims[0];
    const EighSpace space(n, linalg, reinterpret_cast<double*>(call.workspace));
    const double* a = call.t[0].as<double>();
    double *values = call.t[1].as<double>(), *vectors = call.t[2].as<double>();
    const double most = largest(n, a);
    bool done = std::isfinite(most);
    if (done) {
      // Squares neither overflow nor vanish once the largest number is about 1.
      const int exponent = most > 0 ? -std::ilogb(most) : 0;
      mirror(n, a, exponent, space.a);
      tridiagonalize(n, linalg, space);
      expand_reflectors(n, linalg, space, vectors);
      done = tridiagonal_ql(n, linalg, space, vectors);
      if (done) sort_vectors(n, space, exponent, values, vectors);
    }
    if (done) return;
    std::fill_n(values, n, std::numeric_limits<double>::quiet_NaN());
    std::fill_n(vectors, n * n, std::numeric_limits<double>::quiet_NaN());
  }
};

const RegisterLinalg<Eigh> registration;

}  // namespace

EighSpace::EighSpace(int64_t n, const LinalgF64& linalg, double* base) {
  Parts parts(base);
  a = parts.add(checked_product(n, n));
  diagonal = parts.add(n);
  beside = parts.add(n);
  tau = parts.add(n);
  panel = parts.add(checked_product(n, kPanel));
  x = parts.add(checked_product(n, kPanel));
  y = parts.add(checked_product(n, kPanel));
  t = parts.add(kPanel * kPanel);
  strips = parts.add(checked_product(scratch_slots(), n, LinalgF64::kStrip));
  gemm = parts.add(gemm_f64_workspace(linalg));
  rotations = reinterpret_cast<Rotation*>(parts.add(checked_product(n, 2 * kRotationsPerRow)));
  sweeps = reinterpret_cast<Sweep*>(parts.add(2 * kSweeps));
  order = reinterpret_cast<int64_t*>(parts.add(n));
  doubles = parts.size();
}

}  // namespace tenon
