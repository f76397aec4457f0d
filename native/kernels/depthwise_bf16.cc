// Depthwise convolution of bf16 images where the processor rounds to bf16 in one instruction instead of nine:
// AVX512-BF16. Everything else is that of Target::avx512.
#define TENON_KERNEL_FILE "kernels/depthwise_bf16.cc"
#include "kernels/depthwise.h"
#include "kernels/streamed_bytes.h"

#include "kernels/for_avx512bf16.h"

#ifdef TENON_TARGET
  #include "kernels/lanes.h"
  #include "kernels/register_tile.h"

  #include "kernels/clip.h"

  #include "kernels/streaming.h"

  #include "kernels/depthwise_span.h"

  #include "kernels/depthwise_rows.h"

void span(const DepthwiseSpan& s) {
  const bool images = s.in_type == DType::bf16 && s.out_type == DType::bf16;
  if (images && (s.activation == Activation::none || clips(s.activation)))
    typed_span<bf16, bf16>(s);
  else
    depthwise_kernels(Target::avx512).span(s);
}

bool rows(const DepthwiseRows& r) {
  return r.span.in_type == DType::bf16 && r.span.out_type == DType::bf16 && typed_rows<bf16>(r);
}

#else

namespace tenon {

const DepthwiseKernels& depthwise_avx512bf16() {
  static const DepthwiseKernels kernels = {
      TENON_AVX512BF16_OR(&avx512bf16::span, nullptr),
      TENON_AVX512BF16_OR(depthwise_kernels(Target::avx512).gradient, nullptr),
      TENON_AVX512BF16_OR(&avx512bf16::rows, nullptr)};
  return kernels;
}

}  // namespace tenon

#endif
