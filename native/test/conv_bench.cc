// GFLOP/s (of the wall clock, and per core by processor time, which other load on the machine disturbs less)
// of the convolutions c1..c7 and the matrix products that training spends its time in, best of the repeats,
// and the share of what the register tile reaches on operands in the first-level cache. Not a test: run it
// by hand.
// conv_bench [threads] [beginning of the names] [algorithm | bf16]
// algorithm: 0 the rule's choice (default), 1 im2col, 2 direct, 3 Winograd; convolutions it cannot compute
// are left out. bf16: the same with activations in bf16; the share is of float's register tile all the same.
#include <chrono>
#include <ctime>
#include <memory>

#include "base/bf16.h"
#include "kernels/gemm.h"
#include "test/check.h"

namespace tenon::test {
namespace {

struct Timing {
  double flops, wall_ms, cpu_ms;
};

double cpu_ms() { return 1e3 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// GFLOP/s of a core that does nothing but the register tile of two vectors, all operands in
// its first-level cache.
double tile_peak(Target target) {
  const GemmKernels& kernels = gemm_kernels(target);
  constexpr int64_t kDepth = 128;
  const int64_t panel = 2 * kernels.width, mr = kernels.mr[2], zero = 0;
  std::vector<float> a(static_cast<size_t>(mr * kDepth), 1), b(static_cast<size_t>(panel * kDepth), 1);
  std::vector<float> c(static_cast<size_t>(mr * panel));
  GemmTile tile = {};
  tile.a = a.data(), tile.b = b.data(), tile.c = c.data();
  tile.a_off = tile.b_off = &zero, tile.batch = 1, tile.k = kDepth;
  tile.ars = kDepth, tile.aks = 1, tile.a_jump = (mr + 1) / 2 * kDepth;
  tile.bks = panel, tile.crs = panel, tile.c_jump = (mr + 1) / 2 * panel, tile.n = panel;
  double best = 0;
  for (int repeat = 0; repeat < 10; ++repeat) {
    constexpr int kCalls = 20000;
    const double start = cpu_ms();
    for (int i = 0; i < kCalls; ++i) kernels.fn[2][mr](tile);
    best = std::max(best, 2.0 * static_cast<double>(mr * panel * kDepth) * kCalls / (cpu_ms() - start) / 1e6);
  }
  return best;
}

// Bests of a call over about half a second.
Timing measure(const std::string& name, Target target, const std::vector<TensorView>& views,
               const std::vector<double>& attrs) {
  const Cost cost = prepare_kernel(name, target, views, attrs);
  const GuardedMemory workspace(cost.workspace, 64);
  RunState state;
  Call call;
  call.t = views.data(), call.count = static_cast<int>(views.size());
  call.attrs = attrs.data(), call.attr_count = static_cast<int>(attrs.size());
  call.workspace = workspace.data(), call.run = &state;
  const RunFn run = find_kernel(name)->run[static_cast<int>(target)];
  std::vector<double> wall, processor;
  double total = 0;
  for (int i = 0; i < 3 || (total < 500 && i < 2000); ++i) {
    const double cpu = cpu_ms();
    const auto start = std::chrono::steady_clock::now();
    run(call);
    const double ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    total += ms;
    if (i > 0) wall.push_back(ms), processor.push_back(cpu_ms() - cpu);
  }
  const auto least = [](const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); };
  return {cost.flops, least(wall), least(processor)};
}

// Random numbers in memory as the runtime's is: on huge pages where it is large.
struct Operand {
  Operand(DType dtype, const Dims& dims, uint64_t seed) {
    constexpr size_t kHuge = 2 << 20;
    const auto n = static_cast<size_t>(numel_of(dims));
    const size_t bytes = (n * size_of(dtype) + kHuge - 1) / kHuge * kHuge;
    memory.reset(static_cast<std::byte*>(std::aligned_alloc(kHuge, bytes)));
#ifdef MADV_HUGEPAGE
    madvise(memory.get(), bytes, MADV_HUGEPAGE);
#endif
    view = make_view(dtype, dims, memory.get());
    Random random(seed);
    for (size_t i = 0; i < n; ++i) {
      const auto value = static_cast<float>(random.uniform(-1, 1));
      if (dtype == DType::bf16) {
        view.as<bf16>()[i] = to_bf16(value);
      } else {
        view.as<float>()[i] = value;
      }
    }
  }
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> memory;
  TensorView view;
};

struct Shape {
  DType dtype;
  Dims dims;
};

void bench(const std::string& label, const std::string& kernel, Target target,
           const std::vector<Shape>& shapes, const std::vector<double>& attrs) {
  static const double peak = tile_peak(target);
  std::vector<Operand> operands;
  std::vector<TensorView> views;
  for (const Shape& shape : shapes) {
    operands.emplace_back(shape.dtype, shape.dims, operands.size() + 1);
    views.push_back(operands.back().view);
  }
  const Timing t = measure(kernel, target, views, attrs);
  std::printf("%-28s %-9s %9.3f ms %8.1f GFLOP/s  %8.1f a core (%2.0f%%)\n", label.c_str(), name_of(target),
              t.wall_ms, t.flops / t.wall_ms / 1e6, t.flops / t.cpu_ms / 1e6,
              100 * t.flops / t.cpu_ms / 1e6 / peak);
  std::fflush(stdout);
}

struct Conv {
  const char* name;
  double n, c, h, o, k, stride, pad, groups = 1;
};
constexpr Conv kConvs[] = {{"c1", 16, 64, 56, 64, 3, 1, 1},
                           {"c2", 16, 128, 28, 128, 3, 1, 1},
                           {"c3", 16, 256, 14, 256, 3, 1, 1},
                           {"c4", 16, 512, 7, 512, 3, 1, 1},
                           {"c5", 16, 3, 224, 64, 7, 2, 3},
                           {"c6", 16, 64, 56, 128, 1, 2, 0},
                           {"c7", 128, 64, 32, 64, 3, 1, 1},
                           {"lenet1", 64, 1, 28, 32, 3, 1, 1},
                           {"lenet2", 64, 32, 14, 64, 3, 1, 1},
                           {"r20_0", 128, 3, 32, 16, 3, 1, 1},
                           {"r20_16", 128, 16, 32, 16, 3, 1, 1},
                           {"r20_32", 128, 32, 16, 32, 3, 1, 1},
                           {"r20_64", 128, 64, 8, 64, 3, 1, 1},
                           {"r20_down", 128, 16, 32, 32, 3, 2, 1},
                           {"r20_down2", 128, 32, 16, 64, 3, 2, 1},
                           {"r20_short", 128, 16, 32, 32, 1, 2, 0},
                           {"r20_short2", 128, 32, 16, 64, 1, 2, 0},
                           {"r18_down", 16, 64, 56, 128, 3, 2, 1},
                           {"v0", 128, 3, 32, 64, 3, 1, 1},
                           {"n1_512", 1, 512, 7, 512, 3, 1, 1},
                           {"vggs_64_128", 128, 64, 16, 128, 3, 1, 1},
                           {"vggs_128", 128, 128, 16, 128, 3, 1, 1},
                           {"vggs_128_256", 128, 128, 8, 256, 3, 1, 1},
                           {"vggs_256", 128, 256, 8, 256, 3, 1, 1},
                           {"depthwise", 16, 64, 56, 64, 3, 1, 1, 64},
                           {"depthwise_s2", 16, 64, 56, 64, 3, 2, 1, 64},
                           {"depthwise_512", 16, 512, 7, 512, 3, 1, 1, 512},
                           {"depthwise_7x7", 16, 96, 28, 96, 7, 1, 3, 96},
                           {"mobile_0", 16, 3, 224, 32, 3, 2, 1},
                           {"mobile_dw2", 16, 96, 112, 96, 3, 2, 1, 96},
                           {"mobile_dw3", 16, 144, 56, 144, 3, 1, 1, 144},
                           {"mobile_dw4", 16, 144, 56, 144, 3, 2, 1, 144},
                           {"mobile_dw8", 16, 384, 14, 384, 3, 1, 1, 384},
                           {"mobile_dw12", 16, 576, 14, 576, 3, 1, 1, 576},
                           {"mobile_dw15", 16, 960, 7, 960, 3, 1, 1, 960},
                           {"mobile_2in", 16, 16, 112, 96, 1, 1, 0},
                           {"mobile_2out", 16, 96, 56, 24, 1, 1, 0},
                           {"mobile_3in", 16, 24, 56, 144, 1, 1, 0},
                           {"mobile_3out", 16, 144, 56, 24, 1, 1, 0},
                           {"mobile_8in", 16, 64, 14, 384, 1, 1, 0},
                           {"mobile_8out", 16, 384, 14, 64, 1, 1, 0},
                           {"mobile_12in", 16, 96, 14, 576, 1, 1, 0},
                           {"mobile_12out", 16, 576, 14, 96, 1, 1, 0},
                           {"mobile_15in", 16, 160, 7, 960, 1, 1, 0},
                           {"mobile_15out", 16, 960, 7, 160, 1, 1, 0},
                           {"mobile_18", 16, 320, 7, 1280, 1, 1, 0}};

struct Product {
  const char* name;
  double m, n, k, trans_a, trans_b;
};
constexpr Product kProducts[] = {{"mlp1-fwd", 128, 256, 784, 0, 1},    {"mlp1-dw", 256, 784, 128, 1, 0},
                                 {"mlp2-fwd", 128, 128, 256, 0, 1},    {"mlp2-dx", 128, 256, 128, 0, 0},
                                 {"mlp3-fwd", 128, 10, 128, 0, 1},     {"mlp2-dw", 128, 256, 128, 1, 0},
                                 {"mlp3-dx", 128, 128, 10, 0, 0},      {"mlp3-dw", 10, 128, 128, 1, 0},
                                 {"fc2-fwd", 64, 10, 128, 0, 1},       {"fc2-dx", 64, 128, 10, 0, 0},
                                 {"fc2-dw", 10, 128, 64, 1, 0},        {"fc-fwd", 64, 128, 3136, 0, 1},
                                 {"fc-dx", 64, 3136, 128, 0, 0},       {"fc-dw", 128, 3136, 64, 1, 0},
                                 {"tanh6-fwd", 16, 4096, 4096, 0, 1},  {"tanh6-dx", 16, 4096, 4096, 0, 0},
                                 {"tanh6-dw", 4096, 4096, 16, 1, 0},   {"sgemm256", 256, 256, 256, 0, 0},
                                 {"sgemm512", 512, 512, 512, 0, 0},    {"sgemm1024", 1024, 1024, 1024, 0, 0},
                                 {"sgemm2048", 2048, 2048, 2048, 0, 0}};

// The kernels whose activations are of one dtype.
struct Precision {
  DType activations;
  std::string kernel(const std::string& name) const {
    return activations == DType::bf16 ? name + "_bf16" : name;
  }
};

void bench_conv(const Conv& c, double algorithm, const Precision& precision, Target target) {
  const int64_t out = static_cast<int64_t>((c.h + 2 * c.pad - c.k) / c.stride) + 1;
  const auto i = [](double v) { return static_cast<int64_t>(v); };
  const Shape x = {precision.activations, {i(c.n), i(c.h), i(c.h), i(c.c)}},
              w = {DType::f32, {i(c.o), i(c.k), i(c.k), i(c.c / c.groups)}},
              y = {precision.activations, {i(c.n), out, out, i(c.o)}};
  const std::vector<double> geometry = {c.stride, c.stride, c.pad, c.pad, c.pad, c.pad, 1, 1, c.groups};
  std::vector<double> forward = geometry, backward = geometry;
  forward.insert(forward.end(), {0, 0, 0, algorithm});
  backward.push_back(algorithm);
  if (algorithm == 3 && (c.k != 3 || c.stride != 1 || c.groups != 1)) return;
  bench(std::string(c.name) + "-fwd", precision.kernel("conv2d"), target, {x, w, y}, forward);
  bench(std::string(c.name) + "-bwd-data", precision.kernel("conv2d_backward_data"), target, {y, w, x},
        backward);
  bench(std::string(c.name) + "-bwd-weights", precision.kernel("conv2d_backward_weights"), target, {y, x, w},
        backward);
}

void bench_product(const Product& p, const Precision& precision, Target target) {
  const auto dims = [&](double rows, double columns, double transposed) {
    const auto r = static_cast<int64_t>(rows), c = static_cast<int64_t>(columns);
    return Shape{precision.activations, transposed != 0 ? Dims{c, r} : Dims{r, c}};
  };
  bench(p.name, precision.kernel("matmul"), target,
        {dims(p.m, p.k, p.trans_a), dims(p.k, p.n, p.trans_b), dims(p.m, p.n, 0)},
        {p.trans_a, p.trans_b, 0, 0});
}

}  // namespace
}  // namespace tenon::test

int main(int argc, char** argv) {
  using namespace tenon;
  using namespace tenon::test;
  set_num_threads(argc > 1 ? std::atoi(argv[1]) : 2);
  const std::string only = argc > 2 ? argv[2] : "";
  const std::string choice = argc > 3 ? argv[3] : "0";
  const double algorithm = std::atof(choice.c_str());
  const Precision precision = {choice == "bf16" ? DType::bf16 : DType::f32};
  const auto wanted = [&](const char* name) { return only.empty() || std::string(name).rfind(only, 0) == 0; };
  const Target order[] = {Target::avx512, Target::avx2, Target::neon, Target::baseline};
  const Target* best = std::find_if(std::begin(order), std::end(order), target_supported);
  for (const Conv& c : kConvs)
    if (wanted(c.name)) bench_conv(c, algorithm, precision, *best);
  for (const Product& p : kProducts)
    if (wanted(p.name)) bench_product(p, precision, *best);
  return 0;
}
