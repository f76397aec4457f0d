// bf16 products and convolutions against the f64 reference: sizes around tiles, every pass, threads. Included
// by a test for each path.
#pragma once

#include <cstdio>
#include <optional>
#include <stdexcept>
#include <utility>

#include "kernels/gemm_bf16.h"
#include "kernels/streamed_bytes.h"
#include "ops/conv2d_bf16.h"
#include "test/check.h"

namespace tenon::test {

constexpr double kHalfUnit = 1.0 / 256;  // relative error of one rounding to bf16

// Values that bf16 holds exactly, so that the reference gets the same input.
inline std::vector<double> bf16_values(int64_t n, uint64_t seed) {
  std::vector<double> values = random_values(n, seed);
  for (double& v : values) v = to_float(to_bf16(static_cast<float>(v)));
  return values;
}

// Whether this machine computes bf16 products of a target by a path; says so where it does not.
inline bool is_here(Bf16Path path, Target target) {
  try {
    choose_bf16_path(target, name_of(path));
    return true;
  } catch (const std::invalid_argument&) {
    std::printf("%s on %s: not here\n", name_of(path), name_of(target));
    return false;
  }
}

// An input of a bf16 kernel, and the same for the reference.
struct Pair {
  Tensor fast, ref;
  Pair(DType dtype, const Dims& dims, const std::vector<double>& values)
      : fast(dtype, dims, values), ref(DType::f64, dims, values) {}
};

// Where bf16 kernels run: everywhere but on the reference. Tiles in software are slow, and the same on every
// instruction set: the best one will do.
template <class Fn>
void for_each_fast_target(Fn&& fn) {
  Target best = Target::baseline;
  for_each_target([&](Target target) { best = target == Target::ref ? best : target; });
  for_each_target([&](Target target) {
    const bool software = bf16_path(target).path == Bf16Path::amx_software;
    if (target != Target::ref && (!software || target == best)) fn(target);
  });
}

// The error of an element where Winograd's algorithm rounds to bf16 what it multiplies, and of all, relative
// to the root mean square of the outputs (kernels/winograd_bf16.h, winograd_weights_bf16.h).
constexpr double kWinogradError = 0.15, kWinogradMeanError = 0.015;

inline bool multiplies_transforms(ConvPass pass, Target target, const std::vector<TensorView>& views,
                                  const std::vector<double>& attrs) {
  Call call;
  call.t = views.data(), call.count = static_cast<int>(views.size());
  call.attrs = attrs.data(), call.attr_count = static_cast<int>(attrs.size());
  return bf16_conv_multiplies_transforms(pass, bf16_conv_call(pass, call), bf16_kernels(target));
}

inline double root_mean_square(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum / static_cast<double>(std::max<size_t>(1, values.size())));
}

// The root mean square of the errors.
inline double mean_error(const Tensor& out, const std::vector<double>& expected) {
  std::vector<double> errors = out.values();
  for (size_t i = 0; i < errors.size(); ++i) errors[i] -= expected[i];
  return root_mean_square(errors);
}

inline void close_by_winograd(const Tensor& out, const std::vector<double>& expected, double rounding,
                              const std::string& context) {
  const double usual = root_mean_square(expected), error = mean_error(out, expected);
  close(out, expected, kWinogradError * usual, rounding, context);
  CHECK_THAT(error <= kWinogradMeanError * usual, context + ": error " + std::to_string(error / usual));
}

// Runs a kernel on every instruction set, for every type of the output, against one run of the reference.
//
// Weights are f32 and rounded to bf16 as they are packed: their values here are rounded already, but for the
// reference's sake only. Inputs are at most 1: the error of a sum of k products, and one rounding.
inline void compare(const std::string& name, const std::string& reference,
                    const std::vector<const Pair*>& inputs, const Dims& output,
                    const std::vector<DType>& types, const std::vector<double>& attrs, double k,
                    const std::string& context, bool threads, std::optional<ConvPass> pass = {}) {
  std::vector<TensorView> fast, ref;
  for (const Pair* p : inputs) fast.push_back(p->fast), ref.push_back(p->ref);
  const Tensor wanted(DType::f64, output);
  ref.push_back(wanted);
  run_kernel(reference, Target::ref, ref, attrs);
  const std::vector<double> expected = wanted.values();
  fast.emplace_back();
  for (const DType type : types) {
    const double rounding = type == DType::bf16 ? kHalfUnit : 0;
    for_each_fast_target([&](Target target) {
      const Tensor out(type, output);
      fast.back() = out;
      run_kernel(name, target, fast, attrs);
      const std::string what = name + " " + context + " on " + name_of(target);
      if (pass && multiplies_transforms(*pass, target, fast, attrs))
        close_by_winograd(out, expected, rounding, what);
      else
        close(out, expected, 2 * eps_of(Target::baseline) * (k + 16), rounding, what);
      if (threads) check_threads(name, target, fast, attrs, out);
      check_packed(name, target, fast, attrs, out);
    });
  }
}

struct MatmulCase {
  int64_t batch, m, n, k;  // batch 0: rank 2
  int trans_a = 0, trans_b = 0, bias = 0, activation = 0;
};

inline void check_matmul(const MatmulCase& c, DType b_type, DType y_type, bool threads = false) {
  const auto dims = [&](int64_t rows, int64_t columns, bool transposed) {
    Dims d = transposed ? Dims{columns, rows} : Dims{rows, columns};
    if (c.batch > 0) d.insert(d.begin(), c.batch);
    return d;
  };
  const Dims a = dims(c.m, c.k, c.trans_a), b = dims(c.k, c.n, c.trans_b);
  const Pair pa(DType::bf16, a, bf16_values(numel_of(a), 1)), pb(b_type, b, bf16_values(numel_of(b), 2)),
      bias(DType::f32, {c.n}, bf16_values(c.n, 3));
  std::vector<const Pair*> inputs{&pa, &pb};
  if (c.bias) inputs.push_back(&bias);
  const std::string context = std::to_string(c.batch) + " " + std::to_string(c.m) + " " +
                              std::to_string(c.n) + " " + std::to_string(c.k) + (c.trans_a ? " A^T" : "") +
                              (c.trans_b ? " B^T" : "");
  compare("matmul_bf16", "matmul", inputs, dims(c.m, c.n, false), {y_type},
          {double(c.trans_a), double(c.trans_b), double(c.bias), double(c.activation)}, double(c.k), context,
          threads);
}

inline void matmuls() {
  const DType types[] = {DType::bf16, DType::f32};
  for (const int64_t m : {1, 5, 6, 7, 16, 17, 33})
    for (const int64_t n : {1, 8, 15, 17, 32, 33, 65})
      for (const int64_t k : {1, 2, 31, 33, 70})
        check_matmul({0, m, n, k, int(m + k) & 1, int(n + k) & 1, int(n) & 1, int(m) % 3}, types[(m + n) % 2],
                     types[(n + k / 2) % 2]);
  check_matmul({0, 70, 1100, 600, 0, 1, 1, 1}, DType::f32, DType::bf16, true);
  check_matmul({0, 300, 70, 128, 1, 0, 0, 0}, DType::bf16, DType::f32, true);
  check_matmul({3, 17, 33, 20, 1, 1, 0, 0}, DType::bf16, DType::bf16, true);
  check_matmul({0, 0, 5, 3}, DType::f32, DType::bf16);
  check_matmul({0, 5, 0, 3}, DType::f32, DType::bf16);
  check_matmul({0, 5, 7, 0, 0, 0, 1, 1}, DType::f32, DType::bf16);
}

struct ConvCase {
  int64_t n, h, w, c, o, kh, kw;
  int64_t sh = 1, sw = 1, ph = 0, pw = 0, dh = 1, dw = 1, groups = 1;
  int64_t below = -1, right = -1;  // padding there, -1: as above and on the left

  int64_t lower() const { return below < 0 ? ph : below; }
  int64_t righter() const { return right < 0 ? pw : right; }
  Dims x() const { return {n, h, w, c}; }
  Dims weight() const { return {o, kh, kw, c / groups}; }
  Dims y() const {
    return {n, (h + ph + lower() - dh * (kh - 1) - 1) / sh + 1,
            (w + pw + righter() - dw * (kw - 1) - 1) / sw + 1, o};
  }
  std::vector<double> geometry() const {
    return {double(sh),        double(sw), double(ph), double(lower()), double(pw),
            double(righter()), double(dh), double(dw), double(groups)};
  }
  std::string name() const {
    std::string text;
    for (const int64_t v : {n, h, w, c, o, kh, kw, sh, ph, dh, groups}) text += std::to_string(v) + " ";
    return text;
  }
};

inline void check_conv(const ConvCase& c, bool threads = false) {
  const Dims dx = c.x(), dw = c.weight(), dy = c.y();
  const Pair x(DType::bf16, dx, bf16_values(numel_of(dx), 1)),
      w(DType::f32, dw, bf16_values(numel_of(dw), 2)), bias(DType::f32, {c.o}, bf16_values(c.o, 3)),
      g(DType::bf16, dy, bf16_values(numel_of(dy), 4));
  std::vector<double> forward = c.geometry(), backward = c.geometry();
  forward.insert(forward.end(), {1, 0, 1, 0});
  backward.push_back(0);
  const std::string context = c.name();
  const double k = double(c.kh * c.kw);
  const std::vector<DType> types{DType::bf16, DType::f32};
  compare("conv2d_bf16", "conv2d", {&x, &w, &bias}, dy, types, forward, k * double(c.c), context, threads,
          ConvPass::forward);
  compare("conv2d_backward_data_bf16", "conv2d_backward_data", {&g, &w}, dx, types, backward, k * double(c.o),
          context, threads, ConvPass::backward_data);
  compare("conv2d_backward_weights_bf16", "conv2d_backward_weights", {&g, &x}, dw, {DType::f32}, backward,
          double(c.n * dy[1] * dy[2]), context, threads, ConvPass::backward_weights);
}

inline void convolutions() {
  check_conv({2, 9, 8, 16, 32, 3, 3, 1, 1, 1, 1}, true);
  check_conv({1, 7, 11, 3, 20, 3, 3, 1, 1, 1, 1});
  check_conv({2, 12, 10, 3, 33, 7, 7, 2, 2, 3, 3}, true);
  check_conv({2, 9, 9, 24, 40, 3, 3, 2, 2, 1, 1}, true);
  check_conv({2, 8, 8, 17, 19, 1, 1, 2, 2});
  check_conv({3, 6, 5, 32, 32, 1, 1});
  check_conv({1, 10, 10, 8, 12, 3, 3, 1, 1, 2, 2, 2, 2});
  check_conv({1, 13, 9, 6, 9, 3, 2, 3, 2, 0, 1, 2, 3});
  check_conv({2, 7, 7, 12, 18, 3, 3, 1, 1, 1, 1, 1, 1, 3}, true);
  check_conv({2, 6, 6, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 8});
  check_conv({4, 33, 34, 5, 7, 3, 3, 1, 1, 1, 1}, true);    // several chunks of pixels
  check_conv({1, 6, 6, 100, 100, 3, 3, 1, 1, 1, 1}, true);  // taps in parts
  check_conv({6, 19, 18, 48, 40, 3, 3, 1, 1, 1, 1}, true);  // by Winograd, but for AMX
  check_conv({3, 16, 17, 37, 70, 3, 3, 1, 1, 0, 0});
  check_conv({2, 8, 9, 16, 24, 3, 3, 2, 2, 0, 0, 1, 1, 1, 1, 1}, true);
  check_conv({2, 8, 8, 12, 12, 5, 5, 2, 2, 1, 1, 1, 1, 12, 2, 2}, true);
  check_conv({3, 14, 21, 19, 19, 3, 3, 1, 1, 1, 1, 1, 1, 19}, true);
  check_conv({1, 9, 20, 37, 37, 5, 5, 1, 1, 2, 2, 1, 1, 37}, true);
  check_conv({1, 9, 31, 16, 16, 3, 3, 1, 1, 1, 1, 1, 2, 16}, true);
  check_conv({2, 9, 9, 40, 40, 3, 3, 2, 2, 1, 1, 1, 2, 40}, true);
  check_conv({0, 9, 9, 40, 40, 3, 3, 2, 2, 1, 1, 1, 1, 40});
  check_conv({6, 19, 18, 48, 40, 3, 3, 1, 1, 0, 1, 1, 1, 1, 2, 0});
  check_conv({3, 6, 5, 32, 32, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 2});
  check_conv({0, 6, 6, 4, 4, 3, 3, 1, 1, 1, 1});
  check_conv({5, 5, 5, 32, 40, 3, 3, 1, 1, 1, 1}, true);    // several images in a block
  check_conv({1, 40, 37, 32, 70, 3, 3, 1, 1, 1, 1}, true);  // several blocks of rows
  check_conv({2, 6, 7, 256, 20, 3, 3, 1, 1, 1, 1});         // channels at powers of two
  check_conv({1, 5, 4, 8, 9, 3, 3, 1, 1, 5, 6});            // more padding than kernel
  check_conv({2, 11, 13, 16, 8, 5, 4, 3, 2, 2, 1, 2, 3});   // gaps in columns and strides
  check_conv({2, 11, 13, 32, 8, 3, 3, 3, 3, 0, 0});
  check_conv({1, 9, 70, 48, 33, 1, 7, 1, 1, 0, 3}, true);
  check_conv({2, 3, 3, 20, 600, 3, 3, 1, 1, 1, 1});  // columns in parts
}

// Outputs that are written past the caches, as those of 16 MiB and more are, and such that cannot be, as
// their rows are not whole lines.
inline void streamed() {
  const int64_t usual = std::exchange(streamed_bytes, 1024);
  check_conv({2, 9, 8, 32, 64, 3, 3, 1, 1, 1, 1}, true);
  check_conv({3, 9, 7, 64, 32, 1, 1}, true);  // rows read where they are, but for the last
  check_conv({3, 9, 7, 32, 40, 1, 1});
  check_conv({2, 6, 7, 256, 64, 1, 1});
  check_conv({2, 9, 9, 32, 32, 3, 3, 2, 2, 1, 1});
  streamed_bytes = usual;
}

// A residual is added before the activation, which is then what its own kernel makes of the stored sum. y may
// be the residual's memory.
inline void check_residual(const ConvCase& c, DType type, bool has_bias) {
  const Pair x(DType::bf16, c.x(), bf16_values(numel_of(c.x()), 1)),
      w(DType::f32, c.weight(), bf16_values(numel_of(c.weight()), 2)),
      bias(DType::f32, {c.o}, bf16_values(c.o, 3)), residual(type, c.y(), bf16_values(numel_of(c.y()), 4));
  const std::string context = c.name() + "with a residual";
  const auto attrs = [&](int activation) {
    std::vector<double> all = c.geometry();
    all.insert(all.end(), {double(has_bias), 1, double(activation), 0});
    return all;
  };
  std::vector<const Pair*> inputs{&x, &w, &residual};
  if (has_bias) inputs.insert(inputs.begin() + 2, &bias);
  const double terms = double(c.kh * c.kw * c.c / c.groups) + 2;
  compare("conv2d_bf16", "conv2d", inputs, c.y(), {type}, attrs(0), terms, context, true, ConvPass::forward);
  std::vector<TensorView> views;
  for (const Pair* p : inputs) views.push_back(p->fast);
  views.emplace_back();
  const char* kernels[] = {"relu", "relu6", "tanh", "sigmoid"};
  for_each_fast_target([&](Target target) {
    const Tensor y(type, c.y()), fused(type, c.y()), apart(type, c.y());
    views.back() = y;
    run_kernel("conv2d_bf16", target, views, attrs(0));
    for (int i = 0; i < 4; ++i) {
      views.back() = fused;
      run_kernel("conv2d_bf16", target, views, attrs(i + 1));
      run_kernel(kernels[i], target, {y, apart});
      CHECK_THAT(same_bits(fused, apart), context + " and " + kernels[i] + " on " + name_of(target));
    }
    const Tensor over(type, c.y(), residual.fast.values());
    std::vector<TensorView> in_place = views;
    in_place.back() = in_place[inputs.size() - 1] = over;
    run_kernel("conv2d_bf16", target, in_place, attrs(0));
    CHECK_THAT(same_bits(over, y), context + " in place on " + name_of(target));
  });
}

inline void residuals() {
  const ConvCase cases[] = {
      {2, 9, 9, 20, 33, 3, 3, 2, 2, 1, 1},
      {3, 5, 5, 40, 37, 1, 1},
      {3, 6, 7, 3, 40, 3, 3, 1, 1, 1, 1},  // of few channels: in float where nothing goes by taps
      {1, 30, 60, 1, 70, 3, 5, 1, 1, 1, 2},
      {2, 7, 7, 12, 18, 3, 3, 2, 2, 1, 1, 1, 1, 3},
      {2, 9, 9, 24, 24, 3, 3, 1, 1, 1, 1, 1, 1, 24},  // not by the depthwise kernels
      {6, 19, 18, 48, 40, 3, 3, 1, 1, 1, 1},          // by Winograd, but for AMX
      {5, 5, 5, 32, 40, 3, 3, 1, 1, 1, 1},
      {2, 3, 3, 20, 600, 3, 3, 1, 1, 1, 1},
      {0, 6, 6, 4, 4, 3, 3, 1, 1, 1, 1},
  };
  for (const ConvCase& c : cases)
    for (const DType type : {DType::bf16, DType::f32})
      for (const bool has_bias : {false, true}) check_residual(c, type, has_bias);
}

// Shapes that the gradient of the weights cuts in different ways on AMX tiles: images in groups of 2 to 32,
// the last one partly empty; padding that steps leave out; taps in pairs; parts of the channels; long rows.
inline void weight_gradients() {
  check_conv({3, 1, 1, 16, 16, 3, 3, 1, 1, 1, 1}, true);  // most taps meet padding only
  check_conv({63, 8, 8, 32, 16, 3, 3, 1, 1, 1, 1}, true);
  check_conv({33, 5, 7, 16, 20, 3, 3, 1, 1, 1, 1}, true);
  check_conv({5, 7, 7, 40, 50, 3, 3, 1, 1, 1, 1}, true);
  check_conv({8, 14, 14, 48, 64, 3, 3, 1, 1, 1, 1}, true);
  check_conv({4, 11, 9, 16, 32, 5, 5, 2, 2, 2, 2}, true);
  check_conv({4, 9, 13, 80, 33, 3, 3, 2, 3, 1, 1}, true);
  check_conv({4, 13, 14, 17, 19, 3, 3, 3, 2, 2, 1, 2, 3}, true);
  check_conv({2, 4, 4, 160, 256, 3, 3, 1, 1, 1, 1}, true);
  check_conv({2, 3, 530, 16, 16, 1, 3, 1, 1, 0, 1}, true);
  check_conv({6, 7, 7, 60, 54, 3, 3, 1, 1, 1, 1, 1, 1, 3}, true);
  check_conv({9, 6, 6, 96, 32, 1, 1, 2, 2}, true);
  check_conv({4, 8, 7, 32, 32, 3, 3, 2, 2, 0, 1, 1, 1, 1, 2, 0}, true);
  // few pixels: output channels in bands
  check_conv({3, 7, 7, 40, 130, 1, 1}, true);
  check_conv({3, 9, 9, 10, 270, 3, 3, 2, 2}, true);
  check_conv({1, 5, 5, 48, 140, 1, 1, 1, 1, 0, 0, 1, 1, 2}, true);
  // few channels: a row of the filter is one tap
  check_conv({2, 3, 2, 3, 8, 5, 5, 1, 1, 2, 2}, true);
  check_conv({16, 28, 28, 1, 32, 3, 3, 1, 1, 1, 1}, true);
  check_conv({6, 23, 21, 3, 64, 7, 7, 2, 2, 3, 3}, true);
  check_conv({4, 9, 16, 4, 12, 3, 9, 1, 4, 0, 0}, true);
  check_conv({4, 9, 11, 15, 12, 3, 3, 1, 3, 1, 0, 2, 1}, true);
}

inline void refusals(Target target) {
  const TensorView a = make_view(DType::bf16, {3, 4}), b = make_view(DType::f32, {4, 5}),
                   y = make_view(DType::bf16, {3, 5});
  CHECK(!rejects("matmul_bf16", target, {a, b, y}, {0, 0, 0, 0}));
  CHECK(rejects("matmul_bf16", target, {a, b, y}, {1, 0, 0, 0}));
  CHECK(rejects("matmul_bf16", target, {a, b}, {0, 0, 0, 0}));
  CHECK(rejects("matmul_bf16", target, {a, b, y, y, y}, {0, 0, 0, 0}));
  CHECK(rejects("matmul_bf16", target, {make_view(DType::f32, {3, 4}), b, y}, {0, 0, 0, 0}));
  CHECK(rejects("matmul_bf16", target, {a, make_view(DType::i32, {4, 5}), y}, {0, 0, 0, 0}));
  CHECK(rejects("matmul_bf16", target, {a, b, make_view(DType::bf16, {5}), y}, {0, 0, 1, 0}));
  const TensorView x = make_view(DType::bf16, {1, 4, 4, 2}), w = make_view(DType::f32, {3, 3, 3, 2}),
                   out = make_view(DType::bf16, {1, 4, 4, 3});
  const std::vector<double> forward{1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
      backward{1, 1, 1, 1, 1, 1, 1, 1, 1, 0};
  CHECK(!rejects("conv2d_bf16", target, {x, w, out}, forward));
  CHECK(rejects("conv2d_bf16", target, {w, x, out}, forward));
  std::vector<double> adding = forward;
  adding[10] = 1;
  CHECK(!rejects("conv2d_bf16", target, {x, w, out, out}, adding));
  CHECK(rejects("conv2d_bf16", target, {x, w, out}, adding));
  CHECK(rejects("conv2d_bf16", target, {x, w, make_view(DType::f32, {1, 4, 4, 3}), out}, adding));
  CHECK(rejects("conv2d_bf16", target, {x, w, make_view(DType::bf16, {1, 4, 5, 3}), out}, adding));
  CHECK(rejects("conv2d_bf16", target, {x, make_view(DType::bf16, {3, 3, 3, 2}), out}, forward));
  CHECK(rejects("conv2d_bf16", target, {x, w, make_view(DType::f64, {1, 4, 4, 3})}, forward));
  CHECK(rejects("conv2d_backward_weights_bf16", target, {out, x, make_view(DType::bf16, {3, 3, 3, 2})},
                backward));
  CHECK(!rejects("conv2d_backward_weights_bf16", target, {out, x, w}, backward));
  CHECK(
      rejects("conv2d_backward_data_bf16", target, {out, w, make_view(DType::bf16, {1, 4, 5, 2})}, backward));
}

// Everything on every instruction set of this machine.
inline void bf16_cases() {
  matmuls();
  convolutions();
  streamed();
  residuals();
  weight_gradients();
  for_each_fast_target(refusals);
}

}  // namespace tenon::test
