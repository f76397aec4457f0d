// conv2d, conv2d_backward_data, conv2d_backward_weights: which algorithm runs, what it costs, and their
// registration.
#include "ops/conv2d.h"

namespace tenon {
namespace {

int64_t workspace_of(ConvPass pass, const ConvCall& call, const GemmKernels& kernels) {
  if (call.algorithm == 1) return conv2d_im2col_workspace(pass, call, kernels);
  if (pass == ConvPass::forward) return conv2d_direct_workspace(call, kernels);
  if (pass == ConvPass::backward_data) return conv2d_direct_data_workspace(call, kernels);
  if (conv2d_weights_is_narrow(call.g, kernels)) return conv2d_weights_narrow_workspace(call, kernels);
  return conv2d_weights_workspace(call, kernels);
}

void execute(ConvPass pass, const ConvCall& call, const GemmKernels& kernels, float* workspace) {
  if (call.algorithm == 1) return conv2d_im2col(pass, call, kernels, workspace);
  if (pass == ConvPass::forward) return conv2d_direct(call, kernels, workspace);
  if (pass == ConvPass::backward_data) return conv2d_direct_data(call, kernels, workspace);
  if (conv2d_weights_is_narrow(call.g, kernels)) return conv2d_weights_narrow(call, kernels, workspace);
  conv2d_weights(call, kernels, workspace);
}

template <ConvPass Pass>
struct ConvOp {
  static ConvCall parse(const Call& call) {
    return ConvCall::make(Pass, call.t, call.count, call.attrs, call.attr_count, DType::f32);
  }
  static Cost prepare(const Call& call, const GemmKernels& kernels) {
    const ConvCall conv = parse(call);
    double bytes = 0;
    for (int i = 0; i < call.count; ++i) bytes += static_cast<double>(call.t[i].bytes());
    return {static_cast<size_t>(workspace_of(Pass, conv, kernels)) * sizeof(float), conv.g.flops(), bytes};
  }
  static void run(const Call& call, const GemmKernels& kernels) {
    execute(Pass, parse(call), kernels, reinterpret_cast<float*>(call.workspace));
  }
};

struct Forward : ConvOp<ConvPass::forward> {
  static constexpr const char* kName = "conv2d";
};
struct BackwardData : ConvOp<ConvPass::backward_data> {
  static constexpr const char* kName = "conv2d_backward_data";
};
struct BackwardWeights : ConvOp<ConvPass::backward_weights> {
  static constexpr const char* kName = "conv2d_backward_weights";
};

const RegisterHeavy<Forward> register_forward;
const RegisterHeavy<BackwardData> register_backward_data;
const RegisterHeavy<BackwardWeights> register_backward_weights;

}  // namespace
}  // namespace tenon
