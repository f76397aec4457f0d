// What every native test uses: checks that count failures, tensors between guard pages, and one call of a
// kernel. A test program ends with `return tenon::test::report();`.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/cpu.h"
#include "base/parallel.h"
#include "base/tensor.h"
#include "kernels/kernel.h"
#include "test/system.h"

#define CHECK(condition) ::tenon::test::check((condition), #condition, __FILE__, __LINE__)
// `context` (a std::string or const char*) says which case it was.
#define CHECK_THAT(condition, context) \
  ::tenon::test::check((condition), std::string(#condition) + " [" + (context) + "]", __FILE__, __LINE__)

namespace tenon::test {

inline int g_checks = 0;
inline int g_failures = 0;

inline bool check(bool ok, const char* what, const char* file, int line) {
  ++g_checks;
  if (!ok && ++g_failures <= 40) std::fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
  return ok;
}

inline bool check(bool ok, const std::string& what, const char* file, int line) {
  return check(ok, what.c_str(), file, line);
}

inline int report() {
  std::printf("%d checks, %d failures\n", g_checks, g_failures);
  return g_failures == 0 && g_checks > 0 ? 0 : 1;
}

using Dims = std::vector<int64_t>;

// Memory whose end touches an inaccessible page, so that reading or writing one byte too far crashes. The
// bytes before it hold a pattern (and an inaccessible page before that) which must be unchanged at the end.
// Contents start as 0xFF: NaN, or -1.
class GuardedMemory {
 public:
  explicit GuardedMemory(size_t bytes, size_t alignment = 1) : bytes_(bytes) {
    const size_t used = (bytes + alignment - 1) / alignment * alignment;
    const size_t page = page_size();
    inside_ = (used + page - 1) / page * page + page;
    map_bytes_ = inside_ + 2 * page;
    map_ = static_cast<std::byte*>(reserve_pages(map_bytes_));
    begin_ = map_ + page;
    if (map_ == nullptr || !open_pages(begin_, inside_)) std::abort();
    data_ = begin_ + inside_ - used;
    std::memset(begin_, 0xA5, static_cast<size_t>(data_ - begin_));
    std::memset(data_, 0xFF, used);
  }
  GuardedMemory(GuardedMemory&& other) noexcept { *this = std::move(other); }
  GuardedMemory& operator=(GuardedMemory&& other) noexcept {
    std::swap(map_, other.map_);
    std::swap(map_bytes_, other.map_bytes_);
    std::swap(begin_, other.begin_);
    std::swap(inside_, other.inside_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~GuardedMemory() {
    if (map_ == nullptr) return;
    const auto before = static_cast<size_t>(data_ - begin_);  // all alike: each byte is as the one after it
    const bool intact =
        before == 0 || (*begin_ == std::byte{0xA5} && std::memcmp(begin_, begin_ + 1, before - 1) == 0);
    check(intact, "memory before a tensor was written", __FILE__, __LINE__);
    release_pages(map_, map_bytes_);
  }

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  std::byte* map_ = nullptr;
  size_t map_bytes_ = 0;
  std::byte* begin_ = nullptr;
  size_t inside_ = 0;
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

// Deterministic numbers (splitmix64), the same on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15 + 1) {}
  uint64_t bits() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(bits() >> 11) * 0x1p-53;
  }
  int64_t integer(int64_t low, int64_t high) {  // both included
    return low + static_cast<int64_t>(bits() % static_cast<uint64_t>(high - low + 1));
  }

 private:
  uint64_t state_;
};

inline int64_t numel_of(const Dims& dims) {
  int64_t n = 1;
  for (const int64_t dim : dims) n *= dim;
  return n;
}

inline TensorView make_view(DType dtype, const Dims& dims, std::byte* data = nullptr) {
  TensorView view;
  view.data = data;
  view.dtype = dtype;
  view.rank = static_cast<int>(dims.size());
  for (size_t i = 0; i < dims.size() && i < kMaxRank; ++i) view.dims[i] = dims[i];
  return view;
}

// The element type of `real` operands of a target.
inline DType real_of(Target target) { return target == Target::ref ? DType::f64 : DType::f32; }

// A tensor between guard pages. Starts as NaN (floating types) or -1.
class Tensor {
 public:
  Tensor(DType dtype, const Dims& dims)
      : view(make_view(dtype, dims)), memory_(static_cast<size_t>(numel_of(dims)) * size_of(dtype)) {
    view.data = memory_.data();
  }
  Tensor(Target target, const Dims& dims) : Tensor(real_of(target), dims) {}
  Tensor(DType dtype, const Dims& dims, const std::vector<double>& values) : Tensor(dtype, dims) {
    set(values);
  }
  Tensor(Target target, const Dims& dims, const std::vector<double>& values)
      : Tensor(real_of(target), dims, values) {}
  operator const TensorView&() const { return view; }  // NOLINT: a Tensor is used as its view everywhere

  int64_t numel() const { return static_cast<int64_t>(memory_.bytes() / size_of(view.dtype)); }
  size_t bytes() const { return memory_.bytes(); }
  double at(int64_t i) const {
    switch (view.dtype) {
      case DType::f32:
        return view.as<float>()[i];
      case DType::f64:
        return view.as<double>()[i];
      case DType::u8:
        return view.as<uint8_t>()[i];
      case DType::i32:
        return view.as<int32_t>()[i];
      case DType::bf16:
        break;
    }
    const uint32_t bits = static_cast<uint32_t>(view.as<uint16_t>()[i]) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  void put(int64_t i, double value) const {
    switch (view.dtype) {
      case DType::f32:
        view.as<float>()[i] = static_cast<float>(value);
        return;
      case DType::f64:
        view.as<double>()[i] = value;
        return;
      case DType::u8:
        view.as<uint8_t>()[i] = static_cast<uint8_t>(value);
        return;
      case DType::i32:
        view.as<int32_t>()[i] = static_cast<int32_t>(value);
        return;
      case DType::bf16:
        break;
    }
    const float narrow = static_cast<float>(value);
    uint32_t bits;
    std::memcpy(&bits, &narrow, sizeof bits);
    view.as<uint16_t>()[i] = static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
  }
  void set(const std::vector<double>& values) const {
    CHECK(static_cast<int64_t>(values.size()) == numel());
    for (int64_t i = 0; i < numel(); ++i) put(i, values[static_cast<size_t>(i)]);
  }
  std::vector<double> values() const {
    std::vector<double> out(static_cast<size_t>(numel()));
    for (int64_t i = 0; i < numel(); ++i) out[static_cast<size_t>(i)] = at(i);
    return out;
  }

  TensorView view;

 private:
  GuardedMemory memory_;
};

// Floats in [low, high): exact in f32, so that every target and the reference get the same input.
inline std::vector<double> random_values(int64_t n, uint64_t seed, double low = -1, double high = 1) {
  Random random(seed);
  std::vector<double> out(static_cast<size_t>(n));
  for (double& value : out) value = static_cast<float>(random.uniform(low, high));
  return out;
}

inline std::vector<double> random_integers(int64_t n, uint64_t seed, int64_t low, int64_t high) {
  Random random(seed);
  std::vector<double> out(static_cast<size_t>(n));
  for (double& value : out) value = static_cast<double>(random.integer(low, high));
  return out;
}

struct Outcome {
  uint64_t first_fault = ~uint64_t{0};
  bool nonfinite = false;
  Cost cost;
  bool faulted() const { return first_fault != ~uint64_t{0}; }
  Fault fault() const { return static_cast<Fault>(first_fault & 0xFF); }
  int64_t fault_index() const { return static_cast<int64_t>(first_fault >> 8); }
};

inline Cost prepare_kernel(const std::string& name, Target target, std::vector<TensorView> views,
                           const std::vector<double>& attrs, const std::byte* packed = nullptr) {
  const Kernel* kernel = find_kernel(name);
  const int t = static_cast<int>(target);
  if (kernel == nullptr || kernel->prepare[t] == nullptr) throw std::logic_error("no kernel " + name);
  require_attr_count(kernel->attrs, attrs.size());
  for (TensorView& view : views) view.data = nullptr;
  Call call;
  call.t = views.data();
  call.count = static_cast<int>(views.size());
  call.attrs = attrs.data();
  call.attr_count = static_cast<int>(attrs.size());
  call.packed = packed;
  return kernel->prepare[t](call);
}

// Prepares with null data pointers, allocates the workspace (guarded, filled with NaN), runs.
inline Outcome run_kernel(const std::string& name, Target target, const std::vector<TensorView>& views,
                          const std::vector<double>& attrs = {}, const std::byte* packed = nullptr) {
  Outcome outcome;
  outcome.cost = prepare_kernel(name, target, views, attrs, packed);
  GuardedMemory workspace(outcome.cost.workspace, 64);
  RunState state;
  Call call;
  call.t = views.data();
  call.count = static_cast<int>(views.size());
  call.attrs = attrs.data();
  call.attr_count = static_cast<int>(attrs.size());
  call.workspace = workspace.data();
  call.packed = packed;
  call.run = &state;
  find_kernel(name)->run[static_cast<int>(target)](call);
  outcome.first_fault = state.first_fault.load();
  outcome.nonfinite = state.nonfinite;
  return outcome;
}

// Whether prepare refuses the call with std::invalid_argument.
inline bool rejects(const std::string& name, Target target, const std::vector<TensorView>& views,
                    const std::vector<double>& attrs = {}) {
  try {
    prepare_kernel(name, target, views, attrs);
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

// Calls fn(target) for every target that this machine can run; `ref` comes last.
template <class Fn>
void for_each_target(Fn&& fn) {
  for (int t = 0; t < kTargets; ++t) {
    const auto target = static_cast<Target>(t);
    if (target == Target::ref || target_supported(target)) fn(target);
  }
}

// Lanes of a target's vector, for choosing sizes around it.
inline int64_t lanes_of(Target target) {
  constexpr int64_t lanes[] = {4, 8, 16, 4, 1};
  return lanes[static_cast<int>(target)];
}

// Rounding unit of a target's real.
inline double eps_of(Target target) {
  return target == Target::ref ? std::numeric_limits<double>::epsilon()
                               : std::numeric_limits<float>::epsilon();
}

// |actual - expected| <= absolute + relative |expected| everywhere. Where NaN or infinity is expected,
// exactly that must be there.
inline bool close(const Tensor& actual, const std::vector<double>& expected, double absolute, double relative,
                  const std::string& context) {
  if (!CHECK_THAT(actual.numel() == static_cast<int64_t>(expected.size()), context)) return false;
  for (int64_t i = 0; i < actual.numel(); ++i) {
    const double want = expected[static_cast<size_t>(i)], got = actual.at(i);
    const bool ok = std::isnan(want)   ? std::isnan(got)
                    : std::isinf(want) ? got == want
                                       : std::fabs(got - want) <= absolute + relative * std::fabs(want);
    if (!ok) {
      const std::string where = context + ": element " + std::to_string(i) + " is " + std::to_string(got) +
                                ", expected " + std::to_string(want) + ", off by " +
                                std::to_string(got - want);
      return check(false, where, __FILE__, __LINE__);
    }
  }
  return check(true, context, __FILE__, __LINE__);
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.view.data, b.view.data, a.bytes()) == 0;
}

// Runs the kernel with 1, with 3 and with 64 threads, `out` starting as NaN each time, and checks that the
// bits agree. `out` must be among `views` and must not be an input.
inline void check_threads(const std::string& name, Target target, const std::vector<TensorView>& views,
                          const std::vector<double>& attrs, const Tensor& out) {
  const int threads = num_threads();
  Tensor first(out.view.dtype, Dims(out.view.dims, out.view.dims + out.view.rank));
  set_num_threads(1);
  std::memset(out.view.data, 0xFF, out.bytes());
  run_kernel(name, target, views, attrs);
  std::memcpy(first.view.data, out.view.data, out.bytes());
  for (const int more : {3, 64}) {
    set_num_threads(more);
    std::memset(out.view.data, 0xFF, out.bytes());
    run_kernel(name, target, views, attrs);
    CHECK_THAT(same_bits(first, out),
               name + " on " + name_of(target) + ": 1 and " + std::to_string(more) + " threads differ");
  }
  set_num_threads(threads);
}

// Where the kernel offers packing: that an operand packed once gives the bits of `out`, and that nothing else
// of it is read.
inline void check_packed(const std::string& name, Target target, std::vector<TensorView> views,
                         const std::vector<double>& attrs, const Tensor& out) {
  const Packing packing = prepare_kernel(name, target, views, attrs).packing;
  if (packing.operand < 0) return;
  const auto operand = static_cast<size_t>(packing.operand);
  std::vector<TensorView> alone = views;
  for (size_t i = 0; i < alone.size(); ++i)
    if (i != operand) alone[i].data = nullptr;
  const GuardedMemory packed(packing.bytes, 64);
  Call call;
  call.t = alone.data(), call.count = static_cast<int>(alone.size());
  call.attrs = attrs.data(), call.attr_count = static_cast<int>(attrs.size());
  find_kernel(name)->pack[static_cast<int>(target)](call, packed.data());
  const Tensor first(out.view.dtype, Dims(out.view.dims, out.view.dims + out.view.rank));
  std::memcpy(first.view.data, out.view.data, out.bytes());
  std::memset(out.view.data, 0xFF, out.bytes());
  views[operand].data = nullptr;
  run_kernel(name, target, views, attrs, packed.data());
  CHECK_THAT(same_bits(first, out), name + " on " + name_of(target) + ": packed once differs");
}

}  // namespace tenon::test
