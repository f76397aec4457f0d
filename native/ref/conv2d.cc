// The reference of the convolutions: the definition's loops, one output element at a time.
#include "base/conv_geom.h"
#include "base/parallel.h"
#include "kernels/kernel.h"
#include "ref/activation.h"

namespace tenon::ref {
namespace {

template <ConvPass Pass>
Cost prepare(const Call& call) {
  const ConvCall c = ConvCall::make(Pass, call.t, call.count, call.attrs, DType::f64);
  return {0, c.g.flops(), 0};
}

// Input row or column that output position i meets with tap r, or -1 outside.
int64_t input_of(int64_t i, int64_t stride, int64_t r, int64_t dilation, int64_t padding, int64_t size) {
  const int64_t at = i * stride + r * dilation - padding;
  return at >= 0 && at < size ? at : -1;
}

// Output position that input position i meets with tap r, or -1 when there is none.
int64_t output_of(int64_t i, int64_t stride, int64_t r, int64_t dilation, int64_t padding, int64_t size) {
  const int64_t scaled = i + padding - r * dilation;
  return scaled >= 0 && scaled % stride == 0 && scaled / stride < size ? scaled / stride : -1;
}

template <class T>
void forward(const ConvCall& call) {
  const ConvGeom& g = call.g;
  const T *x = call.x.as<T>(), *w = call.w.as<T>(), *bias = call.bias.as<T>();
  parallel_for(g.n * g.oh, g.flops(), [&](int64_t row) {
    const int64_t n = row / g.oh, i = row % g.oh;
    for (int64_t j = 0; j < g.ow; ++j) {
      for (int64_t o = 0; o < g.o; ++o) {
        const int64_t c0 = o / g.og() * g.cg();
        T sum = 0;
        for (int64_t tap = 0; tap < g.taps(); ++tap) {
          const int64_t h = input_of(i, g.sh, tap / g.kw, g.dh, g.ph, g.h),
                        v = input_of(j, g.sw, tap % g.kw, g.dw, g.pw, g.w);
          if (h < 0 || v < 0) continue;
          for (int64_t c = 0; c < g.cg(); ++c)
            sum += x[((n * g.h + h) * g.w + v) * g.c + c0 + c] * w[(o * g.taps() + tap) * g.cg() + c];
        }
        const int64_t at = (row * g.ow + j) * g.o + o;
        if (call.has_bias) sum += bias[o];
        if (call.has_residual) sum += call.residual.as<T>()[at];
        call.y.as<T>()[at] = activate(sum, call.activation);
      }
    }
  });
}

template <class T>
void backward_data(const ConvCall& call) {
  const ConvGeom& g = call.g;
  const T *dy = call.y.as<T>(), *w = call.w.as<T>();
  parallel_for(g.n * g.h, g.flops(), [&](int64_t row) {
    const int64_t n = row / g.h, h = row % g.h;
    for (int64_t v = 0; v < g.w; ++v) {
      for (int64_t c = 0; c < g.c; ++c) {
        const int64_t o0 = c / g.cg() * g.og(), inner = c % g.cg();
        T sum = 0;
        for (int64_t tap = 0; tap < g.taps(); ++tap) {
          const int64_t i = output_of(h, g.sh, tap / g.kw, g.dh, g.ph, g.oh),
                        j = output_of(v, g.sw, tap % g.kw, g.dw, g.pw, g.ow);
          if (i < 0 || j < 0) continue;
          for (int64_t o = o0; o < o0 + g.og(); ++o)
            sum += dy[((n * g.oh + i) * g.ow + j) * g.o + o] * w[(o * g.taps() + tap) * g.cg() + inner];
        }
        call.x.as<T>()[(row * g.w + v) * g.c + c] = sum;
      }
    }
  });
}

template <class T>
void backward_weights(const ConvCall& call) {
  const ConvGeom& g = call.g;
  const T *dy = call.y.as<T>(), *x = call.x.as<T>();
  parallel_for(g.o * g.taps(), g.flops(), [&](int64_t index) {
    const int64_t o = index / g.taps(), tap = index % g.taps(), c0 = o / g.og() * g.cg();
    for (int64_t c = 0; c < g.cg(); ++c) {
      T sum = 0;
      for (int64_t row = 0; row < g.n * g.oh; ++row) {
        const int64_t h = input_of(row % g.oh, g.sh, tap / g.kw, g.dh, g.ph, g.h);
        if (h < 0) continue;
        for (int64_t j = 0; j < g.ow; ++j) {
          const int64_t v = input_of(j, g.sw, tap % g.kw, g.dw, g.pw, g.w);
          if (v >= 0)
            sum += dy[(row * g.ow + j) * g.o + o] * x[((row / g.oh * g.h + h) * g.w + v) * g.c + c0 + c];
        }
      }
      call.w.as<T>()[index * g.cg() + c] = sum;
    }
  });
}

template <ConvPass Pass>
void run(const Call& call) {
  const ConvCall c = ConvCall::make(Pass, call.t, call.count, call.attrs, DType::f64);
  if constexpr (Pass == ConvPass::forward) forward<double>(c);
  if constexpr (Pass == ConvPass::backward_data) backward_data<double>(c);
  if constexpr (Pass == ConvPass::backward_weights) backward_weights<double>(c);
}

const KernelRegistrar registrations[] = {
    {"conv2d", Target::ref, prepare<ConvPass::forward>, run<ConvPass::forward>, kConvForwardAttrs},
    {"conv2d_backward_data", Target::ref, prepare<ConvPass::backward_data>, run<ConvPass::backward_data>,
     kConvBackwardAttrs},
    {"conv2d_backward_weights", Target::ref, prepare<ConvPass::backward_weights>,
     run<ConvPass::backward_weights>, kConvBackwardAttrs},
};

}  // namespace
}  // namespace tenon::ref
