// y = x with its axes in another order; any dtype. After merging axes that stay together there are three
// cases: nothing moved (copy); the innermost axis stays (rows are copied); or it moves, which is a transpose
// of the two axes that are innermost in x and in y, done in square tiles so that both sides are read and
// written in cache lines, inside loops over the other axes.
#define TENON_KERNEL_FILE "kernels/permute.cc"
#include "kernels/cells.h"
#include "kernels/checks.h"
#include "kernels/strides.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

constexpr int64_t kTile = 16;
constexpr int64_t kStrip = 64;  // columns of x in a block: whole cache lines of every row
constexpr AttrNames kAttrs{"axes[]"};
constexpr int64_t kChunkBytes = 32768;

// Loops in y's order; operand 0 is x, operand 1 is y.
Loops<2> loops_of(const Call& c) {
  const TensorView &x = c.t[0], &y = c.t[1];
  int64_t step_x[kMaxRank], step_y[kMaxRank];
  dense_strides(x, step_x);
  dense_strides(y, step_y);
  Loops<2> loops;
  for (int i = 0; i < y.rank; ++i) loops.push(y.dims[i], {step_x[c.attr(kAttrs["axes"] + i)], step_y[i]});
  loops.finish();
  return loops;
}

Cost prepare_permute(const Call& c) {
  require_operands(c, 2);
  const TensorView &x = c.t[0], &y = c.t[1];
  require(x.dtype == y.dtype, "permute: dtypes differ");
  require(x.rank == y.rank && c.attr_count == kAttrs["axes"] + x.rank, "permute: ranks differ");
  bool seen[kMaxRank] = {};
  for (int i = 0; i < x.rank; ++i) {
    const int64_t axis = integer_attr(c, kAttrs["axes"] + i, "permute: axes must be integers");
    require(axis >= 0 && axis < x.rank && !seen[axis], "permute: axes must name each axis of x once");
    require(y.dims[i] == x.dims[axis], "permute: dims of y do not follow from x");
    seen[axis] = true;
  }
  return {0, 0, 2.0 * static_cast<double>(x.bytes())};
}

void copy_rows(const Loops<2>& loops, int64_t size, const std::byte* x, std::byte* y) {
  const int64_t row_bytes = loops.inner() * size, rows = loops.outer();
  const int64_t grain = std::max<int64_t>(1, kChunkBytes / row_bytes);
  parallel_chunks(rows, grain, 2.0 * static_cast<double>(rows * row_bytes), [&](int64_t begin, int64_t end) {
    Position<2> at(loops, begin);
    for (int64_t row = begin; row < end; ++row, at.next())
      std::memcpy(y + at.offset[1] * size, x + at.offset[0] * size, static_cast<size_t>(row_bytes));
  });
}

// A 4 x 4 transpose of 4-byte elements in registers.
void transpose4(const Cell<4>* x, int64_t step_x, Cell<4>* y, int64_t step_y) {
  #if defined(__SSE2__)
  __m128i row[4];
  for (int i = 0; i < 4; ++i) row[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i * step_x));
  const __m128i a = _mm_unpacklo_epi32(row[0], row[1]), b = _mm_unpacklo_epi32(row[2], row[3]);
  const __m128i c = _mm_unpackhi_epi32(row[0], row[1]), d = _mm_unpackhi_epi32(row[2], row[3]);
  const __m128i column[4] = {_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b), _mm_unpacklo_epi64(c, d),
                             _mm_unpackhi_epi64(c, d)};
  for (int j = 0; j < 4; ++j) _mm_storeu_si128(reinterpret_cast<__m128i*>(y + j * step_y), column[j]);
  #else
  for (int j = 0; j < 4; ++j)
    for (int i = 0; i < 4; ++i) y[j * step_y + i] = x[i * step_x + j];
  #endif
}

// y[j][i] = x[i][j] for i < m, j < n: x has rows of step_x elements, y of step_y. Whole tiles go through a
// local square, so that the rows of y are written in runs of kTile elements however far apart they are.
template <class T>
void transpose_tile(int64_t m, int64_t n, const T* x, int64_t step_x, T* y, int64_t step_y) {
  if (m != kTile || n != kTile) {
    for (int64_t j = 0; j < n; ++j)
      for (int64_t i = 0; i < m; ++i) y[j * step_y + i] = x[i * step_x + j];
    return;
  }
  T square[kTile][kTile];
  for (int64_t i = 0; i < kTile; i += 4) {
    for (int64_t j = 0; j < kTile; j += 4) {
      if constexpr (sizeof(T) == 4) {
        transpose4(x + i * step_x + j, step_x, &square[j][i], kTile);
      } else {
        for (int64_t r = 0; r < 4; ++r)
          for (int64_t s = 0; s < 4; ++s) square[j + s][i + r] = x[(i + r) * step_x + j + s];
      }
    }
  }
  for (int64_t j = 0; j < kTile; ++j) std::memcpy(y + j * step_y, square[j], sizeof square[j]);
}

  #if !defined(TENON_IS_REF)
    #include "kernels/shuffle.h"

// Vector `Part` of a[0] b[0] c[0] a[1] b[1] c[1] ...
template <int Part, int... L>
inline V interleaved(V a, V b, V c, std::integer_sequence<int, L...>) {
  constexpr auto from = [](int lane) { return (Part * W + lane) % 3; };
  constexpr auto at = [](int lane) { return (Part * W + lane) / 3; };
  const V ab = lanes_of(a, b,
                        std::integer_sequence<int, (from(L) == 1   ? W + at(L)
                                                    : from(L) == 0 ? at(L)
                                                                   : 0)...>());
  return lanes_of(ab, c, std::integer_sequence<int, (from(L) == 2 ? W + at(L) : L)...>());
}

// y[j][i] = x[i][j] for i < 3: the planes of colours become pixels. Returns how many of the n are done.
inline int64_t interleave(int64_t n, const Cell<4>* x, int64_t step_x, Cell<4>* y) {
  constexpr auto kLanes = std::make_integer_sequence<int, W>();
  int64_t j = 0;
  for (; j + W <= n; j += W) {
    V plane[3], pixels[3];
    for (int i = 0; i < 3; ++i) std::memcpy(&plane[i], x + i * step_x + j, sizeof(V));
    pixels[0] = interleaved<0>(plane[0], plane[1], plane[2], kLanes);
    pixels[1] = interleaved<1>(plane[0], plane[1], plane[2], kLanes);
    pixels[2] = interleaved<2>(plane[0], plane[1], plane[2], kLanes);
    std::memcpy(y + 3 * j, pixels, sizeof pixels);
  }
  return j;
}
  #endif

// One strip of x: m rows, at most kStrip columns.
template <class T>
void transpose_strip(int64_t m, int64_t n, const T* x, int64_t step_x, T* y, int64_t step_y) {
  #if !defined(TENON_IS_REF)
  if constexpr (sizeof(T) == 4) {
    if (m == 3 && step_y == 3) {
      const int64_t done = interleave(n, x, step_x, y);
      x += done, y += done * step_y, n -= done;
    }
  }
  #endif
  for (int64_t i = 0; i < m; i += kTile) {
    for (int64_t j = 0; j < n; j += kTile) {
      transpose_tile(std::min(kTile, m - i), std::min(kTile, n - j), x + i * step_x + j, step_x,
                     y + j * step_y + i, step_y);
    }
  }
}

// m rows that are innermost in y, n columns that are innermost in x. A block is a strip of one position of
// the other loops.
template <class T>
void transpose(const Loops<2>& others, int64_t m, int64_t step_x, int64_t n, int64_t step_y, const T* x,
               T* y) {
  const int64_t strips = ceil_div(n, kStrip), blocks = others.outer() * strips;
  const int64_t strip_bytes = std::min(kStrip, n) * m * static_cast<int64_t>(sizeof(T));
  const int64_t grain = std::max<int64_t>(1, kChunkBytes / strip_bytes);
  const double cost = 2.0 * static_cast<double>(blocks * strip_bytes);
  parallel_chunks(blocks, grain, cost, [&](int64_t begin, int64_t end) {
    Position<2> at(others, begin / strips);
    int64_t strip = begin % strips;
    for (int64_t block = begin; block < end; ++block) {
      const int64_t j = strip * kStrip;
      transpose_strip(m, std::min(kStrip, n - j), x + at.offset[0] + j, step_x, y + at.offset[1] + j * step_y,
                      step_y);
      if (++strip == strips) {
        strip = 0;
        at.next();
      }
    }
  });
}

template <class T>
void run_transpose(const Loops<2>& loops, const Call& c) {
  int q = 0;  // the loop that is innermost in x
  while (loops.stride[0][q] != 1) ++q;
  Loops<2>
      others;  // all but q and the last, and a loop of one as the innermost, which Position does not walk
  for (int i = 0; i + 1 < loops.rank; ++i)
    if (i != q) others.push(loops.dims[i], {loops.stride[0][i], loops.stride[1][i]});
  others.dims[others.rank++] = 1;
  transpose(others, loops.inner(), loops.inner_stride(0), loops.dims[q], loops.stride[1][q], c.t[0].as<T>(),
            c.t[1].as<T>());
}

void run_permute(const Call& c) {
  if (c.t[0].numel() == 0) return;
  const Loops<2> loops = loops_of(c);
  const size_t size = size_of(c.t[0].dtype);
  if (loops.inner_stride(0) == 1) {
    copy_rows(loops, static_cast<int64_t>(size), c.t[0].data, c.t[1].data);
  } else {
    with_cell(size, [&](auto cell) { run_transpose<decltype(cell)>(loops, c); });
  }
}

TENON_KERNEL(permute, prepare_permute, run_permute, kAttrs)
#endif
