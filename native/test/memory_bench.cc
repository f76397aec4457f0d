// GB/s of the kernels that memory bounds, beside a triad (y = a x + z) over as many bytes, in the same run
// and by the processor time of one thread, which other load on the machine disturbs less than the wall clock.
// Not a test: run it by hand.
//   memory_bench [family [text]]    text: a part of the labels wanted
#include <ctime>

#include "base/memory.h"
#include "test/check.h"

namespace tenon::test {
namespace {

constexpr double kNanoseconds = 1e9;
std::string g_wanted;  // a part of the labels to measure

double thread_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / kNanoseconds;
}

// The best of many runs, in seconds.
template <class Fn>
double best_time(Fn&& fn) {
  double best = 1e9, total = 0;
  for (int i = 0; i < 4 || (total < 0.4 && i < 4000); ++i) {
    const double start = thread_seconds();
    fn();
    const double seconds = thread_seconds() - start;
    if (i > 0) best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

// Reals are random; all else holds `value`.
struct Operand {
  Dims dims;
  DType dtype;
  double value;
};

// An operand in memory as programs have it: huge pages where the system grants them, which the guard pages of
// the tests rule out.
struct Placed {
  Placed(const Operand& o, uint64_t seed)
      : memory(static_cast<size_t>(numel_of(o.dims)) * size_of(o.dtype), MemoryKind::arena),
        view(make_view(o.dtype, o.dims, memory.data())) {
    Random random(seed);
    const int64_t n = numel_of(o.dims);
    for (int64_t i = 0; i < n; ++i) {
      if (o.dtype == DType::f32) view.as<float>()[i] = static_cast<float>(random.uniform(-1, 1));
      if (o.dtype == DType::f64) view.as<double>()[i] = o.value;
      if (o.dtype == DType::u8) view.as<uint8_t>()[i] = static_cast<uint8_t>(o.value);
    }
  }

  Memory memory;
  TensorView view;
};

struct Rate {
  double seconds, gigabytes;  // of a run, and a second
  double bytes;
};

Rate measure(const std::string& kernel, Target target, const std::vector<Operand>& operands,
             const std::vector<double>& attrs) {
  std::vector<Placed> placed;
  std::vector<TensorView> views;
  placed.reserve(operands.size());
  for (const Operand& o : operands) views.push_back(placed.emplace_back(o, placed.size() + 1).view);
  const Cost cost = prepare_kernel(kernel, target, views, attrs);
  const GuardedMemory workspace(cost.workspace, 64);
  RunState state;
  Call call;
  call.t = views.data();
  call.count = static_cast<int>(views.size());
  call.attrs = attrs.data();
  call.attr_count = static_cast<int>(attrs.size());
  call.workspace = workspace.data();
  call.run = &state;
  const RunFn run = find_kernel(kernel)->run[static_cast<int>(target)];
  const double seconds = best_time([&] { run(call); });
  return {seconds, cost.bytes / seconds / kNanoseconds, cost.bytes};
}

void bench(const std::string& label, const std::string& kernel, Target target,
           const std::vector<Operand>& operands, const std::vector<double>& attrs) {
  if (label.find(g_wanted) == std::string::npos) return;
  const Rate rate = measure(kernel, target, operands, attrs);
  const Dims third{static_cast<int64_t>(rate.bytes / 3 / sizeof(float)) + 1};
  const Operand x{third, DType::f32, 0};
  const Rate add = measure("add", target, {x, x, x}, {});
  std::printf("%-40s %10.1f us %7.1f GB/s   add %6.1f\n", label.c_str(), 1e6 * rate.seconds, rate.gigabytes,
              add.gigabytes);
  std::fflush(stdout);
}

Operand all(const Dims& dims) { return {dims, DType::f32, 0}; }
Operand scalar(double value) { return {{}, DType::f64, value}; }

void bench_batch_norm(Target target) {
  for (const Dims& d : {Dims{128, 32, 32, 16}, Dims{128, 16, 16, 32}, Dims{128, 8, 8, 64},
                        Dims{128, 32, 32, 64}, Dims{16, 56, 56, 64}, Dims{16, 7, 7, 512}}) {
    const Operand x = all(d), c = all({d[3]});
    const std::string shape = " " + std::to_string(d[0]) + "x" + std::to_string(d[1]) + "x" +
                              std::to_string(d[1]) + "x" + std::to_string(d[3]);
    bench("bn_train" + shape, "batch_norm_train", target, {x, c, c, x, c, c}, {1e-5, 1, 0});
    bench("bn_train+res" + shape, "batch_norm_train", target, {x, c, c, x, x, c, c}, {1e-5, 1, 1});
    bench("bn_backward" + shape, "batch_norm_backward", target, {x, x, c, c, c, x, x, c, c}, {1e-5, 1, 0, 0});
    bench("bn_backward, mask from x" + shape, "batch_norm_backward", target, {x, x, c, c, c, c, x, c, c},
          {1e-5, 2, 0, 0});
    bench("bn_backward+res" + shape, "batch_norm_backward", target, {x, x, c, c, c, x, x, c, c, x},
          {1e-5, 1, 1, 0});
    bench("bn_backward+res, two gradients" + shape, "batch_norm_backward", target,
          {x, x, c, c, c, x, x, x, c, c, x}, {1e-5, 1, 1, 1});
    const Operand half = {d, DType::bf16, 0};
    bench("bn_train bf16" + shape, "batch_norm_train", target, {half, c, c, half, c, c}, {1e-5, 1, 0});
    bench("bn_backward bf16, mask from x" + shape, "batch_norm_backward", target,
          {half, half, c, c, c, c, half, c, c}, {1e-5, 2, 0, 0});
  }
}

void bench_pool(Target target) {
  for (const int64_t c : {32, 64}) {
    const int64_t h = c == 32 ? 28 : 14, n = 64;
    const Operand x = all({n, h, h, c}), y = all({n, h / 2, h / 2, c}), tap = {y.dims, DType::u8, 0};
    const std::vector<double> window = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1};
    bench("max_pool2d " + std::to_string(c), "max_pool2d", target, {x, y, tap}, window);
    bench("max_pool2d_backward " + std::to_string(c), "max_pool2d_backward", target, {y, tap, x}, window);
    bench("relu_backward " + std::to_string(c), "relu_backward", target, {x, x, x}, {});
    bench("bias gradient " + std::to_string(c), "reduce_sum", target, {x, all({1, 1, 1, c})}, {1});
  }
  const Operand x = all({4, 112, 112, 64}), y = all({4, 56, 56, 64}), tap = {y.dims, DType::u8, 0};
  bench("max_pool2d 3x3", "max_pool2d", target, {x, y, tap}, {3, 3, 2, 2, 1, 1, 1, 1, 1, 1});
  bench("max_pool2d_backward 3x3", "max_pool2d_backward", target, {y, tap, x},
        {3, 3, 2, 2, 1, 1, 1, 1, 1, 1});
}

void bench_optim(Target target) {
  const Operand w = all({11'700'000});
  const Operand lr = scalar(0.01), zero = scalar(0), step = scalar(2), beta = scalar(0.9);
  bench("sgd 11.7M", "sgd", target, {lr, zero, zero, zero, step, w, w, w}, {0, 0, 0, 0, 0});
  bench("sgd momentum 11.7M", "sgd", target, {lr, beta, zero, zero, step, w, w, w, w, w}, {0, 1, 0, 0, 0});
  const Operand big = all({4096, 4096}), factor = all({16, 4096});
  bench("matmul 4096x4096 of 16", "matmul", target, {factor, factor, big}, {1, 0, 0, 0});
  bench("sgd 16.8M", "sgd", target, {lr, zero, zero, zero, step, big, big, big}, {0, 0, 0, 0, 0});
  bench("sgd_product 4096x4096 of 16", "sgd_product", target,
        {lr, zero, zero, zero, step, big, factor, factor, big}, {0, 0, 0, 0});
  bench("product_squares 4096x4096 of 16", "product_squares", target, {factor, factor, all({})}, {});
  bench("adam 11.7M", "adam", target, {lr, beta, beta, scalar(1e-8), zero, step, w, w, w, w, w, w, w},
        {0, 0, 0, 0, 0});
  bench("sum_squares 11.7M", "sum_squares", target, {w, all({})}, {});
  bench("sum_squares 200k", "sum_squares", target, {all({200'000}), all({})}, {});
}

void bench_movement(Target target) {
  bench("permute 64x49x64", "permute", target, {all({64, 7, 7, 64}), all({64, 64, 7, 7})}, {0, 3, 1, 2});
  bench("permute back 64x49x64", "permute", target, {all({64, 64, 7, 7}), all({64, 7, 7, 64})}, {0, 2, 3, 1});
  bench("permute 128x16x256", "permute", target, {all({128, 4, 4, 256}), all({128, 256, 4, 4})},
        {0, 3, 1, 2});
  bench("add", "add", target, {all({2'097'152}), all({2'097'152}), all({2'097'152})}, {});
  bench("random_normal", "random_normal", target, {all({1'000'000})}, {1, 2, 0, 1});
  bench("random_uniform", "random_uniform", target, {all({1'000'000})}, {1, 2, 0, 1});
}

}  // namespace
}  // namespace tenon::test

int main(int argc, char** argv) {
  using namespace tenon;
  using namespace tenon::test;
  set_num_threads(1);
  const std::string only = argc > 1 ? argv[1] : "";
  if (argc > 2) g_wanted = argv[2];
  const auto wanted = [&](const char* name) { return only.empty() || only == name; };
  const Target order[] = {Target::avx512, Target::avx2, Target::neon, Target::baseline};
  const Target best = *std::find_if(std::begin(order), std::end(order), target_supported);
  if (wanted("batch_norm")) bench_batch_norm(best);
  if (wanted("pool")) bench_pool(best);
  if (wanted("optim")) bench_optim(best);
  if (wanted("movement")) bench_movement(best);
  return 0;
}
