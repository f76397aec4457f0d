// Implicit QL with Wilkinson's shift on a tridiagonal matrix (Dubrulle, Martin, Wilkinson 1968), in the form
// of EISPACK's tql2. An element beside the diagonal counts as zero when it is smaller than the rounding error
// of the largest; that is as exact as the reduction before it.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/eigh.h"
#include "ops/heavy.h"

namespace tenon {
namespace {

constexpr int kSweepsPerValue = 60;  // two or fewer are usual

class Ql {
 public:
  Ql(int64_t n, const LinalgF64& linalg, const EighSpace& space, double* qt)
      : n_(n), linalg_(linalg), space_(space), qt_(qt), d_(space.diagonal), e_(space.beside) {}

  bool run() {
    double norm = 0;
    for (int64_t i = 0; i < n_; ++i) norm = std::max(norm, std::fabs(d_[i]) + std::fabs(e_[i]));
    const double small = norm * std::numeric_limits<double>::epsilon();
    for (int64_t l = 0; l < n_; ++l) {
      for (int sweeps = 0;; ++sweeps) {
        int64_t m = l;
        while (m < n_ - 1 && !(std::fabs(e_[m]) <= small)) ++m;
        if (m == l) break;
        if (sweeps == kSweepsPerValue) return false;
        sweep(l, m);
      }
    }
    apply();
    return true;
  }

 private:
  // One QL step on rows l to m.
  void sweep(int64_t l, int64_t m) {
    if (sweeps_ == EighSpace::kSweeps || rotations_ + n_ > n_ * EighSpace::kRotationsPerRow) apply();
    space_.sweeps[sweeps_++] = {m - 1, m - l};
    const double half = (d_[l + 1] - d_[l]) / (2 * e_[l]);
    double g = d_[m] - d_[l] + e_[l] / (half + std::copysign(std::sqrt(half * half + 1), half));
    double s = 1, c = 1, p = 0;
    for (int64_t i = m - 1; i >= l; --i) {
      const double f = s * e_[i], b = c * e_[i];
      const double r = std::sqrt(f * f + g * g);
      c = r == 0 ? 1 : g / r;
      s = r == 0 ? 0 : f / r;
      if (i < m - 1) e_[i + 1] = r;
      g = d_[i + 1] - p;
      const double q = (d_[i] - g) * s + 2 * c * b;
      p = s * q;
      d_[i + 1] = g + p;
      g = c * q - b;
      space_.rotations[rotations_++] = {c, s};
    }
    d_[l] -= p;
    e_[l] = g;
  }

  // Applies what was collected to the rows of qt: they are the columns of Q, cut in strips of rows of Q.
  void apply() {
    constexpr int64_t width = LinalgF64::kStrip;
    const double cost = static_cast<double>(rotations_) * static_cast<double>(n_);
    parallel_tasks(ceil_div(n_, width), cost, [&](int64_t task, int64_t slot) {
      double* strip = space_.strips + slot * n_ * width;
      const int64_t used = std::min(width, n_ - task * width);
      for (int64_t i = 0; i < n_; ++i) {
        const double* from = qt_ + i * n_ + task * width;
        std::copy_n(from, used, strip + i * width);
        std::fill_n(strip + i * width + used, width - used, 0.0);
      }
      linalg_.rotate(strip, space_.sweeps, sweeps_, space_.rotations);
      for (int64_t i = 0; i < n_; ++i) std::copy_n(strip + i * width, used, qt_ + i * n_ + task * width);
    });
    sweeps_ = rotations_ = 0;
  }

  const int64_t n_;
  const LinalgF64& linalg_;
  const EighSpace& space_;
  double *qt_, *d_, *e_;
  int64_t sweeps_ = 0, rotations_ = 0;
};

}  // namespace

bool tridiagonal_ql(int64_t n, const LinalgF64& linalg, const EighSpace& space, double* qt) {
  return Ql(n, linalg, space, qt).run();
}

}  // namespace tenon
