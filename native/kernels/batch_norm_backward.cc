// Batch normalization, backward. With dy masked by y > 0 where the forward ended in relu, and by 0 < y < 6
// where it ended in relu6, xhat = (x - mean) / s and s = sqrt(var + eps):
//   dbeta = sum dy,   dgamma = sum dy xhat,   dresidual = dy,
//   dx = gamma / s (dy - dbeta / rows - xhat dgamma / rows)   (training: mean and var depend on x)
//   dx = gamma / s dy                                         (eval: they are constants)
// Where a batch is one of several shards, batch_norm_backward_sums takes the sums over its own rows, and
// batch_norm_backward_shift makes dx of those over the rows of all.
// All tensors of x's shape are [rows, C], dense, real or bf16, seen as wide rows (base/norm_geom.h); lanes.h
// masks the last vector. One pass reads for both sums (per block, merged in double in block order), one
// writes dx, last block first, while that is still in cache. Where dresidual is asked for, the first pass
// writes it, and the second reads it instead of dy and the mask. Only then dy may come in two parts.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/batch_norm_backward.cc"
#include "kernels/norm_operands.h"
#include "kernels/streamed_bytes.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"

  #include "kernels/streaming.h"

constexpr int64_t kRowGroup = 16;
constexpr int64_t kStripColumns = 256;
constexpr int64_t kMergeColumns = 64;

constexpr int64_t kCoefficients = 6;

// Per column of a wide row: dx = a dy + b (x - mean) + c, and the forward's y = (x - mean) scale + beta.
struct Coefficients {
  real* mean;
  real* scale;
  real* beta;
  real* a;
  real* b;
  real* c;
};

Coefficients coefficients_in(real* storage, int64_t width) {
  return {storage,
          storage + width,
          storage + 2 * width,
          storage + 3 * width,
          storage + 4 * width,
          storage + 5 * width};
}

void set_means(const Coefficients& k, const NormGeom& g, const TensorView& mean) {
  for (int64_t c = 0; c < g.channels(); ++c)
    for (int64_t i = c; i < g.width(); i += g.channels()) k.mean[i] = mean.as<real>()[c];
}

// The coefficients that the sums do not decide.
Coefficients make_coefficients(const NormBackward& op, real* storage) {
  const NormGeom& g = op.geom;
  const Coefficients k = coefficients_in(storage, g.width());
  set_means(k, g, op.mean);
  if (!computes_input(op.mask)) return k;
  for (int64_t c = 0; c < g.channels(); ++c) {
    const double scale = norm_scale(op.gamma.as<real>()[c], op.var.as<real>()[c], op.eps);
    for (int64_t i = c; i < g.width(); i += g.channels()) {
      k.scale[i] = static_cast<real>(scale);
      k.beta[i] = op.beta.as<real>()[c];
    }
  }
  return k;
}

// dy where the activation let it through.
template <NormMask kMask, class T, class Lanes>
inline V masked(V dy, V centered, V scale, V beta, const T* y, Lanes lanes) {
  if constexpr (kMask == NormMask::none) return dy;
  V v = {};
  if constexpr (reads_output(kMask)) v = lanes.load(y);
  if constexpr (computes_input(kMask)) v = fma(centered, scale, beta);
  if constexpr (!is_relu6(kMask)) return select(v > V{}, dy, V{});
  v = as_stored<T>(v);  // which may round it to 6
  return select((v <= V{}) | (v >= splat(6)), V{}, dy);
}

// A coefficient at column c, where the mask needs it.
template <NormMask kMask, class Lanes>
inline V mask_coefficient(const real* k, int64_t c, Lanes lanes) {
  if constexpr (computes_input(kMask)) return lanes.load(k + c);
  return V{};
}

// What the pass for the sums does besides: nothing, or it stores the masked dy, which may be the sum of two.
enum class Upstream { read, stored, added };

// The masked dy, from element `at` on.
template <class T, NormMask kMask, Upstream kUpstream>
struct MaskedGradient {
  MaskedGradient(const NormBackward& op, int64_t at) : dy(op.dy.as<T>() + at) {
    if constexpr (reads_output(kMask)) y = op.y.as<T>() + at;
    if constexpr (kUpstream == Upstream::added) addend = op.addend.as<T>() + at;
    if constexpr (kUpstream != Upstream::read) dresidual = op.dresidual.as<T>() + at;
  }

  // f of each tensor that is read.
  template <class F>
  void for_inputs(F&& f) const {
    f(dy);
    if constexpr (reads_output(kMask)) f(y);
    if constexpr (kUpstream == Upstream::added) f(addend);
  }

  template <class Lanes>
  V at(int64_t i, V centered, V scale, V beta, Lanes lanes) const {
    V v = lanes.load(dy + i);
    if constexpr (kUpstream == Upstream::added) v = as_stored<T>(v + lanes.load(addend + i));
    v = masked<kMask>(v, centered, scale, beta, y + i, lanes);
    if constexpr (kUpstream != Upstream::read) lanes.store(dresidual + i, v);
    return v;
  }

  const T* dy;
  const T *y = dy, *addend = dy;
  T* dresidual = nullptr;
};

// Adds the sums of dy and dy (x - mean) over `rows` rows of `width` columns from c0, starting at element `at`
// (column c0 of the first), to sum and dot. Groups are summed by themselves first: rounding errors then grow
// with the number of groups only. Along the rows (see sums_by_rows),
template <class T, NormMask kMask, Upstream kUpstream>
inline void add_rows(const NormBackward& op, const Coefficients& k, int64_t rows, int64_t at, int64_t c0,
                     int64_t width, real* sum, real* dot) {
  alignas(64) real group_sum[kStripColumns];
  alignas(64) real group_dot[kStripColumns];
  const real *means = k.mean + c0, *scales = k.scale + c0, *betas = k.beta + c0;
  const int64_t stride = op.geom.width();
  for_vectors(width, [&](int64_t c, auto lanes) {
    lanes.store(group_sum + c, V{});
    lanes.store(group_dot + c, V{});
  });
  for (int64_t r = 0; r < rows; ++r, at += stride) {
    const MaskedGradient<T, kMask, kUpstream> gradient(op, at);
    const T* x = op.x.as<T>() + at;
    const auto prefetch = [=](const T* from) { prefetch_row(from + kRowGroup * stride, width); };
    prefetch(x);
    gradient.for_inputs(prefetch);
    if constexpr (kUpstream != Upstream::read)
      prefetch_row_to_write(gradient.dresidual + kRowGroup * stride, width);
    for_vectors(width, [&](int64_t c, auto lanes) {
      const V centered = lanes.load(x + c) - lanes.load(means + c);
      const V scale = mask_coefficient<kMask>(scales, c, lanes),
              beta = mask_coefficient<kMask>(betas, c, lanes);
      const V v = gradient.at(c, centered, scale, beta, lanes);
      lanes.store(group_sum + c, lanes.load(group_sum + c) + v);
      lanes.store(group_dot + c, fma(v, centered, lanes.load(group_dot + c)));
    });
  }
  for_vectors(width, [&](int64_t c, auto lanes) {
    lanes.store(sum + c, lanes.load(sum + c) + lanes.load(group_sum + c));
    lanes.store(dot + c, lanes.load(dot + c) + lanes.load(group_dot + c));
  });
}

// and down the columns.
template <class T, NormMask kMask, Upstream kUpstream, class Count>
inline void add_columns(Count rows, const NormBackward& op, const Coefficients& k, int64_t at, real* sum,
                        real* dot) {
  const int64_t width = op.geom.width();
  const MaskedGradient<T, kMask, kUpstream> gradient(op, at);
  const T* x = op.x.as<T>() + at;
  for_vectors(width, [&](int64_t c, auto lanes) {
    const V mean = lanes.load(k.mean + c);
    const V scale = mask_coefficient<kMask>(k.scale, c, lanes),
            beta = mask_coefficient<kMask>(k.beta, c, lanes);
    V s = {}, d = {};
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t i = r * width + c;
      const int64_t ahead = i + kRowGroup * width;  // in the next group; harmless past the end
      __builtin_prefetch(x + ahead);
      gradient.for_inputs([=](const T* from) { __builtin_prefetch(from + ahead); });
      if constexpr (kUpstream != Upstream::read) __builtin_prefetch(gradient.dresidual + ahead, 1);
      const V centered = lanes.load(x + i) - mean;
      const V v = gradient.at(i, centered, scale, beta, lanes);
      s += v;
      d = fma(v, centered, d);
    }
    lanes.store(sum + c, lanes.load(sum + c) + s);
    lanes.store(dot + c, lanes.load(dot + c) + d);
  });
}

template <class T, NormMask kMask, Upstream kUpstream>
void block_sums(const NormBackward& op, const Coefficients& k, int64_t begin, int64_t end, real* sum,
                real* dot) {
  const int64_t width = op.geom.width();
  const bool by_rows = sums_by_rows(op.x, op.geom);
  std::memset(sum, 0, sizeof(real) * width);
  std::memset(dot, 0, sizeof(real) * width);
  int64_t r = begin;
  for (; by_rows && r < end; r += kRowGroup) {
    for (int64_t c = 0; c < width; c += kStripColumns) {
      add_rows<T, kMask, kUpstream>(op, k, std::min(kRowGroup, end - r), r * width + c, c,
                                    std::min(kStripColumns, width - c), sum + c, dot + c);
    }
  }
  for (; r + kRowGroup <= end; r += kRowGroup) {
    add_columns<T, kMask, kUpstream>(std::integral_constant<int64_t, kRowGroup>{}, op, k, r * width, sum,
                                     dot);
  }
  if (r < end) add_columns<T, kMask, kUpstream>(end - r, op, k, r * width, sum, dot);
}

// The coefficients of dx for channel c, of sums over so many rows.
template <NormGradient kKind>
inline void set_coefficients(const Coefficients& k, const NormGeom& g, int64_t c, double gamma,
                             double inverse, double dgamma, double dbeta, double rows) {
  const double a = gamma * inverse;
  for (int64_t i = c; i < g.width(); i += g.channels()) {
    k.a[i] = static_cast<real>(a);
    if constexpr (kKind == NormGradient::train) {
      k.b[i] = static_cast<real>(-a * inverse * dgamma / rows);
      k.c[i] = static_cast<real>(-a * dbeta / rows);
    }
  }
}

inline double inverse_deviation(real var, double eps) {
  return 1 / std::sqrt(static_cast<double>(var) + eps);
}

// The sums of channels [c0, c1) over all blocks, in block order; then dgamma, dbeta and the
// coefficients of dx.
template <NormGradient kKind>
void merge_blocks(const NormBackward& op, const real* partial, const Coefficients& k, int64_t c0,
                  int64_t c1) {
  const NormGeom& g = op.geom;
  double sum[kMergeColumns] = {}, dot[kMergeColumns] = {};
  for (int64_t block = 0; block < g.blocks(); ++block) {
    for (int64_t j = 0; j < g.fold(); ++j) {
      const real* block_sum = partial + 2 * block * g.width() + j * g.channels();
      const real* block_dot = block_sum + g.width();
      for (int64_t c = c0; c < c1; ++c) {
        sum[c - c0] += block_sum[c];
        dot[c - c0] += block_dot[c];
      }
    }
  }
  for (int64_t c = c0; c < c1; ++c) {
    const double inverse = inverse_deviation(op.var.as<real>()[c], op.eps);
    const double dgamma = dot[c - c0] * inverse, dbeta = sum[c - c0];
    op.dgamma.as<real>()[c] = static_cast<real>(dgamma);
    op.dbeta.as<real>()[c] = static_cast<real>(dbeta);
    if constexpr (kKind != NormGradient::sums)
      set_coefficients<kKind>(k, g, c, op.gamma.as<real>()[c], inverse, dgamma, dbeta,
                              static_cast<double>(g.rows()));
  }
}

// Whether dx is streamed. dresidual never is: dx is made of it next.
template <class T, class Op>
bool streams_dx(const Op& op) {
  // In place the lines are in cache already.
  const bool in_place = op.dx.data == op.dy.data || op.dx.data == op.x.data;
  return !in_place && streams(op.dx.template as<T>(), op.geom.width(), op.dx.bytes());
}

template <class T, NormGradient kKind, NormMask kMask, class Op>
void write_rows(const Op& op, const Coefficients& k, bool stream, int64_t begin, int64_t end) {
  const int64_t width = op.geom.width();
  for (int64_t r = begin; r < end; ++r) {
    const T* dy = op.dy.template as<T>() + r * width;
    const T* x = op.x.template as<T>() + r * width;
    const T* y = x;
    if constexpr (reads_output(kMask)) y = op.y.template as<T>() + r * width;
    T* dx = op.dx.template as<T>() + r * width;
    for_vectors(width, [&](int64_t c, auto lanes) {
      const V centered = lanes.load(x + c) - lanes.load(k.mean + c);
      const V scale = mask_coefficient<kMask>(k.scale, c, lanes),
              beta = mask_coefficient<kMask>(k.beta, c, lanes);
      const V v = masked<kMask>(lanes.load(dy + c), centered, scale, beta, y + c, lanes);
      V gradient = lanes.load(k.a + c) * v;
      if constexpr (kKind == NormGradient::train)
        gradient = fma(lanes.load(k.a + c), v, fma(lanes.load(k.b + c), centered, lanes.load(k.c + c)));
      put(dx + c, gradient, lanes, stream);
    });
  }
  if (stream) end_streaming();
}

// The last block, which is still in cache, first.
template <class Op, class Rows>
void write_blocks(const Op& op, const Coefficients& k, bool stream, Rows rows) {
  const NormGeom& g = op.geom;
  parallel_for(g.blocks(), static_cast<double>(op.x.bytes()), [&](int64_t i) {
    const int64_t block = g.blocks() - 1 - i;
    rows(op, k, stream, g.begin(block), g.end(block));
  });
}

template <class T, NormMask kMask, Upstream kUpstream>
void all_sums(const NormBackward& op, const Coefficients& k, real* partial) {
  const NormGeom& g = op.geom;
  parallel_for(g.blocks(), static_cast<double>(op.x.bytes()), [&](int64_t block) {
    real* sum = partial + 2 * block * g.width();
    block_sums<T, kMask, kUpstream>(op, k, g.begin(block), g.end(block), sum, sum + g.width());
  });
}

template <class T, NormGradient kKind, NormMask kMask>
void write_dx(const NormBackward& op, const Coefficients& k) {
  write_blocks(op, k, streams_dx<T>(op), write_rows<T, kKind, kMask, NormBackward>);
}

template <class T, NormGradient kKind, NormMask kMask>
void backward(const NormBackward& op, real* workspace) {
  const NormGeom& g = op.geom;
  real* partial = workspace + kCoefficients * g.width();
  const Coefficients k = make_coefficients(op, workspace);
  if (op.has_addend)
    all_sums<T, kMask, Upstream::added>(op, k, partial);
  else if (op.has_residual)
    all_sums<T, kMask, Upstream::stored>(op, k, partial);
  else
    all_sums<T, kMask, Upstream::read>(op, k, partial);
  const double merge_cost = 16.0 * g.blocks() * g.width();
  parallel_chunks(g.channels(), kMergeColumns, merge_cost,
                  [&](int64_t c0, int64_t c1) { merge_blocks<kKind>(op, partial, k, c0, c1); });
  if constexpr (kKind == NormGradient::sums) return;
  if (!op.has_residual) return write_dx<T, kKind, kMask>(op, k);
  NormBackward masked = op;
  masked.dy = op.dresidual;
  write_dx<T, kKind, NormMask::none>(masked, k);
}

template <NormGradient kKind>
Cost prepare(const Call& call) {
  const NormBackward op(call, kKind, kReal, W);
  const bool dx = kKind != NormGradient::sums, mask = reads_output(op.mask);
  const double sums = 2 + mask + op.has_addend + op.has_residual;
  const double tensors = sums + dx * (3 + (mask && !op.has_residual));
  const size_t wide_rows = static_cast<size_t>(2 * op.geom.blocks() + kCoefficients);
  return {wide_rows * op.geom.width() * sizeof(real), 9.0 * op.x.numel(), tensors * op.x.bytes()};
}

template <class T, NormGradient kKind>
void run_masked(const NormBackward& op, real* workspace) {
  switch (op.mask) {
    case NormMask::none:
      return backward<T, kKind, NormMask::none>(op, workspace);
    case NormMask::output:
      return backward<T, kKind, NormMask::output>(op, workspace);
    case NormMask::input:
      return backward<T, kKind, NormMask::input>(op, workspace);
    case NormMask::output6:
      return backward<T, kKind, NormMask::output6>(op, workspace);
    case NormMask::input6:
      return backward<T, kKind, NormMask::input6>(op, workspace);
  }
}

template <NormGradient kKind>
void run(const Call& call) {
  const NormBackward op(call, kKind, kReal, W);
  real* workspace = reinterpret_cast<real*>(call.workspace);
  with_storage(op.x.dtype, [&](auto stored) { run_masked<decltype(stored), kKind>(op, workspace); });
}

Cost prepare_shift(const Call& call) {
  const NormShift op(call, kReal, W);
  return {static_cast<size_t>(kCoefficients * op.geom.width()) * sizeof(real), 4.0 * op.x.numel(),
          3.0 * op.x.bytes()};
}

void run_shift(const Call& call) {
  const NormShift op(call, kReal, W);
  const NormGeom& g = op.geom;
  const Coefficients k = coefficients_in(reinterpret_cast<real*>(call.workspace), g.width());
  set_means(k, g, op.mean);
  for (int64_t c = 0; c < g.channels(); ++c)
    set_coefficients<NormGradient::train>(
        k, g, c, op.gamma.as<real>()[c], inverse_deviation(op.var.as<real>()[c], op.eps),
        op.dgamma.as<real>()[c], op.dbeta.as<real>()[c], op.count.as<real>()[0]);
  with_storage(op.x.dtype, [&](auto stored) {
    using T = decltype(stored);
    write_blocks(op, k, streams_dx<T>(op), write_rows<T, NormGradient::train, NormMask::none, NormShift>);
  });
}

TENON_KERNEL(batch_norm_backward, prepare<NormGradient::train>, run<NormGradient::train>, kNormBackwardAttrs)
TENON_KERNEL(batch_norm_eval_backward, prepare<NormGradient::eval>, run<NormGradient::eval>,
             kNormBackwardAttrs)
TENON_KERNEL(batch_norm_backward_sums, prepare<NormGradient::sums>, run<NormGradient::sums>,
             kNormBackwardAttrs)
TENON_KERNEL(batch_norm_backward_shift, prepare_shift, run_shift, kNormShiftAttrs)
#endif
