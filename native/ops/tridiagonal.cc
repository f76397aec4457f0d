// Reduction of a symmetric matrix to tridiagonal form by Householder reflectors H_j = I - tau v v^T, and the
// product of the reflectors.
//
// A panel of kPanel reflectors is made before the rest of the matrix is updated: with V the reflectors and
// W = what LAPACK's dlatrd calls so, the rest becomes A - V W^T - W V^T, two matrix products. Half of all the
// work is left to the products A v, one a reflector, which read the rest of the matrix each time.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/eigh.h"
#include "ops/gemm_f64.h"

namespace tenon {
namespace {

constexpr int64_t kRows = 32;  // of a chunk of A v

struct Reduction {
  int64_t n;
  const LinalgF64& linalg;
  const EighSpace& space;

  // v of reflector j lies in row j of a, at the columns it acts on: j + 1 and on.
  double* v(int64_t j) const { return space.a + j * n; }
  double* w(int64_t i) const { return space.panel + i * n; }

  // Row j as it is after the reflectors j0 .. j - 1.
  void update_row(int64_t j0, int64_t j) const {
    double* row = space.a + j * n + j;
    for (int64_t k = j0; k < j; ++k) {
      linalg.axpy(n - j, -v(k)[j], w(k - j0) + j, row);
      linalg.axpy(n - j, -w(k - j0)[j], v(k) + j, row);
    }
  }

  // Makes the reflector that leaves of row j one number beside the diagonal. v[j + 1] is 1.
  void reflect(int64_t j) const {
    double* x = v(j) + j + 1;
    const int64_t rest = n - j - 2;
    const double alpha = x[0], norm = std::sqrt(linalg.dot(rest, x + 1, x + 1));
    space.diagonal[j] = v(j)[j];
    x[0] = 1;
    if (norm == 0) {
      space.beside[j] = alpha;
      space.tau[j] = 0;
      std::fill_n(x + 1, rest, 0.0);
      return;
    }
    const double beta = -std::copysign(std::sqrt(alpha * alpha + norm * norm), alpha);
    space.beside[j] = beta;
    space.tau[j] = (beta - alpha) / beta;
    const double scale = 1 / (alpha - beta);
    for (int64_t i = 1; i <= rest; ++i) x[i] *= scale;
  }

  // w = tau (A v - V W^T v - W V^T v), less the part along v that makes the update symmetric.
  void make_w(int64_t j0, int64_t j) const {
    const int64_t from = j + 1, m = n - from;
    const double* x = v(j) + from;
    double* out = w(j - j0) + from;
    parallel_chunks(m, kRows, static_cast<double>(m) * static_cast<double>(m),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t r = begin; r < end; ++r)
                        out[r] = linalg.dot(m, space.a + (from + r) * n + from, x);
                    });
    for (int64_t k = j0; k < j; ++k) {
      const double *vk = v(k) + from, *wk = w(k - j0) + from;
      const double along_w = linalg.dot(m, wk, x), along_v = linalg.dot(m, vk, x);
      linalg.axpy(m, -along_w, vk, out);
      linalg.axpy(m, -along_v, wk, out);
    }
    for (int64_t i = 0; i < m; ++i) out[i] *= space.tau[j];
    linalg.axpy(m, -0.5 * space.tau[j] * linalg.dot(m, out, x), x, out);
  }

  // Rows and columns behind the panel: A -= V W^T + W V^T.
  void update_rest(int64_t j0, int64_t count) const {
    const int64_t from = j0 + count, m = n - from;
    GemmF64 g = {.m = m,
                 .n = m,
                 .k = count,
                 .alpha = -1,
                 .a = v(j0) + from,
                 .ars = 1,
                 .aks = n,
                 .b = w(0) + from,
                 .brs = n,
                 .bcs = 1,
                 .c = space.a + from * n + from,
                 .ldc = n};
    gemm_f64(g, linalg, space.gemm);
    std::swap(g.a, g.b);
    gemm_f64(g, linalg, space.gemm);
  }
};

// H_0 H_1 ... = I - V T V^T for the `count` reflectors in space.panel, [count][m]; T is upper triangular.
void make_t(int64_t j0, int64_t count, int64_t m, const LinalgF64& linalg, const EighSpace& space) {
  constexpr int64_t ld = EighSpace::kPanel;
  std::fill_n(space.t, ld * ld, 0.0);
  for (int64_t i = 0; i < count; ++i) {
    const double tau = space.tau[j0 + i];
    double along[ld];
    for (int64_t k = 0; k < i; ++k) along[k] = linalg.dot(m, space.panel + k * m, space.panel + i * m);
    for (int64_t r = 0; r < i; ++r) {
      double sum = 0;
      for (int64_t k = r; k < i; ++k) sum += space.t[r * ld + k] * along[k];
      space.t[r * ld + i] = -tau * sum;
    }
    space.t[i * ld + i] = tau;
  }
}

// The reflectors j0 .. j0 + count - 1 as full rows over columns j0 + 1 and on.
void copy_reflectors(int64_t n, int64_t j0, int64_t count, const EighSpace& space) {
  const int64_t m = n - j0 - 1;
  for (int64_t i = 0; i < count; ++i) {
    double* row = space.panel + i * m;
    std::fill_n(row, i, 0.0);
    std::memcpy(row + i, space.a + (j0 + i) * n + j0 + i + 1, static_cast<size_t>(m - i) * sizeof(double));
  }
}

}  // namespace

void tridiagonalize(int64_t n, const LinalgF64& linalg, const EighSpace& space) {
  const Reduction reduction = {n, linalg, space};
  for (int64_t j0 = 0; j0 < n - 1; j0 += EighSpace::kPanel) {
    const int64_t count = std::min(EighSpace::kPanel, n - 1 - j0);
    for (int64_t j = j0; j < j0 + count; ++j) {
      reduction.update_row(j0, j);
      reduction.reflect(j);
      reduction.make_w(j0, j);
    }
    reduction.update_rest(j0, count);
  }
  space.diagonal[n - 1] = space.a[n * n - 1];
  space.beside[n - 1] = 0;
}

void expand_reflectors(int64_t n, const LinalgF64& linalg, const EighSpace& space, double* qt) {
  constexpr int64_t ld = EighSpace::kPanel;
  std::fill_n(qt, n * n, 0.0);
  for (int64_t i = 0; i < n; ++i) qt[i * n + i] = 1;
  for (int64_t j0 = (n - 2) / ld * ld; n > 1 && j0 >= 0; j0 -= ld) {
    const int64_t count = std::min(ld, n - 1 - j0), m = n - j0 - 1;
    double* rest = qt + (j0 + 1) * n + j0 + 1;  // outside of it, Q^T is still the identity
    copy_reflectors(n, j0, count, space);
    make_t(j0, count, m, linalg, space);
    std::fill_n(space.x, m * ld, 0.0);
    std::fill_n(space.y, m * ld, 0.0);
    // x = rest V, y = x T^T, rest -= y V^T
    gemm_f64({m, count, m, 1, rest, n, 1, space.panel, 1, m, space.x, ld}, linalg, space.gemm);
    gemm_f64({m, count, count, 1, space.x, ld, 1, space.t, 1, ld, space.y, ld}, linalg, space.gemm);
    gemm_f64({m, m, count, -1, space.y, ld, 1, space.panel, m, 1, rest, n}, linalg, space.gemm);
  }
}

}  // namespace tenon
