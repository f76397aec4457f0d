// The three convolution kernels, im2col and direct, on every target against the f64 reference.
#include "ops/conv2d.h"

#include <utility>

#include "base/conv_geom.h"
#include "kernels/streamed_bytes.h"
#include "test/check.h"

namespace tenon::test {
namespace {

struct Case {
  int64_t n, c, h, w, o, kh, kw;
  int64_t sh = 1, sw = 1, ph = 0, pw = 0, dh = 1, dw = 1, groups = 1;
  int extras = 0, activation = 0;  // 1 for bias, 2 for residual, 3 for both
  int64_t below = -1, right = -1;  // padding there, -1: as above and on the left

  int64_t padded_h() const { return h + ph + (below < 0 ? ph : below); }
  int64_t padded_w() const { return w + pw + (right < 0 ? pw : right); }
  int64_t oh() const { return (padded_h() - dh * (kh - 1) - 1) / sh + 1; }
  int64_t ow() const { return (padded_w() - dw * (kw - 1) - 1) / sw + 1; }
  bool valid() const {
    return padded_h() >= dh * (kh - 1) + 1 && padded_w() >= dw * (kw - 1) + 1 && c % groups == 0 &&
           o % groups == 0;
  }
  Dims x() const { return {n, h, w, c}; }
  Dims weight() const { return {o, kh, kw, c / groups}; }
  Dims y() const { return {n, oh(), ow(), o}; }
  std::vector<double> geometry() const {
    return {double(sh),    double(sw),
            double(ph),    double(padded_h() - h - ph),
            double(pw),    double(padded_w() - w - pw),
            double(dh),    double(dw),
            double(groups)};
  }
  std::string name() const {
    std::string s;
    for (const int64_t v : {n, c, h, w, o, kh, kw, sh, sw, ph, pw, dh, dw, groups, int64_t{extras},
                            int64_t{activation}, below, right})
      s += std::to_string(v) + " ";
    return s;
  }
};

// One call of one pass.
struct PassCall {
  std::string kernel;
  std::vector<Dims> dims;  // operands, the output last
  std::vector<double> attrs;
  double terms;  // products in the longest sum
};

std::vector<PassCall> passes_of(const Case& c, int algorithm) {
  std::vector<double> forward = c.geometry(), backward = c.geometry();
  forward.insert(forward.end(),
                 {double(c.extras & 1), double(c.extras >> 1), double(c.activation), double(algorithm)});
  backward.push_back(algorithm);
  std::vector<Dims> operands = {c.x(), c.weight()};
  if (c.extras & 1) operands.push_back({c.o});
  if (c.extras & 2) operands.push_back(c.y());
  operands.push_back(c.y());
  const double taps = double(c.kh * c.kw);
  return {{"conv2d", operands, forward, taps * double(c.c / c.groups)},
          {"conv2d_backward_data", {c.y(), c.weight(), c.x()}, backward, taps * double(c.o / c.groups)},
          {"conv2d_backward_weights", {c.y(), c.x(), c.weight()}, backward, double(c.n * c.oh() * c.ow())}};
}

using Inputs = std::vector<std::vector<double>>;

Inputs inputs_of(const PassCall& p) {
  Inputs inputs;
  for (size_t i = 0; i + 1 < p.dims.size(); ++i) inputs.push_back(random_values(numel_of(p.dims[i]), i + 1));
  return inputs;
}

std::vector<Tensor> make_operands(const PassCall& p, Target target, const Inputs& inputs) {
  std::vector<Tensor> t;
  t.reserve(p.dims.size());
  for (size_t i = 0; i < inputs.size(); ++i) t.emplace_back(target, p.dims[i], inputs[i]);
  t.emplace_back(target, p.dims.back());
  return t;
}

std::vector<Tensor> make_operands(const PassCall& p, Target target) {
  return make_operands(p, target, inputs_of(p));
}

std::vector<TensorView> views_of(const std::vector<Tensor>& tensors) {
  return std::vector<TensorView>(tensors.begin(), tensors.end());
}

void check_case(const Case& c, bool threads = false, size_t passes = 3, int algorithms = 3) {
  if (!c.valid()) return;
  for (size_t pass = 0; pass < passes; ++pass) {
    const PassCall reference = passes_of(c, 0)[pass];
    const Inputs inputs = inputs_of(reference);
    const std::vector<Tensor> by_reference = make_operands(reference, Target::ref, inputs);
    run_kernel(reference.kernel, Target::ref, views_of(by_reference), reference.attrs);
    const std::vector<double> expected = by_reference.back().values();
    for (int algorithm = 0; algorithm < algorithms; ++algorithm) {
      const PassCall p = passes_of(c, algorithm)[pass];
      for_each_target([&](Target target) {
        if (target == Target::ref) return;
        const std::vector<Tensor> t = make_operands(p, target, inputs);
        run_kernel(p.kernel, target, views_of(t), p.attrs);
        const std::string what =
            p.kernel + " " + c.name() + name_of(target) + " algorithm " + std::to_string(algorithm);
        close(t.back(), expected, eps_of(target) * (2 * p.terms + 16), 0, what);
        if (threads) check_threads(p.kernel, target, views_of(t), p.attrs, t.back());
      });
    }
  }
}

void plain() {
  for (const int64_t channels : {1, 3, 4, 5, 16, 17, 33, 64})
    for (const int64_t size : {1, 2, 7, 8, 15})
      check_case({2, channels, size, size, channels + 1, 3, 3, 1, 1, 1, 1}, size == 7);
  check_case({3, 64, 14, 14, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, true);
  check_case({2, 20, 13, 13, 8, 3, 3, 1, 1, 1, 1}, true);  // 13 = 12 + 1 in tiles of one vector
  check_case({9, 20, 7, 7, 70, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 4}, true);
  check_case({2, 256, 5, 5, 8, 3, 3, 1, 1, 1, 1}, true);
  check_case({2, 1, 28, 28, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, true);
  check_case({2, 1, 28, 28, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1, 1, 3}, true);
  check_case({2, 6, 14, 14, 16, 5, 5}, true);
  check_case({1, 3, 40, 36, 10, 7, 7, 2, 2, 3, 3}, true);
  check_case({2, 24, 9, 100, 12, 1, 3, 1, 1, 0, 1}, true);
  check_case({2, 300, 3, 3, 150, 3, 3, 1, 1, 1, 1}, true);
}

void pointwise_and_strided() {
  check_case({2, 48, 9, 9, 33, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 2}, true);
  check_case({3, 260, 5, 5, 258, 1, 1, 1, 1, 0, 0}, true);
  check_case({1, 400, 4, 4, 336, 1, 1}, true);  // weights whose gradient is one product
  check_case({2, 96, 31, 30, 24, 1, 1}, true);  // in chunks of pixels
  check_case({2, 16, 31, 30, 96, 1, 1}, true);  // and transposed
  check_case({2, 48, 9, 9, 33, 1, 1, 2, 2}, true);
  check_case({2, 20, 9, 8, 33, 1, 1, 3, 2, 1, 2}, true);
  check_case({2, 20, 12, 12, 33, 3, 3, 2, 2, 1, 1}, true);
  check_case({2, 3, 12, 12, 5, 2, 2, 3, 3}, true);  // strides beyond the kernel leave gaps in dx
  check_case({1, 2, 5, 5, 3, 1, 1, 7, 7}, true);
  check_case({2, 34, 9, 9, 68, 1, 1, 2, 2, 0, 0, 1, 1, 2}, true);  // gaps in one group's channels
  check_case({5, 16, 20, 18, 33, 3, 3, 2, 2, 1, 1}, true);         // several blocks, kernel rows as columns
  check_case({2, 35, 9, 14, 20, 2, 5, 1, 2, 1, 3, 2}, true);
  check_case({2, 20, 14, 14, 20, 3, 3, 2, 2, 1, 1}, true);  // phases of seven columns
  check_case({1, 2, 4, 4, 3, 3, 3, 1, 1, 3, 3}, true);      // padding beyond the kernel
  check_case({1, 5, 2, 2, 3, 2, 2, 2, 2, 4, 4}, true);
}

void grouped() {
  check_case({2, 8, 7, 7, 12, 3, 3, 1, 1, 1, 1, 1, 1, 2, 1, 1}, true);
  check_case({2, 34, 6, 6, 68, 3, 3, 2, 2, 1, 1, 1, 1, 2}, true);
  check_case({2, 6, 9, 9, 12, 3, 3, 1, 1, 2, 2, 2, 2, 6}, true);
}

// A filter for every channel has kernels of its own: channels around the vectors' lanes, rows around the
// blocks of pixels, taps around those summed at a time, and every epilogue.
void depthwise() {
  for (const int64_t c : {2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33})
    for (int64_t size = 1; size < 20; size += 3)
      check_case({2, c, size, size + 1, c, 3, 3, 1, 1, 1, 1, 1, 1, c}, size == 7);
  for (int activation = 0; activation < 5; ++activation)
    for (int extras = 0; extras < 4; ++extras)
      check_case({3, 19, 9, 11, 19, 3, 3, 1, 1, 1, 1, 1, 1, 19, extras, activation}, true);
  for (int64_t k = 1; k < 8; ++k) check_case({2, 12, 9, 10, 12, k, k, 1, 1, k / 2, k / 2, 1, 1, 12}, true);
  check_case({2, 32, 9, 9, 32, 3, 3, 2, 2, 1, 1, 1, 1, 32}, true);
  check_case({2, 32, 21, 37, 32, 3, 3, 2, 2, 1, 1, 1, 1, 32}, true);
  check_case({5, 24, 33, 34, 24, 3, 3, 1, 1, 1, 1, 1, 1, 24}, true);
  // The gradient of filters: blocks of 64 channels, rows summed together, images that are fetched ahead.
  for (const int64_t c : {63, 64, 65, 130})
    for (const int64_t n : {1, 3, 40}) check_case({n, c, 5, 7, c, 3, 3, 1, 1, 1, 1, 1, 1, c}, true);
  check_case({3, 70, 31, 31, 70, 5, 5, 2, 2, 2, 2, 1, 1, 70}, true);
  check_case({1, 66, 3, 390, 66, 3, 3, 1, 1, 1, 1, 1, 1, 66}, true);
  check_case({2, 6, 9, 9, 6, 3, 3, 1, 1, 2, 2, 2, 2, 6}, true);
  check_case({2, 6, 12, 12, 6, 2, 2, 3, 3, 0, 0, 1, 1, 6}, true);  // strides beyond the kernel: gaps in dx
  check_case({1, 5, 4, 4, 5, 3, 3, 1, 1, 3, 3, 1, 1, 5}, true);    // padding beyond the kernel
  check_case({1, 5, 4, 4, 5, 5, 5, 2, 2, 4, 4, 3, 2, 5}, true);
  check_case({0, 4, 5, 5, 4, 3, 3, 1, 1, 1, 1, 1, 1, 4});
  check_case({2, 4, 0, 5, 4, 3, 3, 1, 1, 2, 1, 1, 1, 4});
  Random random(7);
  for (int i = 0; i < 300; ++i) {
    const int64_t c = random.integer(2, 40);
    const auto any = [&](int least, int most) { return int64_t{random.integer(least, most)}; };
    check_case(
        {any(1, 3), c, any(1, 12), any(1, 30), c, any(1, 5), any(1, 5), any(1, 4), any(1, 4), any(0, 5),
         any(0, 5), any(1, 3), any(1, 3), c, int(any(0, 3)), int(any(0, 4)), any(-1, 5), any(-1, 5)},
        i % 8 == 0);
  }
}

// Outputs that are written past the caches, as those of 16 MiB and more are, of 1 MiB here: depthwise, as a
// matrix product, over taps; and such that cannot be, as their rows are not whole lines or are read again.
void streamed() {
  const int64_t usual = std::exchange(streamed_bytes, int64_t{1} << 20);
  const auto forward = [](const Case& c) { check_case(c, false, 1, 1); };
  for (const int64_t c : {64, 67}) forward({1, c, 65, 67, c, 3, 3, 1, 1, 1, 1, 1, 1, c, 1, 2});
  for (int extras = 0; extras < 3; ++extras)
    forward({1, 5, 67, 67, 64, 1, 1, 1, 1, 0, 0, 1, 1, 1, extras, 1});
  forward({1, 5, 67, 67, 64, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 3});
  for (const int64_t o : {80, 72}) forward({1, 5, 67, 67, o, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 2});
  forward({1, 3, 67, 67, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  forward({1, 3, 67, 67, 66, 3, 3, 1, 1, 1, 1});
  for (const int64_t c : {64, 67}) check_case({1, c, 65, 67, c, 3, 3, 2, 2, 1, 1, 1, 1, c}, false, 2, 1);
  streamed_bytes = usual;
}

// Input beyond the second-level cache, of which what comes next is fetched meanwhile: matrix products, and
// depthwise, whose gradients of filters then take all channels together.
void fetched_ahead() {
  for (const int64_t o : {16, 24, 40}) check_case({1, 64, 67, 67, o, 1, 1}, false, 1, 1);
  check_case({1, 16, 67, 67, 240, 1, 1}, true, 3, 1);
  for (const int64_t stride : {1, 2})
    for (const int64_t kernel : {3, 5})
      check_case({2, 72, 43, 47, 72, kernel, kernel, stride, stride, 1, 1, 1, 1, 72}, true, 3, 1);
}

void empty() {
  check_case({0, 3, 5, 5, 4, 3, 3, 1, 1, 1, 1});
  check_case({0, 20, 5, 5, 4, 1, 1});
  check_case({2, 3, 0, 5, 4, 3, 3, 1, 1, 2, 1});
  check_case({2, 20, 0, 0, 4, 1, 1, 1, 1, 1, 1});
}

// Random geometries: whatever a user can ask for.
void fuzz() {
  Random random(2026);
  for (int i = 0; i < 400; ++i) {
    const int64_t groups = random.integer(0, 3) == 0 ? random.integer(2, 4) : 1;
    Case c = {random.integer(1, 3),           groups * random.integer(1, 20),
              random.integer(1, 12),          random.integer(1, 20),
              groups * random.integer(1, 20), random.integer(1, 5),
              random.integer(1, 5),           random.integer(1, 4),
              random.integer(1, 4),           random.integer(0, 5),
              random.integer(0, 5),           random.integer(1, 3),
              random.integer(1, 3),           groups,
              int(random.integer(0, 3)),      int(random.integer(0, 4)),
              random.integer(-1, 5),          random.integer(-1, 5)};
    check_case(c, i % 8 == 0);
  }
}

// Other paddings below and on the right than above and on the left, for every driver.
void uneven_padding() {
  const auto padded = [](Case c, int64_t below, int64_t right) {
    c.below = below, c.right = right;
    check_case(c, true);
  };
  for (const int64_t size : {6, 7, 14}) {
    padded({2, 20, size, size + 1, 33, 3, 3, 2, 2, 0, 0, 1, 1, 1, 1, 2}, 1, 1);
    padded({2, 24, size, size, 24, 5, 5, 2, 2, 1, 1, 1, 1, 24, 1, 2}, 2, 2);
    padded({2, 24, size, size, 24, 3, 3, 1, 1, 2, 0, 1, 1, 24}, 0, 2);
    padded({2, 3, size, size, 32, 3, 3, 2, 2, 0, 0, 1, 1, 1, 1}, 1, 1);
    padded({2, 32, size, size, 32, 3, 3, 1, 1, 0, 1}, 2, 0);
    padded({2, 12, size, size, 18, 3, 3, 2, 1, 1, 0, 1, 2, 3}, 0, 3);
  }
  padded({2, 48, 9, 9, 33, 1, 1}, 1, 0);  // no matrix, although nothing is padded above and on the left
  padded({2, 48, 9, 9, 33, 1, 1}, 0, 2);
  padded({3, 260, 5, 5, 258, 1, 1}, 2, 1);
  padded({1, 5, 2, 2, 3, 2, 2, 2, 2, 4, 0}, 0, 5);
}

// A residual is added before the activation, by every algorithm, also when y takes over its memory.
void residual() {
  for (const Case& c : {Case{2, 20, 9, 9, 33, 3, 3, 1, 1, 1, 1, 1, 1, 1, 3, 1},
                        Case{3, 40, 5, 5, 37, 1, 1, 1, 1, 0, 0, 1, 1, 1, 3, 2},
                        Case{2, 12, 7, 7, 18, 3, 3, 2, 2, 1, 1, 1, 1, 3, 2, 3},
                        Case{2, 600, 4, 4, 70, 1, 1, 1, 1, 0, 0, 1, 1, 1, 2, 4},
                        Case{1, 64, 1, 1, 600, 1, 1, 1, 1, 0, 0, 1, 1, 1, 3, 1}}) {
    check_case(c, true);
    for_each_target([&](Target target) {
      if (target == Target::ref) return;
      for (int algorithm = 0; algorithm < 4; ++algorithm) {
        if (algorithm == 3 && (c.kh != 3 || c.sh != 1)) continue;
        const PassCall p = passes_of(c, algorithm)[0];
        const std::vector<Tensor> t = make_operands(p, target);
        run_kernel(p.kernel, target, views_of(t), p.attrs);
        std::vector<TensorView> views = views_of(t);
        views[views.size() - 1] = views[views.size() - 2];
        run_kernel(p.kernel, target, views, p.attrs);
        CHECK_THAT(same_bits(t[t.size() - 2], t.back()), c.name() + name_of(target));
      }
    });
  }
}

// Weights packed once give what packing in every call does.
void packed_once() {
  for (const Case& c : {Case{2, 20, 9, 9, 33, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1}, Case{3, 40, 5, 5, 37, 1, 1},
                        Case{2, 12, 7, 7, 18, 3, 3, 1, 1, 1, 1, 1, 1, 3}}) {
    for_each_target([&](Target target) {
      if (target == Target::ref) return;
      const PassCall p = passes_of(c, 0)[0];
      const std::vector<Tensor> t = make_operands(p, target);
      run_kernel(p.kernel, target, views_of(t), p.attrs);
      std::vector<TensorView> views = views_of(t);
      const Tensor y(target, c.y());
      views.back() = y;
      const GemmKernels& kernels = gemm_kernels(target);
      const ConvCall call = ConvCall::make(ConvPass::forward, views.data(), static_cast<int>(views.size()),
                                           p.attrs.data(), DType::f32);
      const auto floats = [](int64_t n) { return GuardedMemory(static_cast<size_t>(n) * sizeof(float), 64); };
      const GuardedMemory packed = floats(conv2d_direct_packed_floats(call, kernels));
      const GuardedMemory workspace = floats(conv2d_direct_packed_workspace(call, kernels));
      auto* weights = reinterpret_cast<float*>(packed.data());
      conv2d_direct_pack(call, kernels, weights);
      std::memset(t[1].view.data, 0xFF, t[1].bytes());  // only the packed ones are read
      conv2d_direct_packed(call, kernels, weights, reinterpret_cast<float*>(workspace.data()));
      CHECK_THAT(same_bits(y, t.back()), c.name() + name_of(target));
    });
  }
}

void refusals() {
  const Case c = {2, 4, 7, 7, 6, 3, 3, 1, 1, 1, 1};
  for_each_target([&](Target target) {
    for (const PassCall& p : passes_of(c, 0)) {
      const auto refused = [&](const std::vector<Dims>& dims, const std::vector<double>& attrs) {
        std::vector<TensorView> views;
        for (const Dims& d : dims) views.push_back(make_view(real_of(target), d));
        return rejects(p.kernel, target, views, attrs);
      };
      CHECK(!refused(p.dims, p.attrs));
      for (size_t operand = 0; operand < 3; ++operand) {
        for (size_t axis = 0; axis < 4; ++axis) {
          std::vector<Dims> dims = p.dims;
          dims[operand][axis] += 1;
          CHECK_THAT(refused(dims, p.attrs), p.kernel + std::to_string(operand) + std::to_string(axis));
          dims[operand][axis] = -1;
          CHECK(refused(dims, p.attrs));
        }
        std::vector<Dims> flat = p.dims;
        flat[operand].pop_back();
        CHECK(refused(flat, p.attrs));
      }
      for (size_t i = 0; i < p.attrs.size(); ++i) {
        for (const double bad : {-1.0, 0.5, 1e9, std::nan(""), std::numeric_limits<double>::infinity()}) {
          std::vector<double> attrs = p.attrs;
          attrs[i] = bad;
          CHECK_THAT(refused(p.dims, attrs), p.kernel + " attribute " + std::to_string(i));
        }
      }
      CHECK(refused({p.dims[0], p.dims[1]}, p.attrs));
      CHECK(refused(p.dims, std::vector<double>(p.attrs.begin(), p.attrs.end() - 1)));
    }
  });
}

}  // namespace
}  // namespace tenon::test

int main() {
  using namespace tenon::test;
  plain();
  pointwise_and_strided();
  grouped();
  depthwise();
  streamed();
  fetched_ahead();
  empty();
  fuzz();
  uneven_padding();
  residual();
  packed_once();
  refusals();
  return report();
}
