// The transforms of Winograd convolution; see winograd.h for the contract.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/winograd.cc"
#include "kernels/winograd.h"

#include "kernels/for_each_target.h"

#ifdef TENON_TARGET
  #include "kernels/lanes.h"
  #include "kernels/math.h"

  #include "kernels/clip.h"

  #include "kernels/activate.h"
  #include "kernels/winograd_axes.h"
  #include "kernels/winograd_tile.h"

template <class T>
void input(const WinogradPixels<const std::byte>& pixels, int64_t channels, float* planes, int64_t plane) {
  input_tile<T>(
      pixels, channels, [=](int point, int64_t c, V v) __attribute__((always_inline)) {
        store(planes + point * plane + c, v);
      });
}

void filter(const WinogradFilters& f, int64_t panel, float* planes, int64_t plane) {
  const int64_t tap_stride = f.tap_stride;
  for (int64_t row = 0; row < f.rows; ++row) {
    const float* taps = f.taps + row * f.row_stride;
    float* out = planes + row * panel;
    for_vectors(f.lanes, [=](int64_t at, auto lanes) {
      transform<FilterAxis>([=](int i, int j) { return lanes.load(taps + (3 * i + j) * tap_stride + at); },
                            [=](int i, int j, V v) { store(out + (6 * i + j) * plane + at, v); });
    });
    for (int64_t at = (f.lanes + W - 1) / W * W; at < panel; at += W)
      for (int point = 0; point < kWinogradPoints; ++point) store(out + point * plane + at, V{});
  }
}

  #ifdef TENON_IS_AVX512
// The filters of a point stay in registers, beside the sums of twelve tiles. With few channels the
// loops of the general register tile (gemm.h) would cost as much as what they multiply, so there is
// none over channels.
void narrow(const float* inputs, const float* filters, float* products, int64_t rows) {
  constexpr int kDepth = kWinogradNarrow, kRows = kWinogradNarrowRows;
  static_assert(W == kDepth);
  V b[kDepth];
    #pragma GCC unroll 16
  for (int k = 0; k < kDepth; ++k) b[k] = load(filters + k * W);
  for (int64_t row = 0; row < rows; row += kRows) {
    const float* a = inputs + row * W;
    V acc[kRows];
    #pragma GCC unroll 12
    for (int m = 0; m < kRows; ++m) acc[m] = splat(a[m * W]) * b[0];
    #pragma GCC unroll 16
    for (int k = 1; k < kDepth; ++k)
    #pragma GCC unroll 12
      for (int m = 0; m < kRows; ++m) acc[m] = fma(splat(a[m * W + k]), b[k], acc[m]);
    #pragma GCC unroll 12
    for (int m = 0; m < kRows; ++m) store(products + (row + m) * W, acc[m]);
  }
}
constexpr auto* kNarrow = &narrow;
  #else
constexpr void (*kNarrow)(const float* inputs, const float* filters, float* products, int64_t rows) = nullptr;
  #endif

template <class T>
constexpr WinogradStorage kStorage = {&input<T>, &output_tile<T>};

constexpr WinogradKernels kTable = {kStorage<float>, kStorage<bf16>, &filter, kNarrow};

#else

namespace tenon {

const WinogradKernels& winograd_kernels(Target target) { return TENON_TABLE(target); }

}  // namespace tenon

#endif
