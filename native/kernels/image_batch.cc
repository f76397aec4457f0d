// Makes a batch from a data set in memory: data u8 [T, H, W, C], index i32 [B], mean, std real [C], epoch,
// and perhaps occurrence i32 [B] -> y real [B, OH, OW, C], normalized, cropped from the image with a border
// of black (0 before normalization) and flipped left to right.
//
// y = byte * scale + shift with scale = 1 / (255 std) and shift = -mean / std of the channel; both are laid
// out for a whole row of y, so that a row is one loop over bytes without regard to channels. What is drawn
// depends on (key, sample, its occurrence in the epoch, epoch) alone. Parallel over images.
#define TENON_KERNEL_FILE "kernels/image_batch.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/bytes.h"

// A flipped row is reversed in pieces of this many bytes; a pixel larger than that is normalized by itself.
constexpr int64_t kFlipBytes = 1024;

constexpr AttrNames kAttrs{"key[2]", "flip", "padding"};

const TensorView& result(const Call& call) { return call.t[call.count - 1]; }

struct Geometry {
  explicit Geometry(const Call& call)
      : t(call.t[0].dims[0]),
        h(call.t[0].dims[1]),
        w(call.t[0].dims[2]),
        c(call.t[0].dims[3]),
        oh(result(call).dims[1]),
        ow(result(call).dims[2]),
        padding(call.attr(kAttrs["padding"])) {}
  int64_t t, h, w, c, oh, ow, padding;
};

// Where an image of the batch is taken from: its row 0 and column 0 in coordinates of the data.
struct Draw {
  int64_t top;
  int64_t left;
  bool flip;
};

Draw draw(const Geometry& g, const Call& call, int32_t sample, int32_t occurrence) {
  const PhiloxBlock r =
      philox(word_of(call.attrs[kAttrs["key"]]), word_of(call.attrs[kAttrs["key"] + 1]),
             static_cast<uint32_t>(sample), static_cast<uint32_t>(occurrence), 0, word_of(scalar(call.t[4])));
  const double rows = static_cast<double>(g.h + 2 * g.padding - g.oh + 1);
  const double cols = static_cast<double>(g.w + 2 * g.padding - g.ow + 1);
  return {static_cast<int64_t>(philox_uniform(r.v[1]) * rows) - g.padding,
          static_cast<int64_t>(philox_uniform(r.v[2]) * cols) - g.padding,
          philox_uniform(r.v[0]) < call.attrs[kAttrs["flip"]]};
}

// scale and shift for every element of a row of y.
struct Rows {
  real* scale;
  real* shift;
};

inline void normalize(int64_t n, const uint8_t* bytes, const Rows& k, int64_t at, real* y) {
  const auto vector = [=, scale = k.scale + at, shift = k.shift + at](int64_t i, auto lanes) {
    const V v = __builtin_convertvector(load_bytes(bytes + i, lanes), V);
    lanes.store(y + i, fma(v, lanes.load(scale + i), lanes.load(shift + i)));
  };
  if (n < W) return for_vectors(n, vector);
  // Where the last vector is not whole, some elements are written twice: cheaper than a mask.
  for (int64_t i = 0; i < n; i += W) vector(std::min(i, n - W), WholeLanes{});
}

// Writes n elements of black.
inline void blacken(int64_t n, const Rows& k, int64_t at, real* y) {
  for_vectors(n, [&](int64_t i, auto lanes) { lanes.store(y + i, lanes.load(k.shift + at + i)); });
}

// The bytes of five pixels of three channels that end before `end`, last one first. Reads the byte before
// them too, and leaves to[15] undefined.
inline void reverse_five(const uint8_t* end, uint8_t* to) {
  #if defined(TENON_IS_AVX512) || defined(TENON_IS_AVX2)
  const __m128i order = _mm_setr_epi8(13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, 0);
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(end - 16));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8(bytes, order));
  #elif defined(TENON_IS_NEON)
  const uint8_t order[16] = {13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, 0};
  vst1q_u8(to, vqtbl1q_u8(vld1q_u8(end - 16), vld1q_u8(order)));
  #else
  for (int64_t i = 0; i < 15; i += 3) std::memcpy(to + i, end - 3 - i, 3);
  #endif
}

// `pixels` pixels of three channels that end before `end`, last one first, but for at most five that are
// left: five at once are a vector of 16 elements, the last of which belongs to the pixel behind them. Returns
// how many were written.
inline int64_t normalize_flipped_rgb(int64_t pixels, const uint8_t* end, const Rows& k, int64_t at, real* y) {
  int64_t done = 0;
  for (; pixels - done > 5; done += 5) {
    uint8_t reversed[16] = {};
    reverse_five(end - 3 * done, reversed);
    normalize(16, reversed, k, at + 3 * done, y + 3 * done);
  }
  return done;
}

// `pixels` pixels that end before `end`, last one first, as columns column.. of the row y.
void normalize_flipped(int64_t pixels, const uint8_t* end, const Rows& k, int64_t c, int64_t column,
                       real* row) {
  uint8_t reversed[kFlipBytes];
  const int64_t piece = std::max<int64_t>(1, kFlipBytes / c);
  int64_t done = c == 3 ? normalize_flipped_rgb(pixels, end, k, column * c, row + column * c) : 0;
  for (; done < pixels; done += piece) {
    const int64_t count = std::min(piece, pixels - done), at = (column + done) * c;
    const uint8_t* from = end - done * c;
    if (c > kFlipBytes) {
      normalize(c, from - c, k, at, row + at);
      continue;
    }
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t j = 0; j < c; ++j) reversed[i * c + j] = from[j - (i + 1) * c];
    }
    normalize(count * c, reversed, k, at, row + at);
  }
}

// One row of y from the row of data at `source`. Columns [begin, end) of the unflipped crop lie
// inside the image.
void write_row(const Geometry& g, const Draw& d, const uint8_t* source, const Rows& k, real* y) {
  const int64_t begin = std::clamp<int64_t>(-d.left, 0, g.ow),
                end = std::clamp<int64_t>(g.w - d.left, begin, g.ow);
  const int64_t first = d.flip ? g.ow - end : begin, last = d.flip ? g.ow - begin : end;
  blacken(first * g.c, k, 0, y);
  if (first == last) {
    // nothing of the image is in this crop
  } else if (d.flip) {
    normalize_flipped(last - first, source + (d.left + end) * g.c, k, g.c, first, y);
  } else {
    normalize((last - first) * g.c, source + (d.left + begin) * g.c, k, first * g.c, y + first * g.c);
  }
  blacken((g.ow - last) * g.c, k, last * g.c, y + last * g.c);
}

void write_image(const Geometry& g, const Call& call, const Rows& k, int64_t b) {
  const int32_t sample = call.t[1].as<int32_t>()[b];
  real* y = result(call).as<real>() + b * g.oh * g.ow * g.c;
  if (sample < 0 || sample >= g.t) {
    call.run->fault(Fault::index_out_of_range, b);
    std::fill_n(y, g.oh * g.ow * g.c, real{0});
    return;
  }
  const uint8_t* image = call.t[0].as<uint8_t>() + sample * g.h * g.w * g.c;
  const Draw d = draw(g, call, sample, call.count == 7 ? call.t[5].as<int32_t>()[b] : 0);
  for (int64_t row = 0; row < g.oh; ++row, y += g.ow * g.c) {
    const int64_t from = d.top + row;
    if (from < 0 || from >= g.h) {
      blacken(g.ow * g.c, k, 0, y);
    } else {
      write_row(g, d, image + from * g.w * g.c, k, y);
    }
  }
}

void check_shapes(const Call& call) {
  const TensorView &data = call.t[0], &index = call.t[1], &y = result(call);
  require(data.rank == 4 && data.dtype == DType::u8, "image_batch: data must be u8 [T, H, W, C]");
  require(data.dims[1] >= 1 && data.dims[2] >= 1 && data.dims[3] >= 1, "image_batch: data has an empty axis");
  require(index.rank == 1 && index.dtype == DType::i32, "image_batch: index must be i32 [B]");
  for (const int i : {2, 3}) {
    require(call.t[i].rank == 1 && call.t[i].dims[0] == data.dims[3] && call.t[i].dtype == kReal,
            "image_batch: mean and std must be real [C]");
  }
  require_scalar(call.t[4], "image_batch: epoch must be a scalar");
  if (call.count == 7) {
    const TensorView& occurrence = call.t[5];
    require(occurrence.rank == 1 && occurrence.dtype == DType::i32 && occurrence.dims[0] == index.dims[0],
            "image_batch: occurrence must be i32 [B]");
  }
  require(y.rank == 4 && y.dtype == kReal && y.dims[0] == index.dims[0] && y.dims[3] == data.dims[3],
          "image_batch: y must be real [B, OH, OW, C]");
}

Cost prepare(const Call& call) {
  require(call.count == 6 || call.count == 7, "wrong number of operands");
  check_shapes(call);
  require_words(call, kAttrs["key"], kAttrs["key"] + 2, "image_batch: a key is not a 32-bit word");
  const double flip = call.attrs[kAttrs["flip"]];
  require(flip >= 0 && flip <= 1, "image_batch: flip probability must be between 0 and 1");
  const int64_t padding = integer_attr(call, kAttrs["padding"], "image_batch: padding must be an integer");
  require(padding >= 0 && padding <= INT32_MAX, "image_batch: padding out of range");
  const TensorView &data = call.t[0], &y = result(call);
  for (const int axis : {1, 2}) {
    require(y.dims[axis] >= 1 && y.dims[axis] <= data.dims[axis] + 2 * padding,
            "image_batch: y is larger than the padded image");
  }
  const size_t row = static_cast<size_t>(y.dims[2] * y.dims[3]);
  return {2 * row * sizeof(real), 2.0 * y.numel(), static_cast<double>(y.bytes() + y.numel())};
}

void run(const Call& call) {
  const Geometry g(call);
  const int64_t row = g.ow * g.c;
  real* workspace = reinterpret_cast<real*>(call.workspace);
  const Rows k{workspace, workspace + row};
  for (int64_t c = 0; c < g.c; ++c) {
    const double mean = call.t[2].as<real>()[c], std = call.t[3].as<real>()[c];
    k.scale[c] = static_cast<real>(1 / (255 * std));
    k.shift[c] = static_cast<real>(-mean / std);
  }
  for (int64_t i = g.c; i < row; ++i) {
    k.scale[i] = k.scale[i - g.c];
    k.shift[i] = k.shift[i - g.c];
  }
  parallel_for(call.t[1].dims[0], static_cast<double>(result(call).bytes()),
               [&](int64_t b) { write_image(g, call, k, b); });
}

TENON_KERNEL(image_batch, prepare, run, kAttrs)
#endif
