// Winograd convolution, all three passes, forced on shapes of every kind, against the f64 reference.
#include <cstring>

#include "ops/conv2d_winograd.h"
#include "test/check.h"

namespace tenon::test {
namespace {

struct Case {
  int64_t n, c, h, w, o, ph = 1, pw = 1;
  int extras = 0, activation = 0;  // 1 for bias, 2 for residual, 3 for both
  int64_t below = -1, right = -1;  // padding there, -1: as above and on the left

  int64_t padded_h() const { return h + ph + (below < 0 ? ph : below); }
  int64_t padded_w() const { return w + pw + (right < 0 ? pw : right); }
  int64_t oh() const { return padded_h() - 2; }
  int64_t ow() const { return padded_w() - 2; }
  Dims x() const { return {n, h, w, c}; }
  Dims weight() const { return {o, 3, 3, c}; }
  Dims y() const { return {n, oh(), ow(), o}; }
  std::string name() const {
    std::string s;
    for (const int64_t v : {n, c, h, w, o, ph, pw, int64_t{extras}, int64_t{activation}, below, right})
      s += std::to_string(v) + " ";
    return s;
  }
};

struct PassCall {
  std::string kernel;
  std::vector<Dims> dims;  // operands, the output last
  std::vector<double> attrs;
};

constexpr double kWinograd = 3;

std::vector<PassCall> passes_of(const Case& c) {
  std::vector<double> forward = {1,
                                 1,
                                 double(c.ph),
                                 double(c.padded_h() - c.h - c.ph),
                                 double(c.pw),
                                 double(c.padded_w() - c.w - c.pw),
                                 1,
                                 1,
                                 1};
  std::vector<double> backward = forward;
  forward.insert(forward.end(),
                 {double(c.extras & 1), double(c.extras >> 1), double(c.activation), kWinograd});
  backward.push_back(kWinograd);
  std::vector<Dims> operands = {c.x(), c.weight()};
  if (c.extras & 1) operands.push_back({c.o});
  if (c.extras & 2) operands.push_back(c.y());
  operands.push_back(c.y());
  return {{"conv2d", operands, forward},
          {"conv2d_backward_data", {c.y(), c.weight(), c.x()}, backward},
          {"conv2d_backward_weights", {c.y(), c.x(), c.weight()}, backward}};
}

// Nearly N(0, 1): the sum of twelve uniform numbers.
std::vector<double> normal_values(int64_t n, uint64_t seed) {
  Random random(seed);
  std::vector<double> out(static_cast<size_t>(n));
  for (double& value : out) {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += random.uniform(0, 1);
    value = static_cast<float>(sum);
  }
  return out;
}

using Inputs = std::vector<std::vector<double>>;

Inputs inputs_of(const PassCall& p) {
  Inputs values;
  for (size_t i = 0; i + 1 < p.dims.size(); ++i) values.push_back(normal_values(numel_of(p.dims[i]), i + 1));
  return values;
}

std::vector<Tensor> make_operands(const PassCall& p, Target target, const Inputs& values) {
  std::vector<Tensor> t;
  for (size_t i = 0; i < values.size(); ++i) t.emplace_back(target, p.dims[i], values[i]);
  t.emplace_back(target, p.dims.back());
  return t;
}

std::vector<TensorView> views_of(const std::vector<Tensor>& tensors) {
  return std::vector<TensorView>(tensors.begin(), tensors.end());
}

std::vector<double> reference_of(const PassCall& p, const Inputs& values) {
  const std::vector<Tensor> t = make_operands(p, Target::ref, values);
  run_kernel(p.kernel, Target::ref, views_of(t), p.attrs);
  return t.back().values();
}

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::fabs(v));
  return most;
}

// Errors are bounded relative to the largest sum before the activation, which never enlarges them.
void check_case(const Case& c, bool threads = false) {
  constexpr double kRelative = 1e-5;
  Case linear = c;
  linear.activation = 0;
  for (size_t pass = 0; pass < 3; ++pass) {
    const PassCall p = passes_of(c)[pass], without_activation = passes_of(linear)[pass];
    const Inputs values = inputs_of(p);
    const std::vector<double> expected = reference_of(p, values);
    const bool is_sum = p.attrs == without_activation.attrs;
    const double most = largest(is_sum ? expected : reference_of(without_activation, values));
    for_each_target([&](Target target) {
      if (target == Target::ref) return;
      const std::vector<Tensor> t = make_operands(p, target, values);
      run_kernel(p.kernel, target, views_of(t), p.attrs);
      close(t.back(), expected, kRelative * most, 0, p.kernel + " " + c.name() + name_of(target));
      if (threads) check_threads(p.kernel, target, views_of(t), p.attrs, t.back());
    });
  }
}

void sizes() {
  for (const int64_t channels : {1, 3, 4, 8, 15, 16, 17, 33, 64})
    for (const int64_t size : {1, 2, 3, 4, 5, 7, 8})
      check_case({2, channels, size, size + size % 2, channels + 1}, size == 7);
}

void paddings() {
  for (int64_t ph = 0; ph < 5; ++ph)
    for (int64_t pw = 0; pw < 5; ++pw) check_case({2, 5, 5, 6, 9, ph, pw}, ph == 2);
  for (int64_t below = 0; below < 4; ++below)
    for (int64_t right = 0; right < 4; ++right)
      check_case({2, 5, 5, 6, 9, 1, 2, 1, 2, below, right}, below == 2);
}

void epilogues() {
  for (int activation = 0; activation < 5; ++activation)
    for (int extras = 0; extras < 4; ++extras) check_case({1, 12, 6, 9, 20, 1, 1, extras, activation}, true);
}

// Several blocks of tiles, of channels, and chunks.
void blocks() {
  check_case({6, 32, 17, 17, 40}, true);
  check_case({3, 140, 9, 10, 130}, true);
  check_case({1, 300, 4, 4, 270}, true);
  check_case({1, 256, 8, 8, 16}, true);
  check_case({40, 16, 13, 12, 16}, true);
  check_case({30, 33, 9, 10, 130}, true);
  check_case({5, 9, 17, 9, 12, 1, 1, 3, 1}, true);
  check_case({3, 16, 9, 9, 33}, true);
}

void empty() {
  check_case({0, 3, 5, 5, 4});
  check_case({2, 3, 0, 5, 4, 2, 1});
}

void fuzz() {
  Random random(33);
  for (int i = 0; i < 150; ++i) {
    Case c = {random.integer(1, 5),  random.integer(1, 40),     random.integer(1, 20),
              random.integer(1, 20), random.integer(1, 40),     random.integer(0, 3),
              random.integer(0, 3),  int(random.integer(0, 3)), int(random.integer(0, 4)),
              random.integer(-1, 3), random.integer(-1, 3)};
    if (c.oh() > 0 && c.ow() > 0) check_case(c, i % 8 == 0);
  }
}

// Filters transformed once give what transforming in every call does, also by way of a call of another batch.
void packed_once() {
  for (const Case& c : {Case{1, 70, 9, 14, 50, 1, 1, 1, 1}, Case{3, 5, 6, 7, 33}, Case{1, 300, 4, 4, 270}}) {
    for_each_target([&](Target target) {
      if (target == Target::ref) return;
      const PassCall p = passes_of(c)[0];
      const std::vector<Tensor> t = make_operands(p, target, inputs_of(p));
      run_kernel(p.kernel, target, views_of(t), p.attrs);
      const auto call_of = [&](const std::vector<TensorView>& views) {
        return ConvCall::make(ConvPass::forward, views.data(), static_cast<int>(views.size()), p.attrs.data(),
                              DType::f32);
      };
      std::vector<TensorView> views = views_of(t);
      const Tensor y(target, c.y());
      views.back() = y;
      Case larger = c;
      larger.n = 40;
      std::vector<TensorView> others = views;
      others.front() = make_view(DType::f32, larger.x());
      others.back() = make_view(DType::f32, larger.y());
      const WinogradTools tools = WinogradTools::of(target);
      const ConvCall call = call_of(views), other = call_of(others);
      const auto floats = [](int64_t n) { return GuardedMemory(static_cast<size_t>(n) * sizeof(float), 64); };
      CHECK(conv2d_winograd_packed_floats(call, tools) == conv2d_winograd_packed_floats(other, tools));
      const GuardedMemory packed = floats(conv2d_winograd_packed_floats(call, tools));
      const GuardedMemory workspace = floats(conv2d_winograd_packed_workspace(call, tools));
      auto* filters = reinterpret_cast<float*>(packed.data());
      conv2d_winograd_pack(other, tools, filters);
      std::memset(t[1].view.data, 0xFF, t[1].bytes());  // only the packed ones are read
      conv2d_winograd_packed(call, tools, filters, reinterpret_cast<float*>(workspace.data()));
      CHECK_THAT(same_bits(y, t.back()), c.name() + name_of(target));
    });
  }
}

// The packed filters of one algorithm are not mistaken for those of another.
void layouts() {
  PassCall p = passes_of({1, 4, 9, 9, 4})[0];
  std::vector<TensorView> views;
  for (const Dims& d : p.dims) views.push_back(make_view(DType::f32, d));
  const auto layout_of = [&](double algorithm, Target target) {
    p.attrs.back() = algorithm;
    Call call;
    call.t = views.data(), call.count = static_cast<int>(views.size());
    call.attrs = p.attrs.data(), call.attr_count = static_cast<int>(p.attrs.size());
    return find_kernel(p.kernel)->prepare[static_cast<int>(target)](call).packing.layout;
  };
  for_each_target([&](Target target) {
    if (target != Target::ref) CHECK(layout_of(2, target) != layout_of(3, target));
  });
}

// What the algorithm cannot compute is refused when it is asked for.
void refusals() {
  for (const PassCall& p : passes_of({1, 4, 9, 9, 4}))
    for_each_target([&](Target target) {
      if (target == Target::ref) return;
      const auto refused = [&](const std::vector<Dims>& dims, const std::vector<double>& attrs) {
        std::vector<TensorView> views;
        for (const Dims& d : dims) views.push_back(make_view(DType::f32, d));
        return rejects(p.kernel, target, views, attrs);
      };
      CHECK(!refused(p.dims, p.attrs));
      const Dims x = {1, 9, 9, 4}, w = {4, 3, 3, 4};
      const auto arrange = [&](const Dims& weight, const Dims& y) {
        if (p.kernel == "conv2d") return std::vector<Dims>{x, weight, y};
        if (p.kernel == "conv2d_backward_data") return std::vector<Dims>{y, weight, x};
        return std::vector<Dims>{y, x, weight};
      };
      const auto with = [&](size_t i, double value) {
        std::vector<double> attrs = p.attrs;
        attrs[i] = value;
        return attrs;
      };
      const auto allowed_directly = [&](const std::vector<Dims>& dims, std::vector<double> attrs) {
        CHECK(refused(dims, attrs));
        attrs.back() = 2;
        CHECK(!refused(dims, attrs));
      };
      allowed_directly(arrange(w, {1, 5, 9, 4}), with(0, 2));
      allowed_directly(arrange(w, {1, 9, 5, 4}), with(1, 2));
      allowed_directly(arrange(w, {1, 7, 9, 4}), with(6, 2));
      allowed_directly(arrange(w, {1, 9, 7, 4}), with(7, 2));
      allowed_directly(arrange({4, 3, 3, 2}, {1, 9, 9, 4}), with(8, 2));
      allowed_directly(arrange({4, 5, 3, 4}, {1, 7, 9, 4}), p.attrs);
      allowed_directly(arrange({4, 3, 1, 4}, {1, 9, 11, 4}), p.attrs);
      CHECK(refused(p.dims, with(p.attrs.size() - 1, 4)));
    });
}

}  // namespace
}  // namespace tenon::test

int main() {
  using namespace tenon::test;
  sizes();
  paddings();
  epilogues();
  blocks();
  empty();
  fuzz();
  packed_once();
  layouts();
  refusals();
  return report();
}
