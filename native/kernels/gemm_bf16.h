// Matrix products of bf16 operands, accumulated in float. Three paths compute them: AMX tiles, the dot
// product instruction of AVX512-BF16, and, on every other processor, float arithmetic on the widened
// values ("emulated"). Each is deterministic; their results may differ in the last bits, as they sum
// in different orders.
//
// A is [m][lda] with K contiguous. B comes in panels of kBf16Panel columns: rows of pairs, [k/2][column][2],
// as the instructions want them. C is float, [m][ldc]; the epilogue (`finish`) makes the result of it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "base/bf16.h"
#include "base/cpu.h"
#include "kernels/gemm.h"

namespace tenon {

inline constexpr int64_t kBf16Panel = 32;

struct Bf16Product {
  const bf16* a;  // rows up to a multiple of row_step are readable
  int64_t lda;
  const bf16* b;  // panel p at b + p * b_panel
  int64_t b_panel;
  int64_t m, n, k;  // k is a multiple of k_step; columns beyond n are zero in B
  float* c;         // rows up to a multiple of row_step, whole panels of columns
  int64_t ldc;
  bool accumulate;  // C += instead of C =
};

// A product whose rows of A overlap: K is cut into runs, and run r of row m begins at a + runs[r] + m *
// a_row. So the taps of a convolution read one copy of the image, each at an offset of its own. There are
// `images` such products, all with the same B.
struct Bf16TapProduct {
  const bf16* a;  // rows up to a multiple of row_step are readable
  int64_t a_row, a_image;
  const int64_t* runs;
  int64_t run_count, steps;  // `steps` times k_step elements in each run
  const bf16* b;             // panel p at b + p * b_panel
  int64_t b_panel;
  int64_t images, m, n;
  float* c;  // rows up to a multiple of row_step, whole panels of columns
  int64_t c_image, ldc;
  bool accumulate;
};

// Rows of C to y: plus bias, plus what y holds, activated, stored as bf16 or float.
struct Bf16Finish {
  const float* c;
  int64_t rows, ldc;
  int64_t n;
  const float* bias;  // or null
  Activation activation;
  void* y;
  int64_t ldy;
  bool narrow;      // y is bf16
  bool accumulate;  // y += instead of y =
  bool stream;      // y is too large for caches, and its rows are whole lines; end_streaming() is to follow
};

// Whether an epilogue is as short as Bf16Kernels::multiply_and_finish takes it.
inline bool finishes_in_registers(const Bf16Finish& f) {
  return f.narrow && (f.activation == Activation::none || clips(f.activation));
}

struct DepthwiseKernels;
struct WinogradBf16Kernels;
struct WinogradPairKernels;
struct PairKernels;

struct Bf16Kernels {
  Target target;
  // Where convolution goes by Winograd's algorithm, that is faster than this path's products of gathered
  // pixels; so are sums in float for few input channels, but for multiply_taps: on all paths but AMX.
  bool convolves_in_float;
  int64_t row_step, k_step;
  int64_t
      block_bytes;  // of A that one task should work on: what the second cache level holds with room to spare

  void (*multiply)(const Bf16Product&);
  // For convolutions with fewer channels than `tapped_channels`, in or out, in a group: with more, products
  // of gathered rows are as fast. Or null.
  void (*multiply_taps)(const Bf16TapProduct&);
  int64_t tapped_channels;
  // multiply, then finish, in one call. The epilogue's c must be the product's, which is scratch; where K is
  // one chain it is not touched. Only for what finishes_in_registers() allows. Or null.
  void (*multiply_and_finish)(const Bf16Product&, const Bf16Finish&);
  void (*finish)(const Bf16Finish&);
  // to[i] = (even[i], odd[i]) as one word each.
  void (*interleave)(const bf16* even, const bf16* odd, int64_t n, uint32_t* to);
  // to[j][i] = from[i][j], words.
  void (*transpose)(const uint32_t* from, int64_t ld, int64_t rows, int64_t columns, uint32_t* to,
                    int64_t to_ld);
  void (*narrow)(const float* x, int64_t n, bf16* y);
  void (*widen)(const bf16* x, int64_t n, float* y);

  const DepthwiseKernels* depthwise;

  // Where Winograd's algorithm multiplies bf16: on AVX512-BF16, which is faster at it than at
  // floats. Or null.
  const WinogradBf16Kernels* winograd;
  const WinogradPairKernels* winograd_weights;

  // Where gradients of weights sum over pairs of rows: on AVX512-BF16. Or null.
  const PairKernels* pairs;
};

// multiply, then finish.
inline void multiply_and_finish(const Bf16Kernels& kernels, const Bf16Product& product,
                                const Bf16Finish& finish) {
  if (kernels.multiply_and_finish != nullptr && finishes_in_registers(finish))
    return kernels.multiply_and_finish(product, finish);
  kernels.multiply(product);
  kernels.finish(finish);
}

// `amx_software` is the AMX driver over tiles computed in software (amx.h): slow, chosen only by
// TENON_BF16=amx-software, for tests on machines without AMX.
enum class Bf16Path : uint8_t { emulated, avx512bf16, amx, amx_software };

const char* name_of(Bf16Path path);

struct Bf16Choice {
  Bf16Path path;
  std::string reason;
  // Whether programs of mixed precision store bf16: not where its products would be emulated unasked.
  bool stores;
};

// The best path of this machine for kernels of `target`. `wanted`: TENON_BF16 (a path, or `best`), or empty.
// Throws std::invalid_argument when it names a path that is not there.
Bf16Choice choose_bf16_path(Target target, const std::string& wanted);

// The choice of this process, made once.
const Bf16Choice& bf16_path(Target target);

// Copies numbers to floats: floats as they are, bf16 widened by the kernels of a target.
struct FloatCopy {
  const Bf16Kernels* kernels;  // null where there is no bf16

  void operator()(const float* from, int64_t n, float* to) const {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
  }
  void operator()(const bf16* from, int64_t n, float* to) const { kernels->widen(from, n, to); }
};

Bf16Kernels bf16_kernels(Target target, Bf16Path path);
const Bf16Kernels& bf16_kernels(Target target);

}  // namespace tenon
