#include "kernels/norm_operands.h"

#include <cmath>

#include "kernels/checks.h"

namespace tenon {
namespace {

// Tensors of x's shape have its dtype, real or bf16; what is per channel is real.
void require_dtypes(const Call& call, const TensorView& x, DType real) {
  require(is_activation(x.dtype, real), "batch_norm: x has the wrong dtype");
  for (int i = 0; i < call.count; ++i)
    require(call.t[i].dtype == (call.t[i].rank == 1 ? real : x.dtype), "batch_norm: operand of wrong dtype");
}

void require_channels(const TensorView& v, const NormGeom& geom) {
  require(v.rank == 1 && v.dims[0] == geom.channels(), "batch_norm: expected one value per channel");
}

bool flag(const Call& call, int i) {
  require(call.attrs[i] == 0 || call.attrs[i] == 1, "batch_norm: attribute must be 0 or 1");
  return call.attrs[i] == 1;
}

// A whole number from 0 to `most`.
int code(const Call& call, int i, int most, const char* message) {
  const double value = call.attrs[i];
  require(value >= 0 && value <= most && value == std::floor(value), message);
  return static_cast<int>(value);
}

NormActivation activation_of(const Call& call) {
  return static_cast<NormActivation>(
      code(call, kNormForwardAttrs["activation"], 2, "batch_norm: activation must be 0, 1 or 2"));
}

NormMask mask_of(const Call& call) {
  return static_cast<NormMask>(code(call, kNormBackwardAttrs["mask"], 4,
                                    "batch_norm_backward: mask must be a whole number from 0 to 4"));
}

// Makes sure that x is there, as the geometry is built before all else.
const TensorView& operand_x(const Call& call, int i) {
  require(call.count > i, "wrong number of operands");
  return call.t[i];
}

double eps_of(const Call& call) {
  static_assert(kNormForwardAttrs["eps"] == kNormBackwardAttrs["eps"] &&
                kNormForwardAttrs["eps"] == kNormShiftAttrs["eps"]);
  const double eps = call.attrs[kNormForwardAttrs["eps"]];
  require(eps >= 0 && std::isfinite(eps), "batch_norm: eps must be finite and not negative");
  return eps;
}

}  // namespace

NormForward::NormForward(const Call& call, bool train, DType real, int lanes)
    : geom(operand_x(call, 0), lanes),
      eps(eps_of(call)),
      activation(activation_of(call)),
      has_residual(flag(call, kNormForwardAttrs["hasResidual"])) {
  require_operands(call, has_residual ? 7 : 6);
  require_dtypes(call, call.t[0], real);
  const TensorView* t = call.t;
  x = *t++;
  gamma = *t++;
  beta = *t++;
  if (!train) mean = *t++, var = *t++;
  if (has_residual) residual = *t++;
  y = *t++;
  if (train) mean = *t++, var = *t++;
  for (const TensorView* v : {&gamma, &beta, &mean, &var}) require_channels(*v, geom);
  require_same_dims(x, y, "batch_norm: y has another shape than x");
  if (has_residual) require_same_dims(x, residual, "batch_norm: residual has another shape than x");
  require(!train || geom.rows() > 0, "batch_norm: no rows to take statistics of");
}

NormMoments::NormMoments(const Call& call, DType real, int lanes) : geom(operand_x(call, 0), lanes) {
  require_operands(call, 3);
  require_dtypes(call, call.t[0], real);
  x = call.t[0];
  mean = call.t[1];
  m2 = call.t[2];
  require_channels(mean, geom);
  require_channels(m2, geom);
  require(geom.rows() > 0, "batch_norm_moments: no rows to take statistics of");
}

NormBackward::NormBackward(const Call& call, NormGradient kind, DType real, int lanes)
    : geom(operand_x(call, 1), lanes),
      eps(eps_of(call)),
      mask(mask_of(call)),
      has_residual(flag(call, kNormBackwardAttrs["hasResidual"])),
      has_addend(flag(call, kNormBackwardAttrs["hasAddend"])) {
  const bool writes_dx = kind != NormGradient::sums;
  require(has_residual || !has_addend, "batch_norm_backward: an addend needs a residual");
  require_operands(call, 7 + writes_dx + (mask != NormMask::none) + has_residual + has_addend);
  require_dtypes(call, call.t[1], real);
  const TensorView* t = call.t;
  dy = *t++;
  x = *t++;
  gamma = *t++;
  mean = *t++;
  var = *t++;
  if (reads_output(mask)) y = *t++;
  if (computes_input(mask)) beta = *t++;
  if (has_addend) addend = *t++;
  if (writes_dx) dx = *t++;
  dgamma = *t++;
  dbeta = *t++;
  if (has_residual) dresidual = *t++;
  for (const TensorView* v : {&gamma, &mean, &var, &dgamma, &dbeta}) require_channels(*v, geom);
  require_same_dims(x, dy, "batch_norm_backward: dy has another shape than x");
  if (writes_dx) require_same_dims(x, dx, "batch_norm_backward: dx has another shape than x");
  if (reads_output(mask)) require_same_dims(x, y, "batch_norm_backward: y has another shape than x");
  if (computes_input(mask)) require_channels(beta, geom);
  if (has_addend) require_same_dims(x, addend, "batch_norm_backward: the addend has another shape than x");
  if (has_residual)
    require_same_dims(x, dresidual, "batch_norm_backward: dresidual has another shape than x");
  require(kind == NormGradient::eval || geom.rows() > 0, "batch_norm_backward: no rows");
}

NormShift::NormShift(const Call& call, DType real, int lanes)
    : geom(operand_x(call, 1), lanes), eps(eps_of(call)) {
  require_operands(call, 9);
  require_dtypes(call, call.t[1], real);
  const TensorView* t = call.t;
  dy = *t++;
  x = *t++;
  gamma = *t++;
  mean = *t++;
  var = *t++;
  dgamma = *t++;
  dbeta = *t++;
  count = *t++;
  dx = *t++;
  for (const TensorView* v : {&gamma, &mean, &var, &dgamma, &dbeta}) require_channels(*v, geom);
  require(count.rank == 1 && count.numel() == 1, "batch_norm_backward_shift: count must be one number");
  require_same_dims(x, dy, "batch_norm_backward_shift: dy has another shape than x");
  require_same_dims(x, dx, "batch_norm_backward_shift: dx has another shape than x");
}

NormRunning::NormRunning(const Call& call, DType real) : t(call.t) {
  require_operands(call, 7);
  channels = call.t[0].last();
  for (int i : {0, 1, 2, 3, 5, 6}) {
    require(call.t[i].dtype == real, "batch_norm_running: operand of wrong dtype");
    require(call.t[i].rank == 1 && call.t[i].dims[0] == channels,
            "batch_norm_running: operands of differing sizes");
  }
  require(call.t[4].dtype == DType::f64 && call.t[4].rank == 0,
          "batch_norm_running: momentum must be a scalar");
  const double count = call.attrs[kNormRunningAttrs["count"]];
  require(count >= 1 && std::isfinite(count), "batch_norm_running: count must be at least 1");
  // One value has variance 0, biased or not.
  unbias = count > 1 ? count / (count - 1) : 1;
}

}  // namespace tenon
