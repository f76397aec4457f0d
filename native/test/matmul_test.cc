// matmul on every target against the f64 reference: sizes around the tiles, transposes, bias, activations,
// batches, threads.
#include "ops/matmul.h"
#include "test/check.h"

namespace tenon::test {
namespace {

struct Case {
  int64_t batch, m, n, k;  // batch 0: rank 2
  int trans_a = 0, trans_b = 0, bias = 0, activation = 0;

  std::string name() const {
    std::string s;
    for (const int64_t v :
         {batch, m, n, k, int64_t{trans_a}, int64_t{trans_b}, int64_t{bias}, int64_t{activation}})
      s += std::to_string(v) + " ";
    return s;
  }
  std::vector<double> attrs() const {
    return {double(trans_a), double(trans_b), double(bias), double(activation)};
  }
  Dims dims(int64_t rows, int64_t columns, bool transposed) const {
    Dims d = transposed ? Dims{columns, rows} : Dims{rows, columns};
    if (batch > 0) d.insert(d.begin(), batch);
    return d;
  }
};

std::vector<Tensor> make_operands(const Case& c, Target target) {
  const Dims a = c.dims(c.m, c.k, c.trans_a), b = c.dims(c.k, c.n, c.trans_b), y = c.dims(c.m, c.n, false);
  std::vector<Tensor> t;
  t.emplace_back(target, a, random_values(numel_of(a), 1));
  t.emplace_back(target, b, random_values(numel_of(b), 2));
  if (c.bias) t.emplace_back(target, Dims{c.n}, random_values(c.n, 3));
  t.emplace_back(target, y);
  return t;
}

std::vector<TensorView> views_of(const std::vector<Tensor>& tensors) {
  return std::vector<TensorView>(tensors.begin(), tensors.end());
}

// Operands have absolute values up to 1: the error of a chain of k multiply-adds, and a few units
// for the activation.
double tolerance(const Case& c) { return eps_of(Target::baseline) * (2.0 * static_cast<double>(c.k) + 16); }

void check_case(const Case& c, bool threads = false) {
  const std::vector<Tensor> expected = make_operands(c, Target::ref);
  run_kernel("matmul", Target::ref, views_of(expected), c.attrs());
  for_each_target([&](Target target) {
    if (target == Target::ref) return;
    const std::vector<Tensor> t = make_operands(c, target);
    run_kernel("matmul", target, views_of(t), c.attrs());
    close(t.back(), expected.back().values(), tolerance(c), 0, c.name() + name_of(target));
    if (threads) check_threads("matmul", target, views_of(t), c.attrs(), t.back());
  });
}

void sizes_around_tiles() {
  for (const int64_t m : {1, 2, 6, 7, 13, 14, 15, 29})
    for (const int64_t n : {1, 3, 4, 8, 15, 16, 17, 31, 32, 33, 50, 64, 65})
      for (const int64_t k : {1, 2, 17})
        check_case({0, m, n, k, int(m + k) & 1, int(n + k) & 1, int(n) & 1, int(m) % 5});
  for (const int64_t n : {1, 7, 16, 33})
    for (int transposes = 0; transposes < 4; ++transposes)
      check_case({0, 5, n, 40, transposes & 1, transposes >> 1, 1, 0});
  check_case({0, 0, 5, 3});
  check_case({0, 5, 0, 3});
  check_case({0, 5, 7, 0, 0, 0, 1, 1});
  check_case({0, 600, 70, 0, 0, 1, 1, 1});
  check_case({0, 0, 0, 0});
}

void blocks() {
  check_case({0, 128, 256, 784, 0, 1, 1, 1}, true);  // a linear layer, and its two gradients
  check_case({0, 128, 784, 256, 0, 0, 0, 0}, true);
  check_case({0, 256, 784, 128, 1, 0, 0, 0}, true);
  check_case({0, 200, 300, 2100, 0, 0, 1, 3}, true);  // K in blocks, B packed
  check_case({0, 500, 530, 520, 0, 0, 1, 0}, true);   // by tasks that have all rows
  check_case({0, 470, 70, 530, 0, 1, 0, 1}, true);    // and by tasks with some
  check_case({0, 130, 260, 1024, 0, 1, 0, 0}, true);  // A's rows copied
  check_case({0, 1024, 300, 70, 1, 1, 0, 0}, true);   // a transposed A copied
  check_case({0, 16, 1000, 512, 0, 1, 1, 0}, true);
  check_case({0, 1, 1000, 512, 0, 1, 1, 0}, true);
  for (const int64_t m : {2, 9, 16, 29, 32})  // few rows, B large and transposed
    check_case({0, m, 530, 517, 0, 1, 1, 3}, true);
  for (const int64_t n : {577, 579, 582, 584})  // and the last of many tasks narrow
    check_case({0, 16, n, 517, 0, 1, 0, 0}, true);
  for (const int64_t m : {2, 9, 16, 29, 32})  // and row-major
    check_case({0, m, 2059, 1029, 0, 0, 1, 3}, true);
  check_case({3, 17, 33, 20, 0, 0, 1, 2}, true);
  check_case({3, 17, 33, 20, 1, 1, 0, 4}, true);
  check_case({0, 300, 1, 300, 0, 0}, true);
  check_case({0, 600, 1024, 16, 1, 0, 0, 0}, true);  // short sums along the rows of a large C, B packed
  check_case({0, 70, 4097, 9, 0, 0, 1, 1}, true);    // and with B where it is
}

// Small integers: every sum is exact, so every target must agree to the bit.
void exact() {
  const Case c = {0, 37, 45, 1100};
  std::vector<Tensor> expected = make_operands(c, Target::ref);
  for (size_t i = 0; i < 2; ++i) expected[i].set(random_integers(expected[i].numel(), 5 + i, -8, 8));
  run_kernel("matmul", Target::ref, views_of(expected), c.attrs());
  for_each_target([&](Target target) {
    const std::vector<Tensor> t = make_operands(c, target);
    for (size_t i = 0; i < 2; ++i) t[i].set(expected[i].values());
    run_kernel("matmul", target, views_of(t), c.attrs());
    close(t.back(), expected.back().values(), 0, 0, std::string("exact ") + name_of(target));
  });
}

// A row's result does not depend on how many other rows there are: blocking changes no bit.
void same_bits_in_any_tile() {
  for_each_target([&](Target target) {
    const Case whole = {0, 61, 70, 333};
    const std::vector<Tensor> t = make_operands(whole, target);
    run_kernel("matmul", target, views_of(t), whole.attrs());
    const size_t size = size_of(real_of(target));
    for (const int64_t rows : {1, 2, 5, 20}) {
      Tensor y(target, {rows, whole.n});
      TensorView a = t[0];
      a.dims[0] = rows;
      run_kernel("matmul", target, {a, t[1], y}, whole.attrs());
      CHECK_THAT(
          std::memcmp(y.view.data, t.back().view.data, static_cast<size_t>(rows * whole.n) * size) == 0,
          name_of(target));
    }
  });
}

// A B packed once gives what packing in every call does, and what products of few rows do without it.
void packed_once() {
  for (const Case& c :
       {Case{0, 5, 70, 300, 0, 1, 1, 1}, Case{0, 300, 70, 33, 0, 1}, Case{2, 7, 33, 20, 0, 1},
        Case{0, 70, 530, 520}, Case{0, 6, 40, 30}, Case{0, 18, 530, 517, 0, 1, 1, 3},
        Case{0, 18, 2059, 1029, 0, 0, 1, 3}, Case{0, 5, 1536, 1408}, Case{0, 16, 4100, 520}}) {
    for_each_target([&](Target target) {
      if (target == Target::ref) return;
      const std::vector<Tensor> t = make_operands(c, target);
      run_kernel("matmul", target, views_of(t), c.attrs());
      const Tensor y(target, c.dims(c.m, c.n, false));
      Gemm g;
      g.batch = std::max<int64_t>(1, c.batch), g.m = c.m, g.n = c.n, g.k = c.k;
      g.a = t[0].view.as<float>(), g.a_batch = c.m * c.k, g.ars = c.k;
      g.b = t[1].view.as<float>(), g.b_batch = c.k * c.n;
      g.b_transposed = c.trans_b == 1, g.ldb = c.trans_b ? c.k : c.n;
      g.c = y.view.as<float>(), g.c_batch = c.m * c.n, g.ldc = c.n;
      g.bias = c.bias ? t[2].view.as<float>() : nullptr;
      g.activation = static_cast<Activation>(c.activation);
      const GemmKernels& kernels = gemm_kernels(target);
      const auto floats = [](int64_t n) { return GuardedMemory(static_cast<size_t>(n) * sizeof(float), 64); };
      const GuardedMemory packed = floats(gemm_packed_floats(g, kernels));
      const GuardedMemory workspace = floats(gemm_packed_workspace(g, kernels));
      gemm_pack(g, kernels, reinterpret_cast<float*>(packed.data()));
      if (g.b_transposed) std::memset(t[1].view.data, 0xFF, t[1].bytes());  // all of it is packed
      gemm_packed(g, kernels, reinterpret_cast<float*>(packed.data()),
                  reinterpret_cast<float*>(workspace.data()));
      CHECK_THAT(same_bits(y, t.back()), c.name() + name_of(target));
    });
  }
}

void refusals() {
  for_each_target([&](Target target) {
    const DType real = real_of(target);
    const TensorView a = make_view(real, {3, 4}), b = make_view(real, {4, 5}), y = make_view(real, {3, 5});
    CHECK(!rejects("matmul", target, {a, b, y}, {0, 0, 0, 0}));
    CHECK(rejects("matmul", target, {a, b, y}, {1, 0, 0, 0}));
    CHECK(rejects("matmul", target, {a, b, y}, {0, 1, 0, 0}));
    CHECK(rejects("matmul", target, {a, b, y}, {0, 0, 1, 0}));
    CHECK(rejects("matmul", target, {a, b, y}, {0, 0, 0, 5}));
    CHECK(rejects("matmul", target, {a, b, y}, {0, 0, 0, 0.5}));
    CHECK(rejects("matmul", target, {a, b, y}, {0, 0, 0, std::nan("")}));
    CHECK(rejects("matmul", target, {a, b, y}, {0, 0, 0}));
    CHECK(rejects("matmul", target, {a, b}, {0, 0, 0, 0}));
    CHECK(rejects("matmul", target, {a, b, make_view(real, {3, 6})}, {0, 0, 0, 0}));
    CHECK(rejects("matmul", target, {a, b, make_view(real, {4}), y}, {0, 0, 1, 0}));
    CHECK(rejects("matmul", target, {a, b, make_view(DType::i32, {3, 5})}, {0, 0, 0, 0}));
    CHECK(
        rejects("matmul", target, {make_view(real, {2, 3, 4}), b, make_view(real, {2, 3, 5})}, {0, 0, 0, 0}));
    CHECK(rejects("matmul", target,
                  {make_view(real, {2, 3, 4}), make_view(real, {3, 4, 5}), make_view(real, {2, 3, 5})},
                  {0, 0, 0, 0}));
  });
}

}  // namespace
}  // namespace tenon::test

int main() {
  using namespace tenon::test;
  sizes_around_tiles();
  blocks();
  exact();
  same_bits_in_any_tile();
  packed_once();
  refusals();
  return report();
}
