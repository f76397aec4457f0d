// 2-d pooling, backward. dy and tap are [N, OH, OW, C], dx is [N, H, W, C]; dy and dx are real or bf16.
// Vectors run over channels (lanes.h masks the last one).
//
// Gather form: an element of dx looks at the outputs that read it (its cover, a table per axis in the
// workspace), so that every element of dx is written once, by one thread, from sums in a fixed order. Where
// the windows tile the image, max pooling instead walks the outputs and writes each one's own window.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/pool_backward.cc"
#include "kernels/pool_operands.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/bytes.h"

  #include "kernels/pool_window.h"

constexpr int64_t kChunkElements = 16384;

struct CoverItem {
  int32_t tap;
  int32_t out;
  int32_t valid;  // taps of this output that lie inside the image
};

// For each input position of an axis, the pairs (tap, output) that read it: items[start[i]] .. items[start[i
// + 1]].
struct Cover {
  int64_t* start;
  CoverItem* items;

  static size_t bytes(const PoolAxis& axis) {
    const size_t size = (axis.in() + 1) * sizeof(int64_t) + axis.in() * axis.max_cover() * sizeof(CoverItem);
    return (size + alignof(int64_t) - 1) / alignof(int64_t) * alignof(int64_t);  // another table follows
  }
  static Cover make(const PoolAxis& axis, std::byte* memory) {
    const Cover cover{reinterpret_cast<int64_t*>(memory),
                      reinterpret_cast<CoverItem*>(memory + (axis.in() + 1) * sizeof(int64_t))};
    int64_t count = 0;
    for (int64_t i = 0; i < axis.in(); ++i) {
      cover.start[i] = count;
      axis.for_cover(i, [&](int64_t tap, int64_t out) {
        cover.items[count++] = {static_cast<int32_t>(tap), static_cast<int32_t>(out),
                                static_cast<int32_t>(axis.taps(out).size())};
      });
    }
    cover.start[axis.in()] = count;
    return cover;
  }
  const CoverItem* begin(int64_t i) const { return items + start[i]; }
  const CoverItem* end(int64_t i) const { return items + start[i + 1]; }
};

struct Covers {
  Cover h, w;
  Covers(const PoolGeom& g, std::byte* memory)
      : h(Cover::make(g.h, memory)), w(Cover::make(g.w, memory + Cover::bytes(g.h))) {}
  static size_t bytes(const PoolGeom& g) { return Cover::bytes(g.h) + Cover::bytes(g.w); }
};

// kVectors vectors of channels from c on, of pixel (iy, ix) of one image of dx, side by side: the walk over
// the cover and its addresses are shared by them.
template <int kVectors, class T, class Lanes, class Pair>
inline void gather(const PoolGeom& g, const Covers& covers, int64_t image, int64_t iy, int64_t ix, int64_t c,
                   T* to, Lanes lanes, Pair&& pair) {
  V sum[kVectors] = {};
  for (const CoverItem* i = covers.h.begin(iy); i != covers.h.end(iy); ++i) {
    const int64_t out_row = (image * g.h.out() + i->out) * g.w.out();
    for (const CoverItem* j = covers.w.begin(ix); j != covers.w.end(ix); ++j) {
      const int64_t at = (out_row + j->out) * g.c + c;
      const auto term = pair(*i, *j);
      for (int u = 0; u < kVectors; ++u) sum[u] = term(sum[u], at + u * W, lanes);
    }
  }
  for (int u = 0; u < kVectors; ++u) lanes.store(to + c + u * W, sum[u]);
}

// Rows [begin, end) of dx, counted over all images: over the pairs of a pixel's cover, pair(row, column)
// returns a function that adds one output's share: (sum so far, index into dy, lanes) -> sum.
template <class T, class Pair>
inline void gather_rows(const PoolGeom& g, const Covers& covers, T* dx, int64_t begin, int64_t end,
                        Pair&& pair) {
  constexpr int kVectors = 4;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t image = row / g.h.in(), iy = row % g.h.in();
    for (int64_t ix = 0; ix < g.w.in(); ++ix) {
      T* to = dx + (row * g.w.in() + ix) * g.c;
      int64_t c = 0;
      for (; c + kVectors * W <= g.c; c += kVectors * W) {
        gather<kVectors>(g, covers, image, iy, ix, c, to, WholeLanes{}, pair);
      }
      for_vectors(g.c - c, [&](int64_t rest, auto lanes) {
        gather<1>(g, covers, image, iy, ix, c + rest, to, lanes, pair);
      });
    }
  }
}

int64_t chunk_rows(const PoolGeom& g) {
  return std::max<int64_t>(1, kChunkElements / std::max<int64_t>(1, g.w.in() * g.c));
}

double work(const TensorView& dx) { return 8.0 * static_cast<double>(dx.numel()); }

template <class T, class Tap>
void max_gather(const MaxPool& op, const Covers& covers) {
  const PoolGeom& g = op.geom;
  const T* dy = op.pooled.as<T>();
  const Tap* tap = op.tap.as<Tap>();
  const int32_t taps_per_row = static_cast<int32_t>(g.w.size());
  parallel_chunks(g.n * g.h.in(), chunk_rows(g), work(op.image), [&](int64_t begin, int64_t end) {
    gather_rows(g, covers, op.image.as<T>(), begin, end, [=](const CoverItem& i, const CoverItem& j) {
      const M wanted = M{} + (i.tap * taps_per_row + j.tap);
      return [=](V sum, int64_t at, auto lanes) {
        return sum + select(load_taps(tap + at, lanes) == wanted, lanes.load(dy + at), V{});
      };
    });
  });
}

// One output pixel into its own window of `rows` x `cols` elements at dx.
template <class Rows, class Cols, class T, class Tap>
inline void scatter_window(Rows rows, Cols cols, const T* dy, const Tap* tap, const PoolGeom& g, T* dx) {
  for_vectors(g.c, [&](int64_t c, auto lanes) {
    const V d = lanes.load(dy + c);
    const M winner = load_taps(tap + c, lanes);
    for (int32_t i = 0; i < rows; ++i) {
      for (int32_t j = 0; j < cols; ++j) {
        const M mine = winner == M{} + static_cast<int32_t>(i * cols + j);
        lanes.store(dx + (i * g.w.in() + j) * g.c + c, select(mine, d, V{}));
      }
    }
  });
}

// The rows of dx under rows [begin, end) of the output, what no window covers (right and below) being zero.
template <class T, int K, class Tap>
void scatter_rows(const MaxPool& op, int64_t begin, int64_t end) {
  const PoolGeom& g = op.geom;
  const int64_t kh = g.h.size(), kw = g.w.size(), line = g.w.in() * g.c, covered = g.w.out() * kw * g.c;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t image = row / g.h.out(), oy = row % g.h.out();
    T* dx = op.image.as<T>() + (image * g.h.in() + oy * kh) * line;
    for (int64_t ox = 0; ox < g.w.out(); ++ox) {
      const int64_t from = (row * g.w.out() + ox) * g.c;
      const T* dy = op.pooled.as<T>() + from;
      const Tap* tap = op.tap.as<Tap>() + from;
      using Constant = std::integral_constant<int32_t, K>;
      if constexpr (K > 0) {
        scatter_window(Constant{}, Constant{}, dy, tap, g, dx + ox * kw * g.c);
      } else {
        scatter_window(kh, kw, dy, tap, g, dx + ox * kw * g.c);
      }
    }
    for (int64_t i = 0; i < kh; ++i) std::fill(dx + i * line + covered, dx + (i + 1) * line, T{});
    if (oy + 1 == g.h.out()) std::fill(dx + kh * line, dx + (g.h.in() - oy * kh) * line, T{});
  }
}

template <class T, class Tap>
void max_backward(const MaxPool& op, std::byte* workspace) {
  const PoolGeom& g = op.geom;
  if (!(g.h.tiles() && g.w.tiles())) return max_gather<T, Tap>(op, Covers(g, workspace));
  const auto rows = g.h.size() == 2 && g.w.size() == 2 ? scatter_rows<T, 2, Tap> : scatter_rows<T, 0, Tap>;
  parallel_chunks(g.n * g.h.out(), ceil_div(chunk_rows(g), g.h.size()), work(op.image),
                  [&](int64_t begin, int64_t end) { rows(op, begin, end); });
}

Cost prepare_max(const Call& call) {
  const MaxPool op(call, true, kReal);
  const double bytes = static_cast<double>(op.image.bytes() + op.pooled.bytes() + op.tap.bytes());
  return {Covers::bytes(op.geom), static_cast<double>(op.image.numel()), bytes};
}

void run_max(const Call& call) {
  const MaxPool op(call, true, kReal);
  with_storage(op.image.dtype, [&](auto stored) {
    using T = decltype(stored);
    op.wide_taps ? max_backward<T, int32_t>(op, call.workspace)
                 : max_backward<T, uint8_t>(op, call.workspace);
  });
}

Cost prepare_avg(const Call& call) {
  const AvgPool op(call, true, kReal);
  const double bytes = static_cast<double>(op.image.bytes() + op.pooled.bytes());
  return {Covers::bytes(op.geom), static_cast<double>(op.image.numel()), bytes};
}

template <class T>
void avg_backward(const AvgPool& op, const Covers& covers) {
  const PoolGeom& g = op.geom;
  const T* dy = op.pooled.as<T>();
  parallel_chunks(g.n * g.h.in(), chunk_rows(g), work(op.image), [&](int64_t begin, int64_t end) {
    gather_rows(g, covers, op.image.as<T>(), begin, end, [&op, dy](const CoverItem& i, const CoverItem& j) {
      const V weight = splat(static_cast<real>(op.weight(int64_t{i.valid} * j.valid)));
      return [=](V sum, int64_t at, auto lanes) { return fma(lanes.load(dy + at), weight, sum); };
    });
  });
}

void run_avg(const Call& call) {
  const AvgPool op(call, true, kReal);
  const Covers covers(op.geom, call.workspace);
  with_storage(op.image.dtype, [&](auto stored) { avg_backward<decltype(stored)>(op, covers); });
}

TENON_KERNEL(max_pool2d_backward, prepare_max, run_max, kMaxPoolAttrs)
TENON_KERNEL(avg_pool2d_backward, prepare_avg, run_avg, kAvgPoolAttrs)
#endif
