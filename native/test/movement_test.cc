// Copies, casts, permutations and boxes against plain index arithmetic, for every element size.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

const DType kTypes[] = {DType::u8, DType::bf16, DType::i32, DType::f64};

// Integers that every dtype holds exactly.
Tensor numbered(DType dtype, const Dims& dims, uint64_t seed = 1) {
  return Tensor(dtype, dims, random_integers(numel_of(dims), seed, 0, 127));
}

std::vector<int64_t> index_of(const Dims& dims, int64_t i) {
  std::vector<int64_t> index(dims.size());
  for (size_t axis = dims.size(); axis-- > 0; i /= dims[axis]) index[axis] = i % dims[axis];
  return index;
}

int64_t flat(const Dims& dims, const std::vector<int64_t>& index) {
  int64_t i = 0;
  for (size_t axis = 0; axis < dims.size(); ++axis) i = i * dims[axis] + index[axis];
  return i;
}

std::string text(const std::vector<double>& values) {
  std::string out;
  for (const double value : values) out.append(1, ' ').append(std::to_string(value));
  return out;
}

void check_permute(Target target, DType dtype, const Dims& dims, const std::vector<double>& axes) {
  const Tensor x = numbered(dtype, dims);
  Dims to;
  for (const double axis : axes) to.push_back(dims[static_cast<size_t>(axis)]);
  const Tensor y(dtype, to);
  run_kernel("permute", target, {x, y}, axes);
  std::vector<double> expected(static_cast<size_t>(y.numel()));
  for (int64_t i = 0; i < y.numel(); ++i) {
    const auto at = index_of(to, i);
    std::vector<int64_t> from(dims.size());
    for (size_t k = 0; k < axes.size(); ++k) from[static_cast<size_t>(axes[k])] = at[k];
    expected[static_cast<size_t>(i)] = x.at(flat(dims, from));
  }
  close(y, expected, 0, 0, "permute" + text(axes));
  check_threads("permute", target, {x, y}, axes, y);
}

void check_permutes(Target target) {
  for (const DType dtype : kTypes) {
    for (const int64_t m : {1, 2, 3, 15, 16, 17, 33, 70})
      for (const int64_t n : {1, 3, 16, 31, 32, 65}) check_permute(target, dtype, {2, m, n}, {0, 2, 1});
    std::vector<double> axes = {0, 1, 2, 3};
    do {
      check_permute(target, dtype, {2, 3, 4, 5}, axes);
      check_permute(target, dtype, {17, 1, 18, 2}, axes);
    } while (std::next_permutation(axes.begin(), axes.end()));
    check_permute(target, dtype, {3, 2, 4, 2, 3, 2}, {5, 3, 1, 0, 2, 4});
    check_permute(target, dtype, {}, {});
    check_permute(target, dtype, {7}, {0});
    check_permute(target, dtype, {4, 0, 3}, {2, 1, 0});
  }
  const Tensor x(DType::i32, {2, 3}), y(DType::i32, {3, 2});
  CHECK(rejects("permute", target, {x, y}, {0, 1}) && rejects("permute", target, {x, y}, {1, 1}));
  CHECK(rejects("permute", target, {x, y}, {1, 2}) && rejects("permute", target, {x, y}, {1}));
  CHECK(rejects("permute", target, {x, y}, {1, -1}) && rejects("permute", target, {x, y}, {1, 0.5}));
}

void check_slice_and_pad(Target target, const Dims& whole, const Dims& start, const Dims& part) {
  const std::vector<double> attrs(start.begin(), start.end());
  for (const DType dtype : kTypes) {
    const Tensor x = numbered(dtype, whole), y(dtype, part);
    run_kernel("slice", target, {x, y}, attrs);
    std::vector<double> expected;
    for (int64_t i = 0; i < y.numel(); ++i) {
      auto at = index_of(part, i);
      for (size_t k = 0; k < at.size(); ++k) at[k] += start[k];
      expected.push_back(x.at(flat(whole, at)));
    }
    close(y, expected, 0, 0, "slice" + text(attrs));
  }
  const Tensor x(target, part, random_values(numel_of(part), 3)), y(target, whole);
  std::vector<double> with_value = {-2.5}, expected(static_cast<size_t>(y.numel()), -2.5);
  with_value.insert(with_value.end(), attrs.begin(), attrs.end());
  run_kernel("pad", target, {x, y}, with_value);
  for (int64_t i = 0; i < x.numel(); ++i) {
    auto at = index_of(part, i);
    for (size_t k = 0; k < at.size(); ++k) at[k] += start[k];
    expected[static_cast<size_t>(flat(whole, at))] = x.at(i);
  }
  close(y, expected, 0, 0, "pad" + text(attrs));
  check_threads("pad", target, {x, y}, with_value, y);
}

void check_boxes(Target target) {
  check_slice_and_pad(target, {}, {}, {});
  check_slice_and_pad(target, {9}, {2}, {5});
  check_slice_and_pad(target, {9}, {9}, {0});
  check_slice_and_pad(target, {4, 5}, {1, 2}, {2, 1});
  check_slice_and_pad(target, {4, 5}, {0, 0}, {4, 5});
  check_slice_and_pad(target, {2, 6, 7, 3}, {0, 1, 1, 0}, {2, 4, 5, 3});
  check_slice_and_pad(target, {2, 6, 7, 3}, {1, 1, 2, 2}, {1, 3, 5, 1});
  check_slice_and_pad(target, {8, 40, 40, 5}, {0, 4, 4, 0}, {8, 32, 32, 5});
  check_slice_and_pad(target, {2, 2, 2, 2, 2, 2}, {1, 0, 1, 0, 1, 0}, {1, 1, 1, 1, 1, 1});
  const auto make = [&](const Dims& dims) { return make_view(real_of(target), dims); };
  CHECK(rejects("slice", target, {make({4}), make({3})}, {2}) &&
        rejects("slice", target, {make({4}), make({3})}, {-1}));
  CHECK(rejects("slice", target, {make({4}), make({3})}) &&
        rejects("slice", target, {make({4}), make({3, 1})}, {0}));
  CHECK(rejects("slice", target, {make({4}), make({3})}, {1e300}) &&
        rejects("slice", target, {make({4}), make({3})}, {NAN}));
  CHECK(rejects("pad", target, {make({3}), make({4})}, {0, 2}) &&
        rejects("pad", target, {make({3}), make({4})}, {0, -1}));
  CHECK(rejects("pad", target, {make({3}), make({4})}, {0}) &&
        rejects("pad", target, {make({5}), make({4})}, {0, 0}));
}

void check_concat(Target target, Dims dims, size_t axis, const Dims& sizes) {
  for (const DType dtype : kTypes) {
    std::vector<Tensor> inputs;
    std::vector<TensorView> views;
    int64_t total = 0;
    for (const int64_t size : sizes) {
      dims[axis] = size;
      inputs.push_back(numbered(dtype, dims, inputs.size()));
      views.push_back(inputs.back());
      total += size;
    }
    dims[axis] = total;
    const Tensor y(dtype, dims);
    views.push_back(y);
    run_kernel("concat", target, views, {static_cast<double>(axis)});
    std::vector<double> expected;
    for (int64_t i = 0; i < y.numel(); ++i) {
      auto at = index_of(dims, i);
      size_t k = 0;
      while (at[axis] >= sizes[k]) at[axis] -= sizes[k++];
      Dims from = dims;
      from[axis] = sizes[k];
      expected.push_back(inputs[k].at(flat(from, at)));
    }
    close(y, expected, 0, 0, "concat");
  }
}

void check_concats(Target target) {
  check_concat(target, {5}, 0, {3, 1, 4});
  check_concat(target, {2, 3, 4, 0}, 3, {1, 1});
  check_concat(target, {2, 3, 4, 0}, 3, {5, 0, 7});
  check_concat(target, {0, 6}, 0, {2, 3});
  check_concat(target, {3, 0, 2}, 1, {1});
  check_concat(target, {64, 20, 20, 0}, 3, {3, 4});
  const auto make = [&](const Dims& dims) { return make_view(real_of(target), dims); };
  CHECK(rejects("concat", target, {make({2}), make({2}), make({5})}, {0}) &&
        rejects("concat", target, {make({2})}, {0}));
  CHECK(rejects("concat", target, {make({2, 3}), make({2, 4}), make({4, 3})}, {0}));
  CHECK(rejects("concat", target, {make({2}), make({2}), make({4})}, {1}) &&
        rejects("concat", target, {make({4}), make({4})}));
}

void check_cast(Target target, DType from, DType to, const std::vector<double>& x,
                const std::vector<double>& y) {
  const int64_t n = static_cast<int64_t>(x.size());
  const Tensor in(from, {n}, x), out(to, {n});
  run_kernel("cast", target, {in, out});
  close(out, y, 0, 1e-7, std::string("cast ") + name_of(from) + " to " + name_of(to));
}

void check_copies(Target target) {
  const DType real = real_of(target);
  check_cast(target, DType::u8, real, {0, 1, 255}, {0, 1, 255});
  check_cast(target, DType::i32, real, {0, -7, 100'000}, {0, -7, 100'000});
  check_cast(target, DType::f32, real, {0.5, -7, 1e10}, {0.5, -7, 1e10});
  check_cast(target, DType::f64, real, {0.1, -7, 1e10}, {0.1, -7, 1e10});
  check_cast(target, real, DType::f64, {0.5, -7}, {0.5, -7});
  check_cast(target, real, DType::i32, {0.9, -1.9, NAN, 1e20, -1e20, 7},
             {0, -1, 0, 2147483647, -2147483648.0, 7});
  for (const DType dtype : kTypes) {
    for (const int64_t n : {0, 1, 33, 200'000}) {
      const Tensor x = numbered(dtype, {n}), y(dtype, {1, n});
      run_kernel("copy", target, {x, y});
      CHECK(same_bits(x, y));
    }
  }
  for (const DType dtype : {DType::u8, DType::i32, DType::f32, DType::f64}) {
    const Tensor y(dtype, {3, 7000});
    run_kernel("fill", target, {y}, {42});
    CHECK(close(y, std::vector<double>(21'000, 42), 0, 0, "fill"));
  }
  const auto make = [&](const Dims& dims) { return make_view(real_of(target), dims); };
  CHECK(rejects("copy", target, {make({4}), make({5})}) &&
        rejects("copy", target, {make({4}), make_view(DType::i32, {4})}));
  CHECK(rejects("cast", target, {make({4}), make({5})}) &&
        rejects("cast", target, {make_view(DType::i32, {4}), make_view(DType::u8, {4})}));
  CHECK(rejects("fill", target, {make_view(DType::u8, {4})}, {256}) &&
        rejects("fill", target, {make_view(DType::i32, {4})}, {0.5}));
  CHECK(rejects("fill", target, {make_view(DType::i32, {4})}, {NAN}) && rejects("fill", target, {make({4})}));
}

void check_gather(Target target) {
  for (const DType dtype : kTypes) {
    const Tensor x = numbered(dtype, {10, 3, 2}), y(dtype, {5, 3, 2});
    const Tensor good(DType::i32, {5}, {9, 0, 3, 3, 1}), bad(DType::i32, {5}, {9, 10, -1, 3, 1});
    CHECK(!run_kernel("gather_rows", target, {x, good, y}).faulted());
    std::vector<double> expected;
    for (int64_t i = 0; i < 30; ++i)
      expected.push_back(x.at(static_cast<int64_t>(good.at(i / 6)) * 6 + i % 6));
    close(y, expected, 0, 0, "gather_rows");
    const Outcome outcome = run_kernel("gather_rows", target, {x, bad, y});
    CHECK(outcome.fault() == Fault::index_out_of_range && outcome.fault_index() == 1);
    CHECK(y.at(6) == 0 && y.at(17) == 0 && y.at(29) == x.at(11));
  }
  const auto make = [&](const Dims& dims) { return make_view(real_of(target), dims); };
  const TensorView index = make_view(DType::i32, {2});
  CHECK(rejects("gather_rows", target, {make({4, 3}), index, make({3, 3})}));
  CHECK(rejects("gather_rows", target, {make({4, 3}), index, make({2, 4})}));
  CHECK(rejects("gather_rows", target, {make({4, 3}), make({2}), make({2, 3})}) &&
        rejects("gather_rows", target, {make({}), index, make({})}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    check_copies(target);
    check_permutes(target);
    check_boxes(target);
    check_concats(target);
    check_gather(target);
  });
  return report();
}
