// Sums of many products keep their digits: the relative error, |y - exact| / |exact| over all elements, of
// products and convolutions of up to a million terms, on every target.
//
// Numbers are drawn from N(0, 1), so that partial sums wander as sqrt(n) does. Each addition then rounds by
// about 2e-8 of the partial sum, and a chain of n additions from zero ends with an error of 2e-8 sqrt(n / 2):
// 3e-7 for the 384 of a block, 1.5e-6 for 10,000 in one chain, 1.5e-5 for a million.
#include "base/conv_geom.h"
#include "test/check.h"

namespace tenon::test {
namespace {

// Nearly N(0, 1): the sum of three uniform numbers.
std::vector<double> normal_values(int64_t n, uint64_t seed) {
  Random random(seed << 32);  // streams of neighbouring seeds are one stream, shifted by a number
  std::vector<double> out(static_cast<size_t>(n));
  for (double& value : out) {
    double sum = 0;
    for (int i = 0; i < 3; ++i) sum += random.uniform(-1, 1);
    value = static_cast<float>(sum);
  }
  return out;
}

struct Product {
  std::string name, kernel;
  std::vector<Dims> dims;  // operands, the output last
  std::vector<double> attrs;
};

using Values = std::vector<double>;

Tensor run(const Product& p, Target target, const std::vector<Values>& inputs) {
  std::vector<Tensor> t;
  for (size_t i = 0; i < inputs.size(); ++i) t.emplace_back(target, p.dims[i], inputs[i]);
  t.emplace_back(target, p.dims.back());
  run_kernel(p.kernel, target, std::vector<TensorView>(t.begin(), t.end()), p.attrs);
  return std::move(t.back());
}

double relative_error(const Tensor& actual, const Values& expected) {
  double errors = 0, squares = 0;
  for (int64_t i = 0; i < actual.numel(); ++i) {
    const double want = expected[static_cast<size_t>(i)];
    errors += (actual.at(i) - want) * (actual.at(i) - want);
    squares += want * want;
  }
  return std::sqrt(errors / squares);
}

std::vector<Values> inputs_of(const Product& p) {
  std::vector<Values> inputs;
  for (size_t i = 0; i + 1 < p.dims.size(); ++i) inputs.push_back(normal_values(numel_of(p.dims[i]), i + 1));
  return inputs;
}

void check_error(const Product& p, const std::vector<Values>& inputs, const Values& expected, double most) {
  for_each_target([&](Target target) {
    if (target == Target::ref) return;
    const double error = relative_error(run(p, target, inputs), expected);
    char text[200];
    std::snprintf(text, sizeof text, "%s on %s: error %.2e, at most %.2e", p.name.c_str(), name_of(target),
                  error, most);
    CHECK_THAT(error <= most, text);  // false for NaN
  });
}

// Twice the error of PyTorch 2.15 with MKL, whose blocks are about as long.
double most_of(int64_t k) {
  if (k <= 4608) return 2 * 2.6e-7;
  if (k <= 10000) return 2 * 2.8e-7;
  if (k <= 100000) return 2 * 4.8e-7;
  return 2 * 1.3e-6;
}

void check_matmul(int64_t m, int64_t n, int64_t k, bool trans_a, bool trans_b) {
  const Dims a = trans_a ? Dims{k, m} : Dims{m, k}, b = trans_b ? Dims{n, k} : Dims{k, n};
  std::string name = "matmul";
  for (const int64_t v : {m, n, k, int64_t{trans_a}, int64_t{trans_b}}) name += " " + std::to_string(v);
  const Product p = {name, "matmul", {a, b, {m, n}}, {double(trans_a), double(trans_b), 0, 0}};
  const std::vector<Values> inputs = inputs_of(p);
  check_error(p, inputs, run(p, Target::ref, inputs).values(), most_of(k));
}

void products() {
  for (const int64_t k : {4608, 10000, 100000}) {
    check_matmul(1, 33, k, false, false);
    check_matmul(40, 24, k, false, true);                    // B packed block by block
    check_matmul(70, k < 100000 ? 40 : 16, k, true, false);  // B packed, as so many rows of A use it
    check_matmul(9, 33, k, false, true);                     // few rows of A, B read along its rows
  }
  check_matmul(3, 520, 4608, false, false);  // few rows of A, B read down its columns
  check_matmul(8, 8, 1000000, false, true);
  check_matmul(8, 8, 1000000, true, false);
}

// On the path of this process: AMX sums 32 products apart, the others work as the float kernels do.
void products_of_bf16() {
  const int64_t m = 20, n = 24, k = 10000;
  const Tensor a(DType::bf16, {m, k}, normal_values(m * k, 1)),
      b(DType::bf16, {k, n}, normal_values(k * n, 2));
  const std::vector<Values> inputs = {a.values(), b.values()};
  const Values attrs = {0, 0, 0, 0};
  const Values expected = run({"", "matmul", {{m, k}, {k, n}, {m, n}}, attrs}, Target::ref, inputs).values();
  for_each_target([&](Target target) {
    if (target == Target::ref) return;
    const Tensor y(DType::f32, {m, n});
    run_kernel("matmul_bf16", target, {a, b, y}, attrs);
    const double error = relative_error(y, expected);
    CHECK_THAT(error <= most_of(k), "matmul_bf16 on " + std::string(name_of(target)) + std::to_string(error));
  });
}

enum Algorithm { rule = 0, im2col = 1, direct = 2, winograd = 3 };
const char* const kAlgorithms[] = {"the rule's choice", "im2col", "direct", "winograd"};

struct Conv {
  int64_t n, c, size, o, kernel, pad, groups = 1;

  std::string name() const {
    std::string s;
    for (const int64_t v : {n, c, size, o, kernel, pad, groups}) s += " " + std::to_string(v);
    return s;
  }
  Product pass(ConvPass which) const {
    const int64_t out = size + 2 * pad - kernel + 1;
    const Dims x = {n, size, size, c}, w = {o, kernel, kernel, c / groups}, y = {n, out, out, o};
    const Values attrs = {1, 1, double(pad), double(pad), double(pad), double(pad), 1, 1, double(groups)};
    if (which == ConvPass::forward) return {"conv2d" + name(), "conv2d", {x, w, y}, attrs};
    if (which == ConvPass::backward_data)
      return {"conv2d_backward_data" + name(), "conv2d_backward_data", {y, w, x}, attrs};
    return {"conv2d_backward_weights" + name(), "conv2d_backward_weights", {y, x, w}, attrs};
  }
};

// With the given errors at most, by each algorithm.
void check_conv(const Conv& c, ConvPass pass, const std::vector<std::pair<Algorithm, double>>& most) {
  const Product p = c.pass(pass);
  const std::vector<Values> inputs = inputs_of(p);
  const auto by = [&](Algorithm algorithm) {
    Product q = p;
    if (pass == ConvPass::forward) q.attrs.insert(q.attrs.end(), {0, 0, 0});
    q.attrs.push_back(algorithm);
    q.name += std::string(" by ") + kAlgorithms[algorithm];
    return q;
  };
  const Values expected = run(by(rule), Target::ref, inputs).values();
  for (const auto& [algorithm, limit] : most) check_error(by(algorithm), inputs, expected, limit);
}

// Direct sums: twice the error of PyTorch 2.15 (oneDNN) for 4608 products. The transform back of Winograd's
// algorithm enlarges the errors of sums about seven times, and its input's transform adds 3e-7: chains of 128
// end with 1.1e-6, those of 64 tiles, seven to a chunk, with 0.9e-6.
void convolutions() {
  constexpr double kDirect = 2 * 2.3e-7, kPixels = 6e-7;
  check_conv({1, 512, 8, 64, 3, 1}, ConvPass::forward,
             {{im2col, kDirect}, {direct, kDirect}, {winograd, 1.4e-6}});
  check_conv({1, 64, 8, 512, 3, 1}, ConvPass::backward_data, {{direct, kDirect}, {winograd, 1.4e-6}});
  check_conv({1, 3072, 4, 40, 1, 0}, ConvPass::forward, {{direct, kDirect}});
  check_conv({1, 700, 8, 8, 1, 1}, ConvPass::forward, {{direct, kDirect}});  // runs of more than a chain
  const ConvPass weights = ConvPass::backward_weights;
  check_conv({25, 17, 64, 5, 3, 1}, weights, {{im2col, kPixels}, {direct, kPixels}, {winograd, 1.2e-6}});
  check_conv({25, 3, 64, 9, 5, 2}, weights, {{direct, kPixels}});      // few channels
  check_conv({50, 257, 10, 257, 1, 0}, weights, {{direct, kPixels}});  // one product
  check_conv({25, 17, 64, 17, 3, 1, 17}, weights, {{rule, kPixels}});  // depthwise
}

}  // namespace
}  // namespace tenon::test

int main() {
  tenon::test::products();
  tenon::test::products_of_bf16();
  tenon::test::convolutions();
  return tenon::test::report();
}
