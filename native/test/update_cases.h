// What the tests of optimizer kernels share: tensors of many sizes by role, and calls over them.
#pragma once

#include "test/check.h"

namespace tenon::test {

inline const std::vector<int64_t> kSizes = {3, 0, 20'000, 1, 17, 64, 8192, 5};

// All tensors of one role: weights, gradients or a state.
struct Role {
  Role(Target target, uint64_t seed, double low = -1, double high = 1) {
    for (size_t i = 0; i < kSizes.size(); ++i)
      tensors.emplace_back(target, Dims{kSizes[i]}, random_values(kSizes[i], seed + 100 * i, low, high));
  }
  std::vector<double> values() const {
    std::vector<double> all;
    for (const Tensor& tensor : tensors) {
      const auto part = tensor.values();
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  void fill(double value) const {
    for (const Tensor& tensor : tensors)
      tensor.set(std::vector<double>(static_cast<size_t>(tensor.numel()), value));
  }
  std::vector<Tensor> tensors;
};

inline std::vector<TensorView> operands(const std::vector<Tensor>& scalars,
                                        const std::vector<const Role*>& roles) {
  std::vector<TensorView> views(scalars.begin(), scalars.end());
  for (const Role* role : roles) views.insert(views.end(), role->tensors.begin(), role->tensors.end());
  return views;
}

inline void expect(const Role& role, const std::vector<double>& expected, double tolerance,
                   const std::string& context) {
  const auto actual = role.values();
  bool ok = actual.size() == expected.size();
  for (size_t i = 0; ok && i < actual.size(); ++i)
    ok = std::fabs(actual[i] - expected[i]) <= tolerance * (1 + std::fabs(expected[i]));
  CHECK_THAT(ok, context);
}

inline std::vector<Tensor> scalars_of(const std::vector<double>& values) {
  std::vector<Tensor> scalars;
  for (const double value : values) scalars.emplace_back(DType::f64, Dims{}, std::vector<double>{value});
  return scalars;
}

// The attributes of an update are flags.
inline std::vector<double> attrs_of(const std::vector<bool>& flags) {
  std::vector<double> attrs;
  for (const bool flag : flags) attrs.push_back(flag ? 1 : 0);
  return attrs;
}

// Runs a kernel over roles; the last flag says whether gradients are scaled.
inline void run_update(const char* kernel, Target target, const std::vector<double>& scalars, double scale,
                       const std::vector<const Role*>& roles, const std::vector<bool>& flags) {
  auto numbers = scalars_of(scalars);
  if (flags.back()) numbers.emplace_back(target, Dims{}, std::vector<double>{scale});
  run_kernel(kernel, target, operands(numbers, roles), attrs_of(flags));
}

// In place or not, with one thread or three: the same bits. Flags without scale.
inline void check_same_bits(const char* kernel, Target target, const std::vector<double>& scalars,
                            size_t states, const std::vector<bool>& flags) {
  const auto numbers = scalars_of(scalars);
  const auto inputs = [&](uint64_t seed) {
    std::vector<Role> roles;
    for (size_t i = 0; i < 2 + states; ++i) roles.emplace_back(target, seed + i, i > 1 ? 0.5 : -1, 1);
    return roles;
  };
  const auto once = [&](const std::vector<Role>& from, const std::vector<Role>& to) {
    std::vector<const Role*> roles;
    for (const Role& role : from) roles.push_back(&role);
    roles.push_back(&to[0]);
    for (size_t i = 0; i < states; ++i) roles.push_back(&to[2 + i]);
    run_kernel(kernel, target, operands(numbers, roles), attrs_of(flags));
  };
  const auto from = inputs(20), one = inputs(40), three = inputs(60);
  once(from, one);
  set_num_threads(3);
  once(from, three);
  once(from, from);
  set_num_threads(1);
  for (size_t role = 0; role < from.size(); ++role) {
    if (role == 1) continue;
    for (size_t i = 0; i < kSizes.size(); ++i) {
      CHECK_THAT(same_bits(one[role].tensors[i], three[role].tensors[i]), kernel);
      CHECK_THAT(same_bits(one[role].tensors[i], from[role].tensors[i]), kernel);
    }
  }
}

}  // namespace tenon::test
