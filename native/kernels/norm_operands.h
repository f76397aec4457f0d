// The operands of the batch-norm kernels by name, checked: shared by every target and the reference, so that
// what prepare() refused can never reach run().
#pragma once

#include <cmath>

#include "base/norm_geom.h"
#include "kernels/kernel.h"

namespace tenon {

inline constexpr AttrNames kNormForwardAttrs{"eps", "activation", "hasResidual"};
inline constexpr AttrNames kNormBackwardAttrs{"eps", "mask", "hasResidual", "hasAddend"};
inline constexpr AttrNames kNormRunningAttrs{"count"};
inline constexpr AttrNames kNormShiftAttrs{"eps"};

// What the forward multiplies x - mean by. Rounded to `real` it is the same number wherever it
// is needed again.
inline double norm_scale(double gamma, double var, double eps) { return gamma / std::sqrt(var + eps); }

// Whether sums over rows are to be taken along the rows, in the order of addresses, with sums in L1, or down
// the columns of a group of rows, with sums in registers. The bits are the same. From memory the first is up
// to twice as fast, because prefetchers follow it. In cache, where rows are one line, and in bf16, arithmetic
// bounds the loop, and the second is faster.
inline bool sums_by_rows(const TensorView& x, const NormGeom& geom) {
  constexpr int64_t kLeastWidth = 64;
  constexpr size_t kLeastBytes = size_t{8} << 20;
  return x.dtype != DType::bf16 && geom.width() >= kLeastWidth && x.bytes() >= kLeastBytes;
}

// What the forward ends in.
enum class NormActivation : int { none = 0, relu = 1, relu6 = 2 };

// How the backward pass knows where the activation let the gradient through: by y, or by y as it was before
// the activation, computed again from x by the forward's formula (which saves reading y; not after a
// residual). relu lets it through above 0, relu6 above 0 and below 6.
enum class NormMask : int { none = 0, output = 1, input = 2, output6 = 3, input6 = 4 };

constexpr bool reads_output(NormMask mask) { return mask == NormMask::output || mask == NormMask::output6; }
constexpr bool computes_input(NormMask mask) { return mask == NormMask::input || mask == NormMask::input6; }
constexpr bool is_relu6(NormMask mask) { return mask == NormMask::output6 || mask == NormMask::input6; }

// batch_norm_train and batch_norm_eval: x, gamma, beta, (mean, var of eval), (residual) -> y, (mean,
// var of train)
struct NormForward {
  NormForward(const Call& call, bool train, DType real, int lanes);

  NormGeom geom;
  double eps;
  NormActivation activation;
  bool has_residual;
  TensorView x, gamma, beta, mean, var, residual, y;
};

// batch_norm_moments: x -> mean, m2
struct NormMoments {
  NormMoments(const Call& call, DType real, int lanes);

  NormGeom geom;
  TensorView x, mean, m2;
};

// What of the backward pass a kernel does: all of it, with statistics that depend on x or are constants, or
// the sums over the rows of a shard.
enum class NormGradient : int { train, eval, sums };

// batch_norm_backward and batch_norm_eval_backward: dy, x, gamma, mean, var, (y or beta, by mask), (addend)
// -> dx, dgamma, dbeta, (dresidual). batch_norm_backward_sums: the same without dx. The addend is another
// part of dy; only with dresidual, which keeps the sum.
struct NormBackward {
  NormBackward(const Call& call, NormGradient kind, DType real, int lanes);

  NormGeom geom;
  double eps;
  NormMask mask;
  bool has_residual, has_addend;
  TensorView dy, x, gamma, mean, var, y, beta, addend, dx, dgamma, dbeta, dresidual;
};

// batch_norm_backward_shift: dy, x, gamma, mean, var, dgamma, dbeta, count -> dx
struct NormShift {
  NormShift(const Call& call, DType real, int lanes);

  NormGeom geom;
  double eps;
  TensorView dy, x, gamma, mean, var, dgamma, dbeta, count, dx;
};

// batch_norm_running: running_mean, running_var, mean, var, momentum -> running_mean', running_var'
struct NormRunning {
  NormRunning(const Call& call, DType real);

  int64_t channels;
  double unbias;  // count / (count - 1)
  const TensorView* t;
};

}  // namespace tenon
