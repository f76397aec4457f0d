// What every path of bf16 products needs of an instruction set: packing, the epilogue, and the path that
// runs anywhere, float arithmetic on widened values. See gemm_bf16.h for the contract.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/gemm_bf16.cc"
#include "kernels/gemm_bf16.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/math.h"

  #include "kernels/clip.h"

  #include "kernels/activate.h"

  #include "kernels/bf16_finish.h"
  #include "kernels/register_tile.h"

  #include "kernels/gemm_bf16_tile.h"

  #include "kernels/transpose.h"

void interleave(const bf16* even, const bf16* odd, int64_t n, uint32_t* to) {
  int64_t i = 0;
  for (; i + W <= n; i += W) {
    const Words words = ((Words)load(even + i) >> 16) | (Words)load(odd + i);
    std::memcpy(to + i, &words, sizeof words);
  }
  for (; i < n; ++i) to[i] = even[i].bits | static_cast<uint32_t>(odd[i].bits) << 16;
}

void transpose(const uint32_t* from, int64_t ld, int64_t rows, int64_t columns, uint32_t* to, int64_t to_ld) {
  for (int64_t i = 0; i < rows; i += W) {
    const int64_t height = std::min<int64_t>(W, rows - i);
    for (int64_t j = 0; j < columns; j += W) {
      const int64_t width = std::min<int64_t>(W, columns - j);
      const uint32_t* source = from + i * ld + j;
      uint32_t* target = to + j * to_ld + i;
      if (height == W && width == W)
        transpose_square(source, ld, height, target, to_ld);
      else
        transpose_part(source, ld, height, width, target, to_ld, height);
    }
  }
}

void narrow(const float* x, int64_t n, bf16* y) {
  map(
      n, y, [](V v) { return v; }, x);
}

void widen(const bf16* x, int64_t n, float* y) {
  map(
      n, y, [](V v) { return v; }, x);
}

constexpr Bf16Kernels kTable = {Target::TENON_TARGET,
                                true,
                                1,
                                2,
                                192 * 1024,
                                &multiply_dots<WidenedDot>,
                                nullptr,
                                &finish,
                                &interleave,
                                &transpose,
                                &narrow,
                                &widen,
                                nullptr,
                                nullptr,
                                nullptr};

#else

  #include <cstdlib>

  #include "kernels/gemm_bf16_paths.h"
  #include "kernels/pair_sums_bf16.h"
  #include "kernels/winograd_bf16.h"
  #include "kernels/winograd_weights_bf16.h"

namespace tenon {
namespace {

const Bf16Kernels& common(Target target) { return TENON_TABLE(target); }

Bf16Kernels with_tiles(Target target, const Bf16TileProducts& products) {
  Bf16Kernels kernels = common(target);
  kernels.convolves_in_float = false;
  kernels.row_step = 16;
  kernels.k_step = 32;
  kernels.block_bytes = 1024 * 1024;
  kernels.multiply = products.multiply;
  kernels.multiply_taps = products.multiply_taps;
  return kernels;
}

}  // namespace

Bf16Kernels bf16_kernels(Target target, Bf16Path path) {
  if (path == Bf16Path::amx) return with_tiles(target, products_by_tiles());
  if (path == Bf16Path::amx_software) return with_tiles(target, products_by_software_tiles());
  Bf16Kernels kernels = common(target);
  if (path != Bf16Path::avx512bf16) return kernels;
  kernels.multiply = multiply_avx512bf16();
  kernels.finish = finish_avx512bf16();
  kernels.winograd = winograd_avx512bf16();
  kernels.winograd_weights = winograd_pairs_avx512bf16();
  kernels.pairs = pairs_avx512bf16();
  return kernels;
}

Bf16Chains bf16_chains(Target target) {
  const Bf16Path path = bf16_path(target).path;
  if (path == Bf16Path::amx) return chains_amx();
  if (path == Bf16Path::avx512bf16) return chains_avx512bf16();
  return {0, nullptr};
}

const Bf16Kernels& bf16_kernels(Target target) {
  static const auto* of_target = [] {
    auto* all = new Bf16Kernels[kTargets];
    for (int t = 0; t < kTargets; ++t) {
      const auto each = static_cast<Target>(t);
      all[t] = bf16_kernels(each, bf16_path(each).path);
    }
    return all;
  }();
  return of_target[static_cast<int>(target)];
}

}  // namespace tenon

#endif
