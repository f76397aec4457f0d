// Kernels that store activations as bf16 compute as they do in f32: on the same inputs their outputs are the
// f32 outputs, rounded, to the bit. (The f32 kernels are compared with the reference elsewhere.)
#include "base/bf16.h"
#include "test/check.h"

namespace tenon::test {
namespace {

// `activation` is f32 in one run and bf16 in the other; all else is the same in both.
struct Operand {
  Dims dims;
  bool activation = true;
  bool output = false;
  DType dtype = DType::f32;
  std::vector<double> values = {};
};

std::vector<double> exact_values(int64_t n, uint64_t seed, double low = -2, double high = 2) {
  std::vector<double> values = random_values(n, seed, low, high);
  for (double& v : values) v = to_float(to_bf16(static_cast<float>(v)));
  return values;
}

Operand in(const Dims& dims, uint64_t seed) {
  return {dims, true, false, DType::f32, exact_values(numel_of(dims), seed)};
}
Operand out(const Dims& dims) { return {dims, true, true}; }
Operand parameter(const Dims& dims, uint64_t seed) {
  return {dims, false, false, DType::f32, random_values(numel_of(dims), seed, 0.5, 2)};
}
Operand f32_out(const Dims& dims) { return {dims, false, true}; }
Operand scalar(double value) { return {{}, false, false, DType::f64, {value}}; }

std::vector<Tensor> make(const std::vector<Operand>& operands, DType activation) {
  std::vector<Tensor> tensors;
  for (const Operand& o : operands) {
    tensors.emplace_back(o.activation ? activation : o.dtype, o.dims);
    if (!o.output) tensors.back().set(o.values);
  }
  return tensors;
}

void compare(const std::string& name, Target target, const std::vector<Operand>& operands,
             const std::vector<double>& attrs = {}) {
  const std::vector<Tensor> wide = make(operands, DType::f32), narrow = make(operands, DType::bf16);
  run_kernel(name, target, {wide.begin(), wide.end()}, attrs);
  run_kernel(name, target, {narrow.begin(), narrow.end()}, attrs);
  const std::string what = name + " on " + name_of(target);
  for (size_t i = 0; i < operands.size(); ++i) {
    if (!operands[i].output) continue;
    if (!operands[i].activation) {
      CHECK_THAT(same_bits(wide[i], narrow[i]), what);
    } else {
      std::vector<double> rounded = wide[i].values();
      for (double& v : rounded) v = to_float(to_bf16(static_cast<float>(v)));
      close(narrow[i], rounded, 0, 0, what);
    }
    check_threads(name, target, {narrow.begin(), narrow.end()}, attrs, narrow[i]);
  }
}

void pointwise(Target target) {
  for (const int64_t n : {1, 7, 8, 15, 33, 9000}) {
    const Dims d{n};
    for (const char* name : {"relu", "relu6", "tanh", "sigmoid", "gelu", "silu", "exp", "square", "abs"}) {
      compare(name, target, {in(d, 1), out(d)});
      compare(std::string(name) + "_backward", target, {in(d, 1), in(d, 2), out(d)});
    }
    compare("softplus", target, {in(d, 1), out(d)});
    compare("leaky_relu", target, {in(d, 1), out(d)}, {0.1});
    compare("affine", target, {in(d, 1), out(d)}, {1.5, -0.3});
    compare("dropout", target, {in(d, 1), scalar(0.3), scalar(2), scalar(0), out(d)}, {1, 2, 0, 0, 0, 1});
  }
  for (const char* name : {"add", "sub", "mul", "div", "maximum", "minimum", "equal"}) {
    compare(name, target, {in({5, 33}, 1), in({5, 33}, 2), out({5, 33})});
    compare(name, target, {in({50, 33}, 1), in({1, 33}, 2), out({50, 33})});
    compare(name, target, {in({5, 1}, 1), in({5, 33}, 2), out({5, 33})});
    compare(name, target, {in({1, 1}, 1), in({5, 33}, 2), out({5, 33})});
  }
  compare("broadcast", target, {in({3, 1, 17}, 1), out({3, 5, 17})}, {0.2});
  compare("broadcast", target, {parameter({3, 1}, 1), out({3, 19})}, {0.2});
  compare("reduce_sum", target, {in({40, 70, 17}, 1), f32_out({1, 1, 17})}, {0.5});
  compare("reduce_sum", target, {in({6, 5, 9}, 1), f32_out({6, 1, 1})}, {1});
  compare("reduce_sum", target, {in({5, 7, 6, 3}, 1), f32_out({1, 7, 1, 3})}, {1});
  for (const double unit : {1, 2, 3})
    compare("dropout", target, {in({2, 3, 3, 9}, 1), scalar(0.5), scalar(1), scalar(0), out({2, 3, 3, 9})},
            {1, 2, 0, 0, unit, 1});
}

void casts(Target target) {
  const int64_t n = 1003;
  const Tensor wide(DType::f32, {n}, random_values(n, 9, -1e3, 1e3)), narrow(DType::bf16, {n}),
      back(DType::f32, {n});
  wide.put(0, NAN), wide.put(1, INFINITY), wide.put(2, -0.0), wide.put(3, 3.4e38), wide.put(4, 1.00390625);
  run_kernel("cast", target, {wide, narrow});
  run_kernel("cast", target, {narrow, back});
  for (int64_t i = 0; i < n; ++i) {
    const float expected = to_float(to_bf16(wide.view.as<float>()[i]));
    CHECK(std::memcmp(&expected, back.view.as<float>() + i, sizeof expected) == 0);
  }
  CHECK(rejects("cast", target, {narrow, Tensor(DType::i32, {n})}));
}

void norms(Target target) {
  for (const int64_t c : {1, 3, 8, 16, 24, 33}) {
    const Dims d{3, 5, 7, c}, s{c};
    const Operand x = in(d, 1), gamma = parameter(s, 2), beta = parameter(s, 3), mean = parameter(s, 4),
                  var = parameter(s, 5), y = in(d, 6), dy = in(d, 7);
    compare("batch_norm_train", target, {x, gamma, beta, out(d), f32_out(s), f32_out(s)}, {1e-5, 1, 0});
    compare("batch_norm_train", target, {x, gamma, beta, out(d), f32_out(s), f32_out(s)}, {1e-5, 2, 0});
    compare("batch_norm_eval", target, {x, gamma, beta, mean, var, out(d)}, {1e-5, 0, 0});
    for (const char* name : {"batch_norm_backward", "batch_norm_eval_backward"}) {
      compare(name, target, {dy, x, gamma, mean, var, out(d), f32_out(s), f32_out(s)}, {1e-5, 0, 0, 0});
      compare(name, target, {dy, x, gamma, mean, var, y, out(d), f32_out(s), f32_out(s), out(d)},
              {1e-5, 1, 1, 0});
      compare(name, target, {dy, x, gamma, mean, var, y, out(d), f32_out(s), f32_out(s)}, {1e-5, 3, 0, 0});
      compare(name, target, {dy, x, gamma, mean, var, beta, out(d), f32_out(s), f32_out(s)}, {1e-5, 2, 0, 0});
    }
  }
}

void group_norms(Target target) {
  for (const int64_t c : {1, 3, 8, 16, 24, 48}) {
    for (const int64_t groups : {int64_t{1}, c}) {
      const Dims d{3, 5, 7, c}, s{c}, statistic{3, groups};
      const Operand x = in(d, 1), dy = in(d, 2), gamma = parameter(s, 3), beta = parameter(s, 4),
                    mean = parameter(statistic, 5), var = parameter(statistic, 6);
      const std::vector<double> affine = {double(groups), 1e-5, 1}, plain = {double(groups), 1e-5, 0};
      compare("group_norm", target, {x, gamma, beta, out(d), f32_out(statistic), f32_out(statistic)}, affine);
      compare("group_norm", target, {x, out(d), f32_out(statistic), f32_out(statistic)}, plain);
      compare("group_norm_backward", target, {dy, x, gamma, mean, var, out(d), f32_out(s), f32_out(s)},
              affine);
    }
  }
}

// relu(bn(x) + r) in one kernel is, bit for bit, the three kernels one after the other.
void fused_residual(Target target) {
  const Dims d{3, 5, 7, 20}, s{20};
  const int64_t n = numel_of(d);
  const Tensor x(DType::bf16, d, exact_values(n, 1)), r(DType::bf16, d, exact_values(n, 2));
  const Tensor gamma(DType::f32, s, random_values(20, 3)), beta(DType::f32, s, random_values(20, 4));
  const Tensor mean(DType::f32, s), var(DType::f32, s), fused(DType::bf16, d), y(DType::bf16, d);
  run_kernel("batch_norm_train", target, {x, gamma, beta, r, fused, mean, var}, {1e-5, 1, 1});
  run_kernel("batch_norm_train", target, {x, gamma, beta, y, mean, var}, {1e-5, 0, 0});
  run_kernel("add", target, {y, r, y});
  run_kernel("relu", target, {y, y});
  CHECK_THAT(same_bits(fused, y), name_of(target));
}

void pools(Target target) {
  for (const int64_t c : {1, 7, 8, 33, 70}) {
    for (const int64_t k : {2, 3}) {
      for (const int64_t stride : {k, int64_t{1}}) {
        const int64_t size = (9 - k) / stride + 1;
        const Dims x{2, 9, 9, c}, y{2, size, size, c};
        const double kd = double(k), sd = double(stride);
        const Operand tap = {y, false, true, DType::u8};
        Operand taken = tap;
        taken.output = false, taken.values = random_integers(numel_of(y), 3, 0, k * k - 1);
        compare("max_pool2d", target, {in(x, 1), out(y), tap}, {kd, kd, sd, sd, 0, 0, 0, 0, 1, 1});
        compare("max_pool2d_backward", target, {in(y, 2), taken, out(x)}, {kd, kd, sd, sd, 0, 0, 0, 0, 1, 1});
        compare("avg_pool2d", target, {in(x, 1), out(y)}, {kd, kd, sd, sd, 0, 0, 0, 0, 1});
        compare("avg_pool2d_backward", target, {in(y, 2), out(x)}, {kd, kd, sd, sd, 0, 0, 0, 0, 1});
      }
    }
  }
}

void refusals(Target target) {
  const TensorView narrow = make_view(DType::bf16, {4, 8}), wide = make_view(DType::f32, {4, 8});
  CHECK(rejects("relu", target, {narrow, wide}));
  CHECK(rejects("add", target, {narrow, wide, narrow}));
  CHECK(rejects("relu_backward", target, {narrow, wide, narrow}));
  CHECK(rejects("reduce_sum", target, {narrow, make_view(DType::bf16, {1, 8})}, {1}));
  const TensorView c = make_view(DType::f32, {8}), thin = make_view(DType::bf16, {8});
  CHECK(!rejects("batch_norm_train", target, {narrow, c, c, narrow, c, c}, {1e-5, 0, 0}));
  CHECK(rejects("batch_norm_train", target, {narrow, c, c, wide, c, c}, {1e-5, 0, 0}));
  CHECK(rejects("batch_norm_train", target, {narrow, thin, c, narrow, c, c}, {1e-5, 0, 0}));
}

}  // namespace
}  // namespace tenon::test

int main() {
  using namespace tenon;
  using namespace tenon::test;
  for_each_target([](Target target) {
    if (target == Target::ref) return;
    pointwise(target);
    casts(target);
    norms(target);
    group_norms(target);
    fused_residual(target);
    pools(target);
    refusals(target);
  });
  return report();
}
