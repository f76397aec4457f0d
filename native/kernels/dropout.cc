// Inverted dropout: y = u >= p ? x / (1 - p) : 0 with u drawn by Philox from (key, element, ordinal, step),
// so that backward draws the same mask again instead of storing it. Per element (stride 1), or one draw for
// each (n, c) of x [N, H, W, C] (stride H*W). y may be x.
#define TENON_KERNEL_FILE "kernels/dropout.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/philox_vec.h"

constexpr AttrNames kAttrs{"key[2]", "ordinal", "stride"};
constexpr int64_t kChunk = 8192;
constexpr int64_t kPiece = 512;

struct Mask {
  uint32_t key0, key1, ordinal, step;
  uint32_t threshold;  // u >= p exactly when the 24 bits of u are >= threshold
  real scale;

  explicit Mask(const Call& c)
      : key0(word_of(c.attrs[kAttrs["key"]])),
        key1(word_of(c.attrs[kAttrs["key"] + 1])),
        ordinal(word_of(c.attrs[kAttrs["ordinal"]])),
        step(word_of(scalar(c.t[2]))) {
    const double p = scalar(c.t[1]);
    const double wanted = std::ceil(p * 16777216.0);
    threshold = p <= 0                 ? 0
                : wanted <= 16777216.0 ? static_cast<uint32_t>(wanted)
                                       : 16777216u;  // NaN keeps nothing
    scale = threshold == 16777216u ? real{0} : static_cast<real>(1 / (1 - std::max(p, 0.0)));
  }

  // m[i] = scale or 0 for draws [begin, begin + n); begin is a multiple of 4.
  void draw(int64_t begin, int64_t n, real* m) const {
    uint32_t bits[kPiece];
    philox_words(key0, key1, ordinal, step, begin, n, bits);
    const int32_t limit =
        static_cast<int32_t>(threshold);  // 24 bits fit in a signed word, which every target can compare
    const real kept = scale;
    for (int64_t i = 0; i < n; ++i) m[i] = static_cast<int32_t>(bits[i] >> 8) >= limit ? kept : real{0};
  }
};

// A dropped element is 0 whatever it was, infinity and NaN included.
V keep(V x, V m) { return select(m != V{}, x * m, V{}); }

Cost prepare_dropout(const Call& c) {
  require_operands(c, 4);
  require(is_storage(c.t[0].dtype), "dropout: x must be real or bf16");
  require_dtype(c.t[3], c.t[0].dtype, "dropout: y must be of x's dtype");
  require_scalar(c.t[1], "dropout: p must be a runtime scalar");
  require_scalar(c.t[2], "dropout: step must be a runtime scalar");
  require_same_dims(c.t[0], c.t[3], "dropout: shapes differ");
  require_words(c, kAttrs["key"], kAttrs["ordinal"] + 1, "dropout: keys and ordinal must be 32-bit words");
  const TensorView& x = c.t[0];
  const int64_t stride = integer_attr(c, kAttrs["stride"], "dropout: stride must be an integer");
  const bool spatial = x.rank == 4 && stride == x.dims[1] * x.dims[2];
  require(stride == 1 || spatial, "dropout: stride must be 1, or H*W of [N, H, W, C]");
  const size_t masks = stride == 1 ? 0 : static_cast<size_t>(x.dims[0] * x.dims[3]) * sizeof(real);
  return {masks, static_cast<double>(x.numel()) * 12, 2.0 * static_cast<double>(x.bytes())};
}

template <class T>
void run_elements(const Call& c, const Mask& mask) {
  const int64_t n = c.t[0].numel();
  const T* x = c.t[0].as<T>();
  T* y = c.t[3].as<T>();
  parallel_chunks(n, kChunk, static_cast<double>(n) * 12, [&](int64_t begin, int64_t end) {
    real m[kPiece];
    for (int64_t i = begin; i < end; i += kPiece) {
      const int64_t count = std::min(kPiece, end - i);
      mask.draw(i, count, m);
      map(count, y + i, keep, x + i, m);
    }
  });
}

template <class T>
void run_spatial(const Call& c, const Mask& mask, int64_t stride) {
  const int64_t images = c.t[0].dims[0], channels = c.t[0].dims[3];
  real* masks = reinterpret_cast<real*>(c.workspace);
  parallel_chunks(images * channels, kPiece, static_cast<double>(images * channels) * 12,
                  [&](int64_t begin, int64_t end) { mask.draw(begin, end - begin, masks + begin); });
  const T* x = c.t[0].as<T>();
  T* y = c.t[3].as<T>();
  const int64_t rows = std::max<int64_t>(1, kChunk / std::max<int64_t>(1, channels));
  parallel_chunks(
      images * stride, rows, static_cast<double>(c.t[0].bytes()) * 2, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
          map(channels, y + row * channels, keep, x + row * channels, masks + row / stride * channels);
      });
}

void run_dropout(const Call& c) {
  const Mask mask(c);
  const int64_t stride = c.attr(kAttrs["stride"]);
  with_storage(c.t[0].dtype, [&](auto stored) {
    using T = decltype(stored);
    stride == 1 ? run_elements<T>(c, mask) : run_spatial<T>(c, mask, stride);
  });
}

TENON_KERNEL(dropout, prepare_dropout, run_dropout, kAttrs)
#endif
