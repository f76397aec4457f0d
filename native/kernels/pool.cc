// 2-d pooling, forward. x is [N, H, W, C], y and tap are [N, OH, OW, C]; x and y are real or bf16. Vectors
// run over channels (lanes.h masks the last one), so a window is a loop over whole vectors and needs no
// shuffles. Taps outside of the image are left out of a window's loops. Parallel over rows of the output.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/pool.cc"
#include "kernels/pool_operands.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/bytes.h"

  #include "kernels/pool_window.h"

// Enough elements for one parallel block.
constexpr int64_t kChunkElements = 16384;

template <class Rows, class Cols, class T>
inline void avg_window(Rows rows, Cols cols, const Window<T>& at, real weight, int64_t channels, T* y) {
  for_vectors(channels, [&](int64_t c, auto lanes) {
    V sum = {};
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < cols; ++j) sum += lanes.load(at.x + i * at.row_step + j * at.col_step + c);
    }
    lanes.store(y + c, sum * splat(weight));
  });
}

// A window of K x K whole taps gets constant loops. K = 0 stands for all other windows.
template <int K>
inline bool whole(TapRange rows, TapRange cols) {
  return K > 0 && rows.size() == K && cols.size() == K;
}

template <int K>
using Constant = std::integral_constant<int32_t, K>;

template <class T>
inline Window<T> window_at(const PoolGeom& g, const T* x, int64_t image, int64_t oy, int64_t ox,
                           TapRange rows, TapRange cols, int64_t dh, int64_t dw) {
  const int64_t row = image * g.h.in() + g.h.position(oy, rows.begin);
  const int64_t col = g.w.position(ox, cols.begin);
  return {x + (row * g.w.in() + col) * g.c, dh * g.w.in() * g.c, dw * g.c,
          static_cast<int32_t>(rows.begin * g.w.size() + cols.begin), static_cast<int32_t>(g.w.size())};
}

template <class T, int K, class Tap>
void max_rows(const MaxPool& op, int64_t dh, int64_t dw, int64_t begin, int64_t end) {
  const PoolGeom& g = op.geom;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t oy = row % g.h.out();
    const TapRange rows = g.h.taps(oy);
    for (int64_t ox = 0; ox < g.w.out(); ++ox) {
      const TapRange cols = g.w.taps(ox);
      const int64_t to = (row * g.w.out() + ox) * g.c;
      T* y = op.pooled.as<T>() + to;
      constexpr bool kTaps = !std::is_same_v<Tap, NoTap>;
      Tap* tap = kTaps ? op.tap.as<Tap>() + to : nullptr;
      if (rows.size() == 0 || cols.size() == 0) {
        map(g.c, y, [] { return splat(-std::numeric_limits<real>::infinity()); });
        if constexpr (kTaps) std::fill_n(tap, g.c, Tap{0});
        continue;
      }
      const Window<T> at = window_at(g, op.image.as<T>(), row / g.h.out(), oy, ox, rows, cols, dh, dw);
      if (whole<K>(rows, cols)) {
        max_window(Constant<K>{}, Constant<K>{}, at, g.c, y, tap);
      } else {
        max_window(rows.size(), cols.size(), at, g.c, y, tap);
      }
    }
  }
}

template <class T, int K>
void avg_rows(const AvgPool& op, int64_t begin, int64_t end) {
  const PoolGeom& g = op.geom;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t oy = row % g.h.out();
    const TapRange rows = g.h.taps(oy);
    for (int64_t ox = 0; ox < g.w.out(); ++ox) {
      const TapRange cols = g.w.taps(ox);
      T* y = op.pooled.as<T>() + (row * g.w.out() + ox) * g.c;
      const Window<T> at = window_at(g, op.image.as<T>(), row / g.h.out(), oy, ox, rows, cols, 1, 1);
      const real weight = static_cast<real>(op.weight(rows.size() * cols.size()));
      if (whole<K>(rows, cols)) {
        avg_window(Constant<K>{}, Constant<K>{}, at, weight, g.c, y);
      } else {
        avg_window(rows.size(), cols.size(), at, weight, g.c, y);
      }
    }
  }
}

// Rows of the output per parallel block: about as many as read kChunkElements elements, in blocks of
// one size. So the halves of an image are those of the convolution before, whose output is still in
// each thread's cache.
int64_t chunk_rows(const PoolGeom& g) {
  const int64_t row = std::max<int64_t>(1, g.w.in() * g.c * ceil_div(g.h.in(), g.h.out()));
  const int64_t rows = std::max<int64_t>(1, g.n * g.h.out());
  const int64_t most = std::max<int64_t>(1, kChunkElements / row);
  return ceil_div(rows, ceil_div(rows, most));
}

double work(const PoolGeom& g) {
  const double outputs = static_cast<double>(g.n) * g.h.out() * g.w.out() * g.c;
  return outputs * std::min(g.h.size(), g.h.in()) * std::min(g.w.size(), g.w.in());
}

Cost prepare_max(const Call& call) {
  const MaxPool op(call, false, kReal);
  return {0, work(op.geom),
          static_cast<double>(op.image.bytes() + op.pooled.bytes() + (op.has_taps ? op.tap.bytes() : 0))};
}

template <class T, class Tap>
void run_max_taps(const Call& call, const MaxPool& op) {
  const PoolGeom& g = op.geom;
  const int64_t dh = call.attr(kMaxPoolAttrs["dilation"]), dw = call.attr(kMaxPoolAttrs["dilation"] + 1);
  const bool square = g.h.size() == g.w.size();
  const auto rows = square && g.h.size() == 2   ? max_rows<T, 2, Tap>
                    : square && g.h.size() == 3 ? max_rows<T, 3, Tap>
                                                : max_rows<T, 0, Tap>;
  parallel_chunks(g.n * g.h.out(), chunk_rows(g), 4 * work(g),
                  [&](int64_t begin, int64_t end) { rows(op, dh, dw, begin, end); });
}

void run_max(const Call& call) {
  const MaxPool op(call, false, kReal);
  with_storage(op.image.dtype, [&](auto stored) {
    using T = decltype(stored);
    if (!op.has_taps) return run_max_taps<T, NoTap>(call, op);
    op.wide_taps ? run_max_taps<T, int32_t>(call, op) : run_max_taps<T, uint8_t>(call, op);
  });
}

Cost prepare_avg(const Call& call) {
  const AvgPool op(call, false, kReal);
  return {0, work(op.geom), static_cast<double>(op.image.bytes() + op.pooled.bytes())};
}

void run_avg(const Call& call) {
  const AvgPool op(call, false, kReal);
  const PoolGeom& g = op.geom;
  with_storage(op.image.dtype, [&](auto stored) {
    using T = decltype(stored);
    const auto rows = g.h.size() == 2 && g.w.size() == 2 ? avg_rows<T, 2> : avg_rows<T, 0>;
    parallel_chunks(g.n * g.h.out(), chunk_rows(g), 4 * work(g),
                    [&](int64_t begin, int64_t end) { rows(op, begin, end); });
  });
}

TENON_KERNEL(max_pool2d, prepare_max, run_max, kMaxPoolAttrs)
TENON_KERNEL(avg_pool2d, prepare_avg, run_avg, kAvgPoolAttrs)
#endif
