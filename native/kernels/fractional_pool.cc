// Fractional max pooling (Graham 2014) over H and W, forward and backward; base/fractional_geom.h has the
// regions. fractional_max_pool2d: x [N,H,W,C], step s, example s -> y [N,OH,OW,C], tap (y's dims; row *
// widest + column in the region; u8 where the largest region has at most 256 elements, else i32).
// fractional_max_pool2d_backward: dy, tap, step s, example s -> dx.
// The attribute `kernel` is 0 unless the form is windows.
//
// Each example has regions of its own, shared by its channels: drawn by Philox from (key, word, ordinal,
// step), so that backward draws the same ones again. Vectors run over channels. Parallel over rows of what is
// written; an element of dx sums over the outputs whose regions hold it, in order.
#define TENON_KERNEL_FILE "kernels/fractional_pool.cc"
#include "base/fractional_geom.h"
#include "kernels/checks.h"
#include "kernels/draws.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/bytes.h"

  #include "kernels/pool_window.h"

constexpr AttrNames kAttrs{"key[2]", "ordinal", "perExample", "sequence", "form", "kernel[2]"};
constexpr int64_t kChunkElements = 16384;
constexpr int64_t kByteTaps = 256;

struct Fractional {
  TensorView image, pooled, tap, step, example;
  RegionSequence sequence;
  RegionForm form;
  FractionalAxis h, w;

  Fractional(const Call& c, bool backward)
      : image(c.t[backward ? 4 : 0]),
        pooled(c.t[backward ? 0 : 3]),
        tap(c.t[backward ? 1 : 4]),
        step(c.t[backward ? 2 : 1]),
        example(c.t[backward ? 3 : 2]),
        sequence(static_cast<RegionSequence>(choice(c, kAttrs["sequence"]))),
        form(static_cast<RegionForm>(choice(c, kAttrs["form"]))),
        h(image.dims[1], pooled.dims[1], form, c.attrs[kAttrs["kernel"]]),
        w(image.dims[2], pooled.dims[2], form, c.attrs[kAttrs["kernel"] + 1]) {}

  static int64_t choice(const Call& c, int i) {
    const int64_t value = integer_attr(c, i, "fractional_max_pool2d: sequence and form must be 0, 1 or 2");
    require(value >= 0 && value <= 2, "fractional_max_pool2d: sequence and form must be 0, 1 or 2");
    return value;
  }

  int64_t examples() const { return image.dims[0]; }
  int64_t channels() const { return image.dims[3]; }
  int64_t length() const { return h.length() + w.length(); }
  bool wide_taps() const { return h.largest() * w.largest() > kByteTaps; }
  // Whether there is nothing to do; the other dims may then be anything.
  bool empty() const { return image.numel() == 0; }
  size_t workspace() const {
    return empty() ? 0 : static_cast<size_t>(examples() * length()) * sizeof(int32_t);
  }

  // The sequences of every example, rows before columns, into the workspace.
  void draw(const Call& c) const {
    int32_t* starts = reinterpret_cast<int32_t*>(c.workspace);
    const Draws d(c, step, example);
    const int64_t rows = h.draws(sequence), words = rows + w.draws(sequence);
    parallel_chunks(
        examples(), 1, 20.0 * static_cast<double>(examples() * length()), [&](int64_t begin, int64_t end) {
          for (int64_t n = begin; n < end; ++n) {
            auto word = [&](int64_t i) {
              const uint64_t at = d.first + static_cast<uint64_t>(n * words + i);
              const uint32_t low = static_cast<uint32_t>(at / 4), high = static_cast<uint32_t>(at / 4 >> 32);
              return philox(d.key0, d.key1, low, high, d.ordinal, d.step).v[at % 4];
            };
            int32_t* own = starts + n * length();
            h.draw(sequence, word, own);
            w.draw(
                sequence, [&](int64_t i) { return word(rows + i); }, own + h.length());
          }
        });
  }

  const int32_t* rows_of(const Call& c, int64_t n) const {
    return reinterpret_cast<const int32_t*>(c.workspace) + n * length();
  }
  const int32_t* cols_of(const Call& c, int64_t n) const { return rows_of(c, n) + h.length(); }
};

Cost prepare(const Call& c, bool backward) {
  require_operands(c, 5);
  const TensorView &image = c.t[backward ? 4 : 0], &pooled = c.t[backward ? 0 : 3];
  const TensorView& tap = c.t[backward ? 1 : 4];
  require(image.rank == 4 && pooled.rank == 4 && image.dims[0] == pooled.dims[0] &&
              image.dims[3] == pooled.dims[3],
          "fractional_max_pool2d: x and y must be [N, H, W, C] of the same N and C");
  require(is_activation(image.dtype, kReal) && pooled.dtype == image.dtype,
          "fractional_max_pool2d: operand of wrong dtype");
  require_same_dims(tap, pooled, "fractional_max_pool2d: tap has the wrong shape");
  require_draws(c, c.t[backward ? 2 : 1], c.t[backward ? 3 : 2]);
  const Fractional op(c, backward);
  // Both are below 2^31.
  require(op.h.largest() * op.w.largest() <= INT32_MAX, "fractional_max_pool2d: regions too large");
  require(tap.dtype == (op.wide_taps() ? DType::i32 : DType::u8),
          "fractional_max_pool2d: tap has the wrong dtype");
  return {op.workspace(), 2.0 * static_cast<double>(image.numel()),
          static_cast<double>(image.bytes() + pooled.bytes() + tap.bytes())};
}

int64_t chunk_rows(int64_t row_elements) {
  return std::max<int64_t>(1, kChunkElements / std::max<int64_t>(1, row_elements));
}

double work(const Fractional& op) { return 8.0 * static_cast<double>(op.image.numel()); }

template <class T, class Tap>
void forward_rows(const Call& call, const Fractional& op, int64_t begin, int64_t end) {
  const int64_t width = op.w.in(), c = op.channels(), out_h = op.pooled.dims[1], out_w = op.pooled.dims[2];
  const int32_t per_row = static_cast<int32_t>(op.w.largest());
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / out_h, oy = row % out_h;
    const int32_t *ys = op.rows_of(call, n), *xs = op.cols_of(call, n);
    const int64_t top = op.h.begin(ys, oy), rows = op.h.end(ys, oy) - top;
    const T* line = op.image.as<T>() + (n * op.h.in() + top) * width * c;
    for (int64_t ox = 0; ox < out_w; ++ox) {
      const int64_t left = op.w.begin(xs, ox), cols = op.w.end(xs, ox) - left;
      const int64_t to = (row * out_w + ox) * c;
      const Window<T> at = {line + left * c, width * c, c, 0, per_row};
      max_window(rows, cols, at, c, op.pooled.as<T>() + to, op.tap.as<Tap>() + to);
    }
  }
}

template <class T, class Tap>
void backward_rows(const Call& call, const Fractional& op, int64_t begin, int64_t end) {
  const int64_t width = op.w.in(), c = op.channels(), out_h = op.pooled.dims[1], out_w = op.pooled.dims[2];
  const int64_t per_row = op.w.largest();
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / op.h.in(), y = row % op.h.in();
    const int32_t *ys = op.rows_of(call, n), *xs = op.cols_of(call, n);
    const FractionalAxis::Outputs above = op.h.holding(ys, y);
    for (int64_t x = 0; x < width; ++x) {
      const FractionalAxis::Outputs beside = op.w.holding(xs, x);
      T* dx = op.image.as<T>() + (row * width + x) * c;
      for_vectors(c, [&](int64_t channel, auto lanes) {
        V sum = {};
        for (int64_t oy = above.first; oy < above.last; ++oy) {
          for (int64_t ox = beside.first; ox < beside.last; ++ox) {
            const int64_t mine = (y - op.h.begin(ys, oy)) * per_row + x - op.w.begin(xs, ox);
            const int64_t at = ((n * out_h + oy) * out_w + ox) * c + channel;
            const M won = load_taps(op.tap.as<Tap>() + at, lanes) == M{} + static_cast<int32_t>(mine);
            sum += select(won, lanes.load(op.pooled.as<T>() + at), V{});
          }
        }
        lanes.store(dx + channel, sum);
      });
    }
  }
}

// fn(element of the image, of the taps), as values that carry the types.
template <class Fn>
void with_types(const Fractional& op, Fn&& fn) {
  with_storage(op.image.dtype,
               [&](auto stored) { op.wide_taps() ? fn(stored, int32_t{}) : fn(stored, uint8_t{}); });
}

Cost prepare_forward(const Call& c) { return prepare(c, false); }

void run_forward(const Call& c) {
  const Fractional op(c, false);
  if (op.empty()) return;
  op.draw(c);
  const int64_t chunk = chunk_rows(op.w.in() * op.channels() * op.h.largest());
  with_types(op, [&](auto stored, auto tap) {
    parallel_chunks(op.examples() * op.pooled.dims[1], chunk, work(op), [&](int64_t begin, int64_t end) {
      forward_rows<decltype(stored), decltype(tap)>(c, op, begin, end);
    });
  });
}

Cost prepare_backward(const Call& c) { return prepare(c, true); }

void run_backward(const Call& c) {
  const Fractional op(c, true);
  if (op.empty()) return;
  op.draw(c);
  with_types(op, [&](auto stored, auto tap) {
    parallel_chunks(op.examples() * op.h.in(), chunk_rows(op.w.in() * op.channels()), work(op),
                    [&](int64_t begin, int64_t end) {
                      backward_rows<decltype(stored), decltype(tap)>(c, op, begin, end);
                    });
  });
}

TENON_KERNEL(fractional_max_pool2d, prepare_forward, run_forward, kAttrs)
TENON_KERNEL(fractional_max_pool2d_backward, prepare_backward, run_backward, kAttrs)
#endif
