// Every register tile of every target: strides, batches, partial columns, epilogues, against sums
// in double; packing.
#include "kernels/gemm.h"

#include "test/check.h"

namespace tenon::test {
namespace {

// A tile problem in guarded memory: A [batch][mr][k] with strides of its own, B [batch][k][panel], C with
// gaps between rows.
struct Problem {
  int64_t mr, nv, width, k, batch, n;
  bool a_transposed;

  int64_t panel() const { return nv * width; }
  std::string name() const {
    std::string s;
    for (const int64_t v : {mr, nv, width, k, batch, n, int64_t{a_transposed}}) s += std::to_string(v) + " ";
    return s;
  }
};

double activation_of(double x, Activation activation) {
  switch (activation) {
    case Activation::relu:
      return std::max(x, 0.0);
    case Activation::relu6:
      return std::min(std::max(x, 0.0), 6.0);
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    default:
      return x;
  }
}

void check_tile(const GemmKernels& kernels, const Problem& p, bool with_bias, Activation activation,
                bool accumulate, bool starts = false) {
  const int64_t ars = p.a_transposed ? 1 : p.k, aks = p.a_transposed ? p.mr : 1, ldc = p.n + 3;
  const int64_t half = (p.mr + 1) / 2, gap = 5;  // the lower half of C's rows lies `gap` floats further
  const Tensor a(DType::f32, {p.batch, p.mr * p.k}, random_values(p.batch * p.mr * p.k, 1));
  const Tensor b(DType::f32, {p.batch, p.k * p.panel()}, random_values(p.batch * p.k * p.panel(), 2));
  const Tensor bias(DType::f32, {p.n}, random_values(p.n, 3));
  const int64_t c_floats = (p.mr - 1) * ldc + p.n + (p.mr > half ? gap : 0);
  const Tensor c(DType::f32, {c_floats}, random_values(c_floats, 4));
  const Tensor start(DType::f32, {c_floats}, random_values(c_floats, 5));
  std::vector<int64_t> a_off, b_off;
  for (int64_t i = p.batch - 1; i >= 0; --i)
    a_off.push_back(i * p.mr * p.k), b_off.push_back(i * p.k * p.panel());
  std::vector<double> expected = c.values();
  for (int64_t m = 0; m < p.mr; ++m) {
    for (int64_t n = 0; n < p.n; ++n) {
      const int64_t at = m * ldc + n + (m < half ? 0 : gap);
      double& sum = expected[static_cast<size_t>(at)];
      if (!accumulate) sum = 0;
      if (starts) sum += start.at(at);
      for (int64_t i = 0; i < p.batch; ++i)
        for (int64_t k = 0; k < p.k; ++k)
          sum += a.at(i * p.mr * p.k + m * ars + k * aks) * b.at((i * p.k + k) * p.panel() + n);
      sum = activation_of(with_bias ? sum + bias.at(n) : sum, activation);
    }
  }
  GemmTile tile = {};
  tile.a = a.view.as<float>(), tile.b = b.view.as<float>(), tile.c = c.view.as<float>();
  tile.a_off = a_off.data(), tile.b_off = b_off.data(), tile.batch = p.batch, tile.k = p.k;
  tile.ars = ars, tile.aks = aks, tile.a_jump = half * ars;
  tile.bks = p.panel(), tile.crs = ldc, tile.c_jump = half * ldc + gap, tile.n = p.n;
  tile.bias = with_bias ? bias.view.as<float>() : nullptr;
  tile.activation = activation, tile.accumulate = accumulate;
  tile.far = starts;
  tile.start = starts ? start.view.as<float>() : nullptr;
  kernels.fn[p.nv][p.mr](tile);
  close(c, expected, eps_of(Target::baseline) * static_cast<double>(2 * p.batch * p.k + 16), 0, p.name());
}

void tiles(Target target) {
  const GemmKernels& kernels = gemm_kernels(target);
  CHECK(kernels.width == lanes_of(target));
  for (int64_t nv = 1; nv <= GemmKernels::kMaxNv; ++nv) {
    CHECK(kernels.mr[nv] > 0 && (nv == 1 || kernels.mr[nv] <= kernels.mr[nv - 1]));
    for (int64_t mr = 1; mr <= kernels.mr[nv]; ++mr) {
      for (const int64_t k : {0, 1, 5}) {
        for (const int64_t n : {nv * kernels.width, nv * kernels.width - 1, (nv - 1) * kernels.width + 1}) {
          const Problem p = {mr, nv, kernels.width, k, 3, n, (mr + k) % 2 == 1};
          check_tile(kernels, p, false, Activation::none, false);
          check_tile(kernels, p, true, Activation::relu, true);
          check_tile(kernels, p, true, static_cast<Activation>(mr % kActivations), false);
          check_tile(kernels, p, false, Activation::none, mr % 2 == 0, true);
        }
      }
    }
  }
}

void packing(Target target) {
  const GemmKernels& kernels = gemm_kernels(target);
  for (const int64_t panel : {kernels.width, 2 * kernels.width}) {
    for (const int64_t n : {int64_t{1}, panel - 1, panel}) {
      for (const int64_t depth : {int64_t{1}, panel, panel + 3, int64_t{40}}) {
        const int64_t ld = depth + 2;
        const Tensor src(DType::f32, {(n - 1) * ld + depth}, random_values((n - 1) * ld + depth, 7));
        const Tensor dst(DType::f32, {depth * panel});
        kernels.pack_transposed(src.view.as<float>(), ld, n, depth, dst.view.as<float>(), panel);
        std::vector<double> expected;
        for (int64_t k = 0; k < depth; ++k)
          for (int64_t j = 0; j < panel; ++j) expected.push_back(j < n ? src.at(j * ld + k) : 0);
        close(dst, expected, 0, 0, std::string("packing on ") + name_of(target));
      }
    }
  }
}

}  // namespace
}  // namespace tenon::test

int main() {
  using namespace tenon;
  test::for_each_target([](Target target) {
    if (target == Target::ref) return;
    test::tiles(target);
    test::packing(target);
  });
  return test::report();
}
