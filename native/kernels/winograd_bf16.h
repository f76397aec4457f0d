// Winograd convolution with products in bf16, for processors that multiply bf16 faster than floats but have
// no tiles, which are faster still without Winograd's algorithm. Transforms are computed in float. What they
// make of inputs and filters is rounded to bf16, multiplied, and summed in float. Both factors are rounded,
// and the transform back enlarges the error: with normal inputs and filters it is 1.2% of the outputs' root
// mean square, where direct convolution in bf16 has 0.2%.
#pragma once

#include "base/bf16.h"
#include "kernels/winograd.h"

namespace tenon {

struct WinogradBf16Kernels {
  int64_t rows;  // tiles that a register tile of the products takes

  // planes <- B^T d B of pixels in bf16. Whole vectors of channels are written, zeros beyond `channels`.
  void (*input)(const WinogradPixels<const std::byte>& pixels, int64_t channels, bf16* planes, int64_t plane);

  // planes <- G g G^T of pairs of rows, as bf16 products want them: words [row / 2][kBf16Panel lanes], zeros
  // beyond the filters.
  void (*filter)(const WinogradFilters& filters, uint32_t* planes, int64_t plane);

  void (*output)(const WinogradOutput& tile);  // to bf16
};

// Null where this build has no such kernels for its architecture.
const WinogradBf16Kernels* winograd_avx512bf16();

}  // namespace tenon
