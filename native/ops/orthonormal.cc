// orthonormal: x R [M, N] -> y R [M, N]; gain. Gram-Schmidt on the rows of x, or on its columns where it has
// more rows than columns: vector i of y is gain times what is left of vector i of x beside those before it,
// at length 1. NaN from a vector on of which nothing is left.
//
// In double precision, by halves: the second half of the vectors loses what the first, which is orthonormal
// by then, explains of it, as two matrix products; then it is its turn. Each loses it twice ("twice is
// enough", Kahan), so that the result is orthogonal to rounding, however little is left.
#include <cmath>
#include <cstring>

#include "kernels/checks.h"
#include "ops/gemm_f64.h"

namespace tenon {
namespace {

constexpr int64_t kFew = 8;     // vectors that are done one by one
constexpr int64_t kChunk = 64;  // vectors that are copied by one thread at once

struct Shape {
  int64_t rows, columns;

  static Shape of(const Call& call) {
    require_operands(call, 2);
    require(call.t[1].dtype == DType::f32 && call.t[1].rank == 2, "orthonormal: y must be f32 [M, N]");
    require_dtype(call.t[0], DType::f32, "orthonormal: x must be f32");
    require_same_dims(call.t[0], call.t[1], "orthonormal: shapes differ");
    return {call.t[1].dims[0], call.t[1].dims[1]};
  }

  bool by_rows() const { return rows <= columns; }
  int64_t count() const { return std::min(rows, columns); }
  int64_t length() const { return std::max(rows, columns); }
  // Shares of the second half in the first.
  int64_t shares() const { return checked_product(count() / 2 + 1, count() / 2 + 1); }
};

struct GramSchmidt {
  int64_t length;
  const LinalgF64& linalg;
  double *vectors, *shares, *workspace;

  double* vector(int64_t i) const { return vectors + i * length; }

  void run(int64_t begin, int64_t end) const {
    if (end - begin <= kFew) return one_by_one(begin, end);
    const int64_t middle = begin + (end - begin) / 2;
    run(begin, middle);
    for (int pass = 0; pass < 2; ++pass) take_away(begin, middle, end);
    run(middle, end);
  }

  void one_by_one(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      double* v = vector(i);
      for (int pass = 0; pass < 2; ++pass) {
        for (int64_t j = begin; j < i; ++j)
          linalg.axpy(length, -linalg.dot(length, v, vector(j)), vector(j), v);
      }
      const double norm = std::sqrt(linalg.dot(length, v, v));
      for (int64_t k = 0; k < length; ++k) v[k] /= norm;
    }
  }

  // From vectors [middle, end) what [begin, middle) explain of them: V -= (V B^T) B.
  void take_away(int64_t begin, int64_t middle, int64_t end) const {
    const int64_t m = end - middle, n = middle - begin;
    std::memset(shares, 0, static_cast<size_t>(m * n) * sizeof(double));
    gemm_f64({.m = m,
              .n = n,
              .k = length,
              .alpha = 1,
              .a = vector(middle),
              .ars = length,
              .aks = 1,
              .b = vector(begin),
              .brs = 1,
              .bcs = length,
              .c = shares,
              .ldc = n},
             linalg, workspace);
    gemm_f64({.m = m,
              .n = length,
              .k = n,
              .alpha = -1,
              .a = shares,
              .ars = n,
              .aks = 1,
              .b = vector(begin),
              .brs = length,
              .bcs = 1,
              .c = vector(middle),
              .ldc = length},
             linalg, workspace);
  }
};

struct Orthonormal {
  static constexpr const char* kName = "orthonormal";
  static constexpr AttrNames kAttrs{"gain"};

  static Cost prepare(const Call& call, const LinalgF64& linalg) {
    const Shape g = Shape::of(call);
    const int64_t doubles = checked_product(g.count(), g.length()) + g.shares() + gemm_f64_workspace(linalg);
    const double count = static_cast<double>(g.count());
    return {static_cast<size_t>(checked_product(doubles, sizeof(double))),
            4 * count * count * static_cast<double>(g.length()), static_cast<double>(call.t[1].bytes()) * 2};
  }

  static void run(const Call& call, const LinalgF64& linalg) {
    const Shape g = Shape::of(call);
    auto* vectors = reinterpret_cast<double*>(call.workspace);
    double* shares = vectors + g.count() * g.length();
    const float* x = call.t[0].as<float>();
    float* y = call.t[1].as<float>();
    const double gain = call.attrs[kAttrs["gain"]];
    const int64_t step = g.by_rows() ? 1 : g.columns;
    each(g, [&](int64_t i, int64_t begin) {
      for (int64_t k = 0; k < g.length(); ++k)
        vectors[i * g.length() + k] = static_cast<double>(x[begin + k * step]);
    });
    GramSchmidt{g.length(), linalg, vectors, shares, shares + g.shares()}.run(0, g.count());
    each(g, [&](int64_t i, int64_t begin) {
      for (int64_t k = 0; k < g.length(); ++k)
        y[begin + k * step] = static_cast<float>(gain * vectors[i * g.length() + k]);
    });
  }

 private:
  // fn(i, place of its first element) for each vector.
  template <class Fn>
  static void each(const Shape& g, Fn&& fn) {
    const double cost = static_cast<double>(g.rows) * static_cast<double>(g.columns);
    parallel_chunks(g.count(), kChunk, cost, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) fn(i, g.by_rows() ? i * g.columns : i);
    });
  }
};

const RegisterLinalg<Orthonormal> registration;

}  // namespace
}  // namespace tenon
