// Dropout: y = u >= p ? x * scale : 0 with u drawn by Philox from (key, draw, ordinal, step), so that
// backward draws the same mask again instead of storing it; scale is 1 / (1 - p) where `inverted`, else 1.
// `unit` says what shares a draw: 0 nothing, 1 a channel of an example of x [N, H, W, C], 2 what has one
// index along the first axis, 3 the whole tensor. y may be x.
#define TENON_KERNEL_FILE "kernels/dropout.cc"
#include "kernels/checks.h"
#include "kernels/draws.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/philox_vec.h"

  #include "kernels/uniforms.h"

constexpr AttrNames kAttrs{"key[2]", "ordinal", "perExample", "unit", "inverted"};
constexpr int64_t kChunk = 8192;
constexpr int64_t kPiece = 512;
enum Unit { kElement = 0, kChannel = 1, kRow = 2, kTensor = 3 };

// Operands: x, p, step, example -> y.
struct Mask {
  Draws draws;
  Threshold kept;
  real scale;

  explicit Mask(const Call& c)
      : draws(c, c.t[2], c.t[3]), kept(scalar(c.t[1])), scale(kept.scale(c.attr(kAttrs["inverted"]) == 1)) {}

  // m[i] = scale or 0 for draws [begin, begin + n), n at most kPiece.
  void draw(int64_t begin, int64_t n, real* m) const {
    uint32_t buffer[kPiece + 4];
    const uint32_t* words = draw_words(draws, begin, n, buffer);
    const int32_t limit = kept.limit;
    const real value = scale;
    for (int64_t i = 0; i < n; ++i) m[i] = static_cast<int32_t>(words[i] >> 8) >= limit ? value : real{0};
  }
};

// A dropped element is 0 whatever it was, infinity and NaN included.
V keep(V x, V m) { return select(m != V{}, x * m, V{}); }

// How many draws x takes.
int64_t draws_of(const TensorView& x, int64_t unit) {
  if (unit == kChannel) return x.dims[0] * x.dims[3];
  if (unit == kRow) return x.dims[0];
  return unit == kTensor ? 1 : x.numel();
}

Cost prepare_dropout(const Call& c) {
  require_operands(c, 5);
  const TensorView& x = c.t[0];
  require(is_storage(x.dtype), "dropout: x must be real or bf16");
  require_dtype(c.t[4], x.dtype, "dropout: y must be of x's dtype");
  require_scalar(c.t[1], "dropout: p must be a runtime scalar");
  require_same_dims(x, c.t[4], "dropout: shapes differ");
  require_draws(c, c.t[2], c.t[3]);
  const int64_t unit = integer_attr(c, kAttrs["unit"], "dropout: unit must be 0 to 3");
  require(unit >= kElement && unit <= kTensor, "dropout: unit must be 0 to 3");
  require(unit != kChannel || x.rank == 4, "dropout: channels need x of rank 4");
  require(unit != kRow || x.rank > 0, "dropout: rows need an axis");
  flag_attr(c, kAttrs["inverted"], "dropout: inverted must be 0 or 1");
  const size_t masks = unit == kElement ? 0 : static_cast<size_t>(draws_of(x, unit)) * sizeof(real);
  return {masks, static_cast<double>(x.numel()) * 12, 2.0 * static_cast<double>(x.bytes())};
}

template <class T>
void run_elements(const Call& c, const Mask& mask) {
  const int64_t n = c.t[0].numel();
  const T* x = c.t[0].as<T>();
  T* y = c.t[4].as<T>();
  parallel_chunks(n, kChunk, static_cast<double>(n) * 12, [&](int64_t begin, int64_t end) {
    real m[kPiece];
    for (int64_t i = begin; i < end; i += kPiece) {
      const int64_t count = std::min(kPiece, end - i);
      mask.draw(i, count, m);
      map(count, y + i, keep, x + i, m);
    }
  });
}

// The masks of all units, into the workspace.
const real* draw_units(const Call& c, const Mask& mask, int64_t units) {
  real* masks = reinterpret_cast<real*>(c.workspace);
  parallel_chunks(units, kPiece, static_cast<double>(units) * 12,
                  [&](int64_t begin, int64_t end) { mask.draw(begin, end - begin, masks + begin); });
  return masks;
}

template <class T>
void run_channels(const Call& c, const Mask& mask) {
  const int64_t images = c.t[0].dims[0], channels = c.t[0].dims[3];
  const int64_t positions = c.t[0].dims[1] * c.t[0].dims[2];
  const real* masks = draw_units(c, mask, images * channels);
  const T* x = c.t[0].as<T>();
  T* y = c.t[4].as<T>();
  const int64_t rows = std::max<int64_t>(1, kChunk / std::max<int64_t>(1, channels));
  parallel_chunks(
      images * positions, rows, static_cast<double>(c.t[0].bytes()) * 2, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
          map(channels, y + row * channels, keep, x + row * channels, masks + row / positions * channels);
      });
}

// Units are runs of neighbouring elements.
template <class T>
void run_rows(const Call& c, const Mask& mask, int64_t units) {
  const int64_t n = c.t[0].numel();
  if (n == 0) return;
  const int64_t length = n / units;
  const real* masks = draw_units(c, mask, units);
  const T* x = c.t[0].as<T>();
  T* y = c.t[4].as<T>();
  parallel_chunks(n, kChunk, static_cast<double>(n) * 2, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end;) {
      const int64_t row = i / length, stop = std::min(end, (row + 1) * length);
      const V m = splat(masks[row]);
      map(
          stop - i, y + i, [m](V v) { return keep(v, m); }, x + i);
      i = stop;
    }
  });
}

void run_dropout(const Call& c) {
  const Mask mask(c);
  const int64_t unit = c.attr(kAttrs["unit"]);
  with_storage(c.t[0].dtype, [&](auto stored) {
    using T = decltype(stored);
    if (unit == kElement) {
      run_elements<T>(c, mask);
    } else if (unit == kChannel) {
      run_channels<T>(c, mask);
    } else {
      run_rows<T>(c, mask, draws_of(c.t[0], unit));
    }
  });
}

TENON_KERNEL(dropout, prepare_dropout, run_dropout, kAttrs)
#endif
