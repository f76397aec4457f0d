// Cuts windows out of images of different sizes, resized on the way: data u8 (images H W C, one after the
// other), table f64 [T, 3] (of each image its first byte, height and width), index i32 [B], crops i32 [B, 9]
// -> y u8 [B, OH, OW, C]; attribute largest[2], the largest height and width in the table.
//
// A row of crops is top, left, height, width, rows, columns, y, x, mirrored: that rectangle of the image,
// resized to rows x columns, from which the window of OH x OW pixels at (y, x) is taken, and mirrored
// left and right where the last number is 1. Only the window is computed. Pixels outside the rectangle
// have no influence.
//
// Resized as Pillow does it, to the bit (base/resample_geom.h): along rows, rounded to bytes, then along
// columns. All arithmetic is in whole numbers. A ring holds the rows that a row of the window needs.
// Parallel over images, each slot with memory of its own. An image or a crop that does not exist is a
// Fault, and zeros.
#define TENON_KERNEL_FILE "kernels/resample_images.cc"
#include "base/conv_geom.h"
#include "base/resample_geom.h"
#include "kernels/checks.h"
#include "kernels/crop_rows.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/bytes.h"
  #include "kernels/pixel_pairs.h"

constexpr AttrNames kAttrs{"largest[2]"};
constexpr int64_t kSlots = 64;
constexpr int32_t kHalf = 1 << (kWeightBits - 1);

// Sizes of a call, and where the parts of a slot's memory lie.
struct Shape {
  explicit Shape(const Call& call)
      : batch(call.t[4].dims[0]),
        oh(call.t[4].dims[1]),
        ow(call.t[4].dims[2]),
        c(call.t[4].dims[3]),
        row_bytes(checked_product(ow, c)),
        taps_across(most_taps(call.attr(kAttrs["largest"] + 1), ow) + 1),
        taps_down(most_taps(call.attr(kAttrs["largest"]), oh)),
        slots(std::min(batch, kSlots)) {}

  // first of each column, the weights of all columns, of one column, and of a row; then the ring of rows
  int64_t ints() const { return ow + checked_product(ow + 1, taps_across) + taps_down; }
  int64_t slot_bytes() const {
    return checked_product(ceil_div(4 * ints() + checked_product(taps_down, row_bytes), 64), 64);
  }

  int64_t batch, oh, ow, c, row_bytes;
  int64_t taps_across, taps_down;  // at most; the first is even
  int64_t slots;
};

// A weight of 22 bits is two of 11, for products of 16-bit numbers.
constexpr int kLowBits = kWeightBits / 2;
constexpr int32_t kLowMask = (1 << kLowBits) - 1;

struct Slot {
  Slot(const Shape& s, std::byte* memory)
      : first(reinterpret_cast<int32_t*>(memory)),
        across(reinterpret_cast<int16_t*>(first + s.ow)),
        column(first + s.ow + s.ow * s.taps_across),
        down(column + s.taps_across),
        ring(reinterpret_cast<uint8_t*>(down + s.taps_down)) {}

  int32_t* first;
  int16_t* across;  // [taps / 2][low, high][columns][2]: two taps, the lower and the upper bits
  int32_t *column, *down;
  uint8_t* ring;
};

// A row of an image, up to the end of its buffer.
struct ImageRow {
  const uint8_t *bytes, *end;
};

inline uint8_t rounded(int32_t sum) { return static_cast<uint8_t>(std::min(sum >> kWeightBits, 255)); }

// Columns [begin, end) of a row of the window from a row of the rectangle. C is 0 where the number of
// channels is c.
template <int C>
void resample_columns(const uint8_t* row, const Shape& s, const Slot& k, int64_t taps, int64_t begin,
                      int64_t end, uint8_t* out) {
  const int64_t c = C > 0 ? C : s.c;
  constexpr int64_t kTogether = C > 0 ? C : 1;
  for (int64_t x = begin; x < end; ++x) {
    for (int64_t j = 0; j < c; j += kTogether) {
      const uint8_t* from = row + k.first[x] * c + j;
      const int16_t* low = k.across + 2 * x;
      int32_t sums[kTogether];
      for (int32_t& sum : sums) sum = kHalf;
      for (int64_t t = 0; t < taps; ++t, from += c, low += t % 2 == 0 ? 4 * s.ow - 1 : 1) {
        const int32_t weight = low[0] + (int32_t{low[2 * s.ow]} << kLowBits);
        if (weight == 0) continue;
        for (int64_t i = 0; i < kTogether; ++i) sums[i] += weight * from[i];
      }
      for (int64_t i = 0; i < kTogether; ++i) out[x * c + j + i] = rounded(sums[i]);
    }
  }
}

  #if defined(TENON_IS_AVX512) || defined(TENON_IS_AVX2)
// Sums of products with the lower and the upper bits of weights.
struct SplitSum {
  __m256i low, high;

  void add(__m256i pairs, __m256i low_weights, __m256i high_weights) {
    low = _mm256_add_epi32(low, _mm256_madd_epi16(pairs, low_weights));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(pairs, high_weights));
  }
  __m256i rounded() const {
    const __m256i sum =
        _mm256_add_epi32(_mm256_add_epi32(low, _mm256_set1_epi32(kHalf)), _mm256_slli_epi32(high, kLowBits));
    return _mm256_srai_epi32(sum, kWeightBits);
  }
};

// Four pixels of three channels.
inline void resample_four(const uint8_t* row, const Shape& s, const Slot& k, int64_t taps, int64_t x,
                          uint8_t* out) {
  const FourPlaces at(row, k.first + x);
  const int16_t* weights = k.across + 2 * x;
  SplitSum even{_mm256_setzero_si256(), _mm256_setzero_si256()}, odd = even;
  for (int64_t t = 0; t < taps; t += 2, weights += 4 * s.ow) {
    const FourWeights low = four_weights(weights), high = four_weights(weights + 2 * s.ow);
    even.add(pixel_pairs(at.p[0] + 3 * t, at.p[2] + 3 * t), low.even, high.even);
    odd.add(pixel_pairs(at.p[1] + 3 * t, at.p[3] + 3 * t), low.odd, high.odd);
  }
  const __m256i words = _mm256_packs_epi32(even.rounded(), odd.rounded());
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  const __m128i three = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  const __m128i rgb = _mm_shuffle_epi8(bytes, three);
  const int32_t last = _mm_extract_epi32(rgb, 2);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out), rgb);
  std::memcpy(out + 8, &last, sizeof last);
}

  #elif defined(__x86_64__) && !defined(TENON_IS_REF)
// One pixel of three channels. Writes one byte more.
inline void resample_one(const uint8_t* row, const Shape& s, const Slot& k, int64_t taps, int64_t x,
                         uint8_t* out) {
  const uint8_t* p = row + int64_t{k.first[x]} * 3;
  const int16_t* weights = k.across + 2 * x;
  __m128i low = _mm_set1_epi32(kHalf), high = _mm_setzero_si128();
  for (int64_t t = 0; t < taps; t += 2, p += 6, weights += 4 * s.ow) {
    const __m128i pairs = pixel_pair(p);
    low = _mm_add_epi32(low, _mm_madd_epi16(pairs, one_weight(weights)));
    high = _mm_add_epi32(high, _mm_madd_epi16(pairs, one_weight(weights + 2 * s.ow)));
  }
  const __m128i sum = _mm_srai_epi32(_mm_add_epi32(low, _mm_slli_epi32(high, kLowBits)), kWeightBits);
  const __m128i words = _mm_packs_epi32(sum, sum);
  const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
  std::memcpy(out, &bytes, sizeof bytes);
}

  #endif

void resample_rgb(const ImageRow& row, const Shape& s, const Slot& k, int64_t taps, uint8_t* out) {
  // The last pixel is done plainly, as the one before it may write one byte more.
  const SafeColumns safe(k.first, s.ow - 1, taps, row.bytes, row.end);
  int64_t x = safe.begin;
  resample_columns<3>(row.bytes, s, k, taps, 0, x, out);
  #if defined(TENON_IS_AVX512) || defined(TENON_IS_AVX2)
  for (; x + 4 <= safe.end; x += 4) resample_four(row.bytes, s, k, taps, x, out + 3 * x);
  #elif defined(__x86_64__) && !defined(TENON_IS_REF)
  for (; x < safe.end; ++x) resample_one(row.bytes, s, k, taps, x, out + 3 * x);
  #endif
  resample_columns<3>(row.bytes, s, k, taps, x, s.ow, out);
}

void resample_row(const ImageRow& row, const Shape& s, const Slot& k, int64_t taps, uint8_t* out) {
  if (s.c == 3) return resample_rgb(row, s, k, taps, out);
  if (s.c == 1) return resample_columns<1>(row.bytes, s, k, taps, 0, s.ow, out);
  resample_columns<0>(row.bytes, s, k, taps, 0, s.ow, out);
}

// A row of y from rows [taps.first, taps.first + taps.count) of the ring.
void blend_rows(const Shape& s, const Slot& k, const Taps& taps, uint8_t* y) {
  const int64_t begin = taps.first % s.taps_down;
  for_vectors(s.row_bytes, [&](int64_t i, auto lanes) {
    M sum = M{} + kHalf;
    int64_t slot = begin;
    for (int64_t t = 0; t < taps.count; ++t) {
      sum += load_bytes(k.ring + slot * s.row_bytes + i, lanes) * k.down[t];
      if (++slot == s.taps_down) slot = 0;
    }
    sum >>= kWeightBits;
    store_bytes(y + i, sum > 255 ? M{} + 255 : sum, lanes);
  });
}

// Fills the weights of all columns. Returns how many taps each has: an even number, 0 where it has fewer.
int64_t weigh_columns(const Shape& s, const CropRow& crop, const Slot& k) {
  const ResampleAxis across{crop.width, crop.columns, crop.x};
  std::memset(k.across, 0, static_cast<size_t>(s.ow * s.taps_across) * sizeof(int32_t));
  int64_t most = 0;
  for (int64_t x = 0; x < s.ow; ++x) {
    const int64_t to = crop.mirrored ? s.ow - 1 - x : x;
    const Taps taps = taps_of(across, x, k.column);
    k.first[to] = static_cast<int32_t>(taps.first);
    most = std::max(most, taps.count);
    for (int64_t t = 0; t < taps.count; ++t) {
      int16_t* low = k.across + (t / 2 * 2 * s.ow + to) * 2 + t % 2;
      low[0] = static_cast<int16_t>(k.column[t] & kLowMask);
      low[2 * s.ow] = static_cast<int16_t>(k.column[t] >> kLowBits);
    }
  }
  return most + most % 2;
}

void resample(const Shape& s, const CropRow& crop, const ImageRow& image, int64_t width, const Slot& k,
              uint8_t* y) {
  const int64_t across = weigh_columns(s, crop, k);
  const ResampleAxis down{crop.height, crop.rows, crop.y};
  const uint8_t* corner = image.bytes + (crop.top * width + crop.left) * s.c;
  int64_t ready = 0;  // rows before this one are in the ring, or no longer needed
  for (int64_t row = 0; row < s.oh; ++row, y += s.row_bytes) {
    const Taps taps = taps_of(down, row, k.down);
    ready = std::max(ready, taps.first);
    for (; ready < taps.first + taps.count; ++ready) {
      resample_row({corner + ready * width * s.c, image.end}, s, k, across,
                   k.ring + ready % s.taps_down * s.row_bytes);
    }
    blend_rows(s, k, taps, y);
  }
}

void make_image(const Call& call, const Shape& s, int64_t b, const Slot& k) {
  uint8_t* y = call.t[4].as<uint8_t>() + b * s.oh * s.row_bytes;
  const ImageTable table(call.t[1], s.c, call.t[0].numel());
  const StoredImage image = table.at(call.t[2].as<int32_t>()[b]);
  const CropRow crop(call.t[3].as<int32_t>() + b * kCropColumns);
  const bool known = image.height >= 1 && image.height <= call.attr(kAttrs["largest"]) &&
                     image.width <= call.attr(kAttrs["largest"] + 1);
  if (!known || !crop.fits(image, s.oh, s.ow)) {
    call.run->fault(Fault::index_out_of_range, b);
    std::memset(y, 0, static_cast<size_t>(s.oh * s.row_bytes));
    return;
  }
  const uint8_t* data = call.t[0].as<uint8_t>();
  resample(s, crop, {data + image.offset, data + call.t[0].numel()}, image.width, k, y);
}

Cost prepare(const Call& call) {
  require_operands(call, 5);
  const TensorView &crops = call.t[3], &y = call.t[4];
  require_dtype(call.t[0], DType::u8, "resample_images: data must be u8");
  require_image_table(call.t[1]);
  require(y.rank == 4 && y.dtype == DType::u8, "resample_images: y must be u8 [B, OH, OW, C]");
  require(y.dims[1] >= 1 && y.dims[2] >= 1 && y.dims[3] >= 1, "resample_images: y has an empty axis");
  require(y.dims[1] <= kLongestSide && y.dims[2] <= kLongestSide, "resample_images: y is too large");
  require(call.t[2].rank == 1 && call.t[2].dtype == DType::i32 && call.t[2].dims[0] == y.dims[0],
          "resample_images: index must be i32 [B]");
  require_crops(crops, y.dims[0]);
  for (const int i : {kAttrs["largest"], kAttrs["largest"] + 1}) {
    const int64_t side = integer_attr(call, i, "resample_images: a size must be an integer");
    require(side >= 1 && side <= kLongestSide, "resample_images: a size is out of range");
  }
  const Shape s(call);
  const double rows = static_cast<double>(y.numel());
  return {static_cast<size_t>(checked_product(s.slots, s.slot_bytes())),
          rows * 2 * static_cast<double>(s.taps_across + s.taps_down), 2 * rows};
}

void run(const Call& call) {
  const Shape s(call);
  const double cost =
      static_cast<double>(call.t[4].numel()) * static_cast<double>(s.taps_across + s.taps_down);
  parallel_for(s.slots, cost, [&](int64_t slot) {
    const Slot memory(s, call.workspace + slot * s.slot_bytes());
    for (int64_t b = slot; b < s.batch; b += s.slots) make_image(call, s, b, memory);
  });
}

TENON_KERNEL(resample_images, prepare, run, kAttrs)
#endif
