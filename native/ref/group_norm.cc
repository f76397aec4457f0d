// Group normalization as it is defined (Wu and He 2018), one group of one sample at a time, in double: the
// reference of native/kernels/group_norm*.cc. The backward pass goes through dxhat, dvar and dmean, as for
// batch norm.
#include <algorithm>
#include <cmath>

#include "kernels/group_norm_operands.h"

namespace tenon {
namespace {

// Calls fn(element, channel) for every value of a group.
template <class Fn>
void for_group(const GroupGeom& g, int64_t sample, int64_t group, Fn&& fn) {
  for (int64_t p = 0; p < g.positions(); ++p) {
    for (int64_t c = group * g.run(); c < (group + 1) * g.run(); ++c) {
      fn((sample * g.positions() + p) * g.channels() + c, c);
    }
  }
}

template <class Fn>
void for_groups(const GroupGeom& g, Fn&& fn) {
  for (int64_t sample = 0; sample < g.samples(); ++sample) {
    for (int64_t group = 0; group < g.groups(); ++group) fn(sample, group, sample * g.groups() + group);
  }
}

Cost prepare_forward(const Call& call) {
  GroupForward(call, DType::f64);
  return {};
}

void run_forward(const Call& call) {
  const GroupForward op(call, DType::f64);
  const double *x = op.x.as<double>(), n = static_cast<double>(op.geom.count());
  for_groups(op.geom, [&](int64_t sample, int64_t group, int64_t at) {
    double sum = 0, squares = 0;
    for_group(op.geom, sample, group, [&](int64_t i, int64_t) { sum += x[i]; });
    const double mean = sum / n;
    for_group(op.geom, sample, group, [&](int64_t i, int64_t) { squares += (x[i] - mean) * (x[i] - mean); });
    const double s = std::sqrt(squares / n + op.eps);
    op.mean.as<double>()[at] = mean;
    op.var.as<double>()[at] = squares / n;
    for_group(op.geom, sample, group, [&](int64_t i, int64_t c) {
      const double xhat = (x[i] - mean) / s;
      op.y.as<double>()[i] = op.affine ? op.gamma.as<double>()[c] * xhat + op.beta.as<double>()[c] : xhat;
    });
  });
}

Cost prepare_backward(const Call& call) {
  GroupBackward(call, DType::f64);
  return {};
}

void backward_group(const GroupBackward& op, int64_t sample, int64_t group, int64_t at) {
  const double *x = op.x.as<double>(), *dy = op.dy.as<double>(), n = static_cast<double>(op.geom.count());
  const double mean = op.mean.as<double>()[at], s = std::sqrt(op.var.as<double>()[at] + op.eps);
  double* dx = op.dx.as<double>();
  double dvar = 0, dmean = 0, centered_sum = 0;
  for_group(op.geom, sample, group, [&](int64_t i, int64_t c) {
    const double centered = x[i] - mean, d = dy[i], dxhat = op.affine ? d * op.gamma.as<double>()[c] : d;
    if (op.affine) {
      op.dgamma.as<double>()[c] += d * centered / s;
      op.dbeta.as<double>()[c] += d;
    }
    dvar += dxhat * centered * -0.5 / (s * s * s);
    dmean += -dxhat / s;
    centered_sum += centered;
    dx[i] = dxhat / s;
  });
  dmean += dvar * -2 * centered_sum / n;
  for_group(op.geom, sample, group,
            [&](int64_t i, int64_t) { dx[i] += dvar * 2 * (x[i] - mean) / n + dmean / n; });
}

void run_backward(const Call& call) {
  const GroupBackward op(call, DType::f64);
  if (op.affine) {
    std::fill_n(op.dgamma.as<double>(), op.geom.channels(), 0.0);
    std::fill_n(op.dbeta.as<double>(), op.geom.channels(), 0.0);
  }
  for_groups(op.geom,
             [&](int64_t sample, int64_t group, int64_t at) { backward_group(op, sample, group, at); });
}

const KernelRegistrar forward("group_norm", Target::ref, prepare_forward, run_forward, kGroupNormAttrs);
const KernelRegistrar backward("group_norm_backward", Target::ref, prepare_backward, run_backward,
                               kGroupNormAttrs);

}  // namespace
}  // namespace tenon
