// Winograd's weight gradients with products in bf16, forced on shapes of every kind, against
// the f64 reference.
#include <cstdlib>

#include "ops/conv2d_bf16.h"
#include "ops/conv2d_winograd.h"
#include "test/bf16_cases.h"

namespace tenon::test {
namespace {

// The error of an element, relative to the largest sum of magnitudes, and of all, relative to the root mean
// square of the sums. Both are worst where an image is a tile or two.
constexpr double kRelative = 0.03, kMean = 0.02;

struct Gradient {
  ConvCase shape;
  Tensor dy, x, dw;

  Gradient(const ConvCase& c, const std::vector<double>& gradients, const std::vector<double>& inputs)
      : shape(c),
        dy(DType::bf16, c.y(), gradients),
        x(DType::bf16, c.x(), inputs),
        dw(DType::f32, c.weight()) {}

  void run(int threads) const {
    const TensorView views[] = {dy, x, dw};
    std::vector<double> attrs = shape.geometry();
    attrs.push_back(0);
    Call call;
    call.t = views, call.count = 3;
    call.attrs = attrs.data(), call.attr_count = static_cast<int>(attrs.size());
    const ConvCall conv = bf16_conv_call(ConvPass::backward_weights, call);
    const GuardedMemory workspace(
        static_cast<size_t>(conv2d_winograd_weights_bf16_workspace(conv)) * sizeof(float), 64);
    set_num_threads(threads);
    conv2d_winograd_weights_bf16(conv, bf16_kernels(Target::avx512, Bf16Path::avx512bf16),
                                 reinterpret_cast<float*>(workspace.data()));
    set_num_threads(1);
  }
};

std::vector<double> reference(const ConvCase& c, const std::vector<double>& dy,
                              const std::vector<double>& x) {
  const Tensor a(DType::f64, c.y(), dy), b(DType::f64, c.x(), x), out(DType::f64, c.weight());
  std::vector<double> attrs = c.geometry();
  attrs.push_back(0);
  run_kernel("conv2d_backward_weights", Target::ref, {a, b, out}, attrs);
  return out.values();
}

std::vector<double> magnitudes(std::vector<double> values) {
  for (double& v : values) v = std::fabs(v);
  return values;
}

void check(const ConvCase& c, bool positive = false) {
  std::vector<double> dy = bf16_values(numel_of(c.y()), 1), x = bf16_values(numel_of(c.x()), 2);
  if (positive) dy = magnitudes(dy), x = magnitudes(x);
  const Gradient one(c, dy, x), three(c, dy, x);
  one.run(1);
  three.run(3);
  CHECK_THAT(same_bits(one.dw, three.dw), c.name() + "threads");
  const std::vector<double> expected = reference(c, dy, x),
                            most = reference(c, magnitudes(dy), magnitudes(x));
  close(one.dw, expected, kRelative * *std::max_element(most.begin(), most.end()), 0, c.name());
  CHECK_THAT(mean_error(one.dw, expected) <= kMean * root_mean_square(expected), c.name() + "mean");
}

ConvCase shape(int64_t n, int64_t h, int64_t w, int64_t c, int64_t o, int64_t ph = 1, int64_t pw = 1,
               int64_t below = -1, int64_t right = -1) {
  ConvCase s = {n, h, w, c, o, 3, 3};
  s.ph = ph, s.pw = pw, s.below = below, s.right = right;
  return s;
}

void sizes() {
  for (const int64_t channels : {1, 15, 16, 17, 33, 64})
    for (const int64_t size : {1, 3, 4, 5, 8}) check(shape(3, size, size + size % 2, channels, channels + 1));
}

void paddings() {
  for (int64_t ph = 0; ph < 4; ++ph)
    for (int64_t pw = 0; pw < 4; ++pw) check(shape(2, 5, 6, 5, 9, ph, pw, 3 - ph, pw / 2));
}

// Several spans, parts, blocks of channels and chunks; a chunk or part with a single tile in its last pair.
void cuts() {
  check(shape(27, 9, 10, 64, 50));
  check(shape(33, 9, 9, 16, 16));
  check(shape(3, 9, 10, 140, 130));
  check(shape(1, 4, 4, 270, 300));
  check(shape(121, 4, 9, 70, 80));
  check(shape(175, 4, 12, 72, 16));
  check(shape(175, 4, 12, 16, 160), true);
}

void fuzz() {
  Random random(34);
  for (int i = 0; i < 100; ++i) {
    const ConvCase c = shape(random.integer(1, 6), random.integer(1, 20), random.integer(1, 20),
                             random.integer(1, 90), random.integer(1, 90), random.integer(0, 3),
                             random.integer(0, 3), random.integer(-1, 3), random.integer(-1, 3));
    if (c.y()[1] > 0 && c.y()[2] > 0) check(c, i % 2 == 0);
  }
}

}  // namespace
}  // namespace tenon::test

int main() {
  using namespace tenon;
  using namespace tenon::test;
  if (!is_here(Bf16Path::avx512bf16, Target::avx512)) return std::puts("skipped"), 0;
  sizes();
  paddings();
  cuts();
  fuzz();
  check(shape(0, 5, 5, 3, 4));
  return report();
}
