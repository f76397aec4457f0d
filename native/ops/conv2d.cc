// conv2d, conv2d_backward_data, conv2d_backward_weights: which algorithm runs, what it costs,
// and their registration.
#include "ops/conv2d.h"

#include <cstring>

#include "ops/conv2d_depthwise.h"
#include "ops/conv2d_winograd.h"

namespace tenon {
namespace {

// The algorithms, by the numbers that native/kernels/README.md lists. Depthwise is the rule's choice only.
enum class Algorithm { im2col = 1, direct = 2, winograd = 3, depthwise };

Algorithm choose(ConvPass pass, const ConvCall& call, const GemmKernels& kernels) {
  if (call.algorithm != 0) return static_cast<Algorithm>(call.algorithm);
  if (conv2d_is_depthwise(call.g) && !call.has_residual) return Algorithm::depthwise;
  return conv2d_winograd_wins(pass, call.g, kernels) ? Algorithm::winograd : Algorithm::direct;
}

int64_t direct_workspace(ConvPass pass, const ConvCall& call, const GemmKernels& kernels) {
  if (pass == ConvPass::forward) return conv2d_direct_workspace(call, kernels);
  if (pass == ConvPass::backward_data) return conv2d_direct_data_workspace(call, kernels);
  if (conv2d_weights_is_narrow(call.g, kernels)) return conv2d_weights_narrow_workspace(call, kernels);
  if (conv2d_weights_is_matrix(call.g, kernels)) return conv2d_weights_matrix_workspace(call, kernels);
  if (conv2d_weights_by_rows(call.g, kernels)) return conv2d_weights_rows_workspace(call, kernels);
  return conv2d_weights_workspace(call, kernels);
}

void direct(ConvPass pass, const ConvCall& call, const GemmKernels& kernels, float* workspace) {
  if (pass == ConvPass::forward) return conv2d_direct(call, kernels, workspace);
  if (pass == ConvPass::backward_data) return conv2d_direct_data(call, kernels, workspace);
  if (conv2d_weights_is_narrow(call.g, kernels))
    return conv2d_weights_narrow(call, kernels, nullptr, workspace);
  if (conv2d_weights_is_matrix(call.g, kernels)) return conv2d_weights_matrix(call, kernels, workspace);
  if (conv2d_weights_by_rows(call.g, kernels)) return conv2d_weights_rows(call, kernels, workspace);
  conv2d_weights(call, kernels, workspace);
}

int64_t workspace_of(ConvPass pass, const ConvCall& call, const GemmKernels& kernels) {
  switch (choose(pass, call, kernels)) {
    case Algorithm::im2col:
      return conv2d_im2col_workspace(pass, call, kernels);
    case Algorithm::direct:
      return direct_workspace(pass, call, kernels);
    case Algorithm::depthwise:
      return conv2d_depthwise_workspace(pass, call);
    case Algorithm::winograd:
      break;
  }
  require(conv2d_winograd_fits(call.g), "conv2d: Winograd is for 3x3 with stride, dilation and groups of 1");
  if (pass == ConvPass::backward_weights)
    return conv2d_winograd_weights_workspace(call, winograd_gradient_kernels(kernels.target));
  return conv2d_winograd_workspace(pass, call, WinogradTools::of(kernels.target));
}

void execute(ConvPass pass, const ConvCall& call, Target target, float* workspace) {
  const GemmKernels& kernels = gemm_kernels(target);
  switch (choose(pass, call, kernels)) {
    case Algorithm::im2col:
      return conv2d_im2col(pass, call, kernels, workspace);
    case Algorithm::direct:
      return direct(pass, call, kernels, workspace);
    case Algorithm::depthwise:
      return conv2d_depthwise(pass, call, depthwise_kernels(target), workspace);
    case Algorithm::winograd:
      break;
  }
  if (pass == ConvPass::backward_weights)
    return conv2d_winograd_weights(call, winograd_gradient_kernels(target), workspace);
  conv2d_winograd(pass, call, WinogradTools::of(target), workspace);
}

// Weights packed once for many runs: those of the forward pass, in the layout of the algorithm.
Packing packing_of(ConvPass pass, const ConvCall& call, const GemmKernels& kernels) {
  const Algorithm algorithm = choose(pass, call, kernels);
  const bool direct = algorithm == Algorithm::direct;
  if (pass != ConvPass::forward || (!direct && algorithm != Algorithm::winograd)) return {};
  const int64_t floats = direct ? conv2d_direct_packed_floats(call, kernels)
                                : conv2d_winograd_packed_floats(call, WinogradTools::of(kernels.target));
  constexpr int64_t kAlgorithms = 4;
  const int64_t layout = direct ? conv2d_direct_packed_layout(call, kernels) : 0;
  return {1, static_cast<size_t>(floats) * sizeof(float),
          layout * kAlgorithms + static_cast<int64_t>(algorithm)};
}

int64_t packed_workspace(const ConvCall& call, const GemmKernels& kernels) {
  return choose(ConvPass::forward, call, kernels) == Algorithm::direct
             ? conv2d_direct_packed_workspace(call, kernels)
             : conv2d_winograd_packed_workspace(call, WinogradTools::of(kernels.target));
}

void pack(const ConvCall& call, Target target, float* packed) {
  const GemmKernels& kernels = gemm_kernels(target);
  if (choose(ConvPass::forward, call, kernels) == Algorithm::direct)
    return conv2d_direct_pack(call, kernels, packed);
  conv2d_winograd_pack(call, WinogradTools::of(target), packed);
}

void execute_packed(const ConvCall& call, Target target, const float* packed, float* workspace) {
  const GemmKernels& kernels = gemm_kernels(target);
  if (choose(ConvPass::forward, call, kernels) == Algorithm::direct)
    return conv2d_direct_packed(call, kernels, packed, workspace);
  conv2d_winograd_packed(call, WinogradTools::of(target), packed, workspace);
}

template <ConvPass Pass>
struct ConvOp {
  static constexpr const char* kName = Pass == ConvPass::forward         ? "conv2d"
                                       : Pass == ConvPass::backward_data ? "conv2d_backward_data"
                                                                         : "conv2d_backward_weights";
  static constexpr AttrList kAttrs = conv_attrs(Pass);

  static ConvCall parse(const Call& call) {
    return ConvCall::make(Pass, call.t, call.count, call.attrs, DType::f32);
  }
  static Cost prepare(const Call& call, Target target) {
    const ConvCall conv = parse(call);
    double bytes = 0;
    for (int i = 0; i < call.count; ++i) bytes += static_cast<double>(call.t[i].bytes());
    const GemmKernels& kernels = gemm_kernels(target);
    const int64_t workspace =
        call.packed != nullptr ? packed_workspace(conv, kernels) : workspace_of(Pass, conv, kernels);
    return {static_cast<size_t>(workspace) * sizeof(float), conv.g.flops(), bytes,
            packing_of(Pass, conv, kernels)};
  }
  static void run(const Call& call, Target target) {
    const ConvCall conv = parse(call);
    auto* workspace = reinterpret_cast<float*>(call.workspace);
    conv2d_place_residual(conv);
    if (call.packed == nullptr) return execute(Pass, conv, target, workspace);
    execute_packed(conv, target, reinterpret_cast<const float*>(call.packed), workspace);
  }
};

}  // namespace

void conv2d_place_residual(const ConvCall& call) {
  if (!call.has_residual || call.residual.data == call.y.data) return;
  constexpr int64_t kChunk = 1 << 16;
  const auto bytes = static_cast<int64_t>(call.y.bytes());
  parallel_chunks(bytes, kChunk, static_cast<double>(bytes), [&](int64_t begin, int64_t end) {
    std::memmove(call.y.data + begin, call.residual.data + begin, static_cast<size_t>(end - begin));
  });
}

// Convolutions use more than the GEMM kernels of a target.
template <ConvPass Pass, Target T>
struct HeavyFor<ConvOp<Pass>, T> {
  static Cost prepare(const Call& call) { return ConvOp<Pass>::prepare(call, T); }
  static void run(const Call& call) { ConvOp<Pass>::run(call, T); }
  static constexpr bool kPacks = Pass == ConvPass::forward;
  static void pack(const Call& call, std::byte* packed) {
    tenon::pack(ConvOp<Pass>::parse(call), T, reinterpret_cast<float*>(packed));
  }
};

namespace {

const RegisterHeavy<ConvOp<ConvPass::forward>> register_forward;
const RegisterHeavy<ConvOp<ConvPass::backward_data>> register_backward_data;
const RegisterHeavy<ConvOp<ConvPass::backward_weights>> register_backward_weights;

}  // namespace
}  // namespace tenon
