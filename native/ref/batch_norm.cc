// Batch normalization as it is written in the paper (Ioffe and Szegedy 2015), one channel at a time, in
// double: the reference of native/kernels/batch_norm*.cc. The backward pass goes through dxhat, dvar and
// dmean as the paper's section 3 does.
#include <cmath>

#include "kernels/norm_operands.h"

namespace tenon {
namespace {

// Column c of a [rows, C] tensor.
struct Column {
  double* data;
  int64_t stride;
  double& operator[](int64_t row) const { return data[row * stride]; }
};

Column column(const TensorView& v, int64_t c) { return {v.as<double>() + c, v.last()}; }

void statistics(const Column& x, int64_t rows, double* mean, double* var) {
  double sum = 0, squares = 0;
  for (int64_t r = 0; r < rows; ++r) sum += x[r];
  *mean = sum / rows;
  for (int64_t r = 0; r < rows; ++r) squares += (x[r] - *mean) * (x[r] - *mean);
  *var = squares / rows;
}

template <bool kTrain>
Cost prepare_forward(const Call& call) {
  NormForward(call, kTrain, DType::f64, 1);
  return {};
}

template <bool kTrain>
void run_forward(const Call& call) {
  const NormForward op(call, kTrain, DType::f64, 1);
  for (int64_t c = 0; c < op.geom.channels(); ++c) {
    const Column x = column(op.x, c), y = column(op.y, c);
    double& mean = op.mean.as<double>()[c];
    double& var = op.var.as<double>()[c];
    if (kTrain) statistics(x, op.geom.rows(), &mean, &var);
    for (int64_t r = 0; r < op.geom.rows(); ++r) {
      const double xhat = (x[r] - mean) / std::sqrt(var + op.eps);
      double v = op.gamma.as<double>()[c] * xhat + op.beta.as<double>()[c];
      if (op.has_residual) v += column(op.residual, c)[r];
      if (op.activation != NormActivation::none && v <= 0) v = 0;
      if (op.activation == NormActivation::relu6 && v >= 6) v = 6;
      y[r] = v;
    }
  }
}

Cost prepare_moments(const Call& call) {
  NormMoments(call, DType::f64, 1);
  return {};
}

void run_moments(const Call& call) {
  const NormMoments op(call, DType::f64, 1);
  const int64_t rows = op.geom.rows();
  for (int64_t c = 0; c < op.geom.channels(); ++c) {
    double var = 0;
    statistics(column(op.x, c), rows, &op.mean.as<double>()[c], &var);
    op.m2.as<double>()[c] = var * static_cast<double>(rows);
  }
}

template <NormGradient kKind>
Cost prepare_backward(const Call& call) {
  NormBackward(call, kKind, DType::f64, 1);
  return {};
}

// Whether the activation lets the gradient of row r through.
bool passes(const NormBackward& op, int64_t c, int64_t r) {
  if (op.mask == NormMask::none) return true;
  double y;
  if (reads_output(op.mask)) {
    y = column(op.y, c)[r];
  } else {
    const double xhat =
        (column(op.x, c)[r] - op.mean.as<double>()[c]) / std::sqrt(op.var.as<double>()[c] + op.eps);
    y = op.gamma.as<double>()[c] * xhat + op.beta.as<double>()[c];
  }
  return y > 0 && (!is_relu6(op.mask) || y < 6);
}

template <NormGradient kKind>
void backward_channel(const NormBackward& op, int64_t c) {
  const int64_t rows = op.geom.rows();
  const Column dy = column(op.dy, c), x = column(op.x, c);
  const double gamma = op.gamma.as<double>()[c], mean = op.mean.as<double>()[c];
  const double s = std::sqrt(op.var.as<double>()[c] + op.eps);
  double dgamma = 0, dbeta = 0, dvar = 0, dmean = 0, centered_sum = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const double upstream = dy[r] + (op.has_addend ? column(op.addend, c)[r] : 0);
    const double d = passes(op, c, r) ? upstream : 0;
    if (op.has_residual) column(op.dresidual, c)[r] = d;
    const double centered = x[r] - mean, dxhat = d * gamma;
    dgamma += d * centered / s;
    dbeta += d;
    dvar += dxhat * centered * -0.5 / (s * s * s);
    dmean += -dxhat / s;
    centered_sum += centered;
    if (kKind != NormGradient::sums) column(op.dx, c)[r] = dxhat / s;
  }
  dmean += dvar * -2 * centered_sum / rows;
  if (kKind == NormGradient::train) {
    const Column dx = column(op.dx, c);
    for (int64_t r = 0; r < rows; ++r) dx[r] += dvar * 2 * (x[r] - mean) / rows + dmean / rows;
  }
  op.dgamma.as<double>()[c] = dgamma;
  op.dbeta.as<double>()[c] = dbeta;
}

template <NormGradient kKind>
void run_backward(const Call& call) {
  const NormBackward op(call, kKind, DType::f64, 1);
  for (int64_t c = 0; c < op.geom.channels(); ++c) backward_channel<kKind>(op, c);
}

Cost prepare_shift(const Call& call) {
  NormShift(call, DType::f64, 1);
  return {};
}

void run_shift(const Call& call) {
  const NormShift op(call, DType::f64, 1);
  const double count = op.count.as<double>()[0];
  for (int64_t c = 0; c < op.geom.channels(); ++c) {
    const Column dy = column(op.dy, c), x = column(op.x, c), dx = column(op.dx, c);
    const double s = std::sqrt(op.var.as<double>()[c] + op.eps);
    for (int64_t r = 0; r < op.geom.rows(); ++r) {
      const double xhat = (x[r] - op.mean.as<double>()[c]) / s;
      const double mean = (op.dbeta.as<double>()[c] + xhat * op.dgamma.as<double>()[c]) / count;
      dx[r] = op.gamma.as<double>()[c] / s * (dy[r] - mean);
    }
  }
}

Cost prepare_running(const Call& call) {
  NormRunning(call, DType::f64);
  return {};
}

void run_running(const Call& call) {
  const NormRunning op(call, DType::f64);
  const double m = *op.t[4].as<double>();
  for (int64_t c = 0; c < op.channels; ++c) {
    op.t[5].as<double>()[c] = (1 - m) * op.t[0].as<double>()[c] + m * op.t[2].as<double>()[c];
    op.t[6].as<double>()[c] = (1 - m) * op.t[1].as<double>()[c] + m * op.t[3].as<double>()[c] * op.unbias;
  }
}

const KernelRegistrar train("batch_norm_train", Target::ref, prepare_forward<true>, run_forward<true>,
                            kNormForwardAttrs);
const KernelRegistrar eval("batch_norm_eval", Target::ref, prepare_forward<false>, run_forward<false>,
                           kNormForwardAttrs);
const KernelRegistrar moments("batch_norm_moments", Target::ref, prepare_moments, run_moments);
const KernelRegistrar backward("batch_norm_backward", Target::ref, prepare_backward<NormGradient::train>,
                               run_backward<NormGradient::train>, kNormBackwardAttrs);
const KernelRegistrar eval_backward("batch_norm_eval_backward", Target::ref,
                                    prepare_backward<NormGradient::eval>, run_backward<NormGradient::eval>,
                                    kNormBackwardAttrs);
const KernelRegistrar sums("batch_norm_backward_sums", Target::ref, prepare_backward<NormGradient::sums>,
                           run_backward<NormGradient::sums>, kNormBackwardAttrs);
const KernelRegistrar shift("batch_norm_backward_shift", Target::ref, prepare_shift, run_shift,
                            kNormShiftAttrs);
const KernelRegistrar running("batch_norm_running", Target::ref, prepare_running, run_running,
                              kNormRunningAttrs);

}  // namespace
}  // namespace tenon
