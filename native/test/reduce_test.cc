// Sums, maxima, sum of squares, argmax and accumulators against plain double loops, over every way axes can
// be reduced.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Shapes {
  Dims x, y;
};

std::vector<Shapes> shapes(int64_t w) {
  std::vector<Shapes> list = {
      {{}, {}},
      {{1, 1}, {1, 1}},
      {{3, 5}, {3, 5}},
      {{0, 5}, {1, 5}},
      {{5, 0}, {5, 1}},
      {{0, 5}, {0, 1}},
      {{2, 3, 4, 5}, {1, 1, 1, 5}},
      {{2, 3, 4, 5}, {2, 1, 1, 5}},
      {{2, 3, 4, 5}, {1, 3, 1, 5}},
      {{2, 3, 4, 5}, {1, 3, 1, 1}},
      {{2, 3, 4, 5}, {2, 1, 4, 1}},
      {{2, 3, 4, 5}, {1, 1, 1, 1}},
      {{2, 3, 2, 3, 2, 3}, {1, 3, 1, 3, 1, 3}},
      {{2, 3, 2, 3, 2, 3}, {2, 1, 2, 1, 2, 1}},
      {{16, 20, 20, 16}, {1, 1, 1, 16}},
      {{16, 20, 20, 16}, {16, 1, 1, 16}},
      {{9, 300, 70}, {1, 300, 1}},
      {{40'000}, {1}},
      {{3, 30'000}, {3, 1}},
      {{500, 10}, {500, 1}},
      {{5000, 3}, {1, 3}},
      {{700, 2000}, {1, 2000}},
  };
  for (const int64_t n : {w - 1, w, w + 1, 4 * w, 4 * w + 1, 5 * w + 3}) {
    list.push_back({{7, n}, {7, 1}});
    list.push_back({{7, n}, {1, n}});
    list.push_back({{n}, {1}});
  }
  return list;
}

int64_t output_index(const Shapes& s, int64_t i) {
  int64_t index = 0, step = 1;
  for (size_t axis = s.x.size(); axis-- > 0; i /= s.x[axis]) {
    if (s.y[axis] != 1) index += i % s.x[axis] * step;
    step *= s.y[axis];
  }
  return index;
}

std::string context_of(const char* name, Target target, const Shapes& s) {
  std::string out = std::string(name) + " on " + name_of(target) + " [";
  for (const int64_t dim : s.x) out.append(std::to_string(dim)).append(1, ' ');
  out.append("] -> [");
  for (const int64_t dim : s.y) out.append(std::to_string(dim)).append(1, ' ');
  return out.append("]");
}

void check_sum(Target target, const Shapes& s) {
  const std::string context = context_of("reduce_sum", target, s);
  const int64_t n = numel_of(s.x);
  const Tensor exact(target, s.x, random_integers(n, 1, -20, 20)), x(target, s.x, random_values(n, 2)),
      y(target, s.y);
  std::vector<double> expected(static_cast<size_t>(y.numel())), rough = expected;
  for (int64_t i = 0; i < n; ++i) {
    expected[static_cast<size_t>(output_index(s, i))] += 0.5 * exact.at(i);
    rough[static_cast<size_t>(output_index(s, i))] += -3 * x.at(i);
  }
  run_kernel("reduce_sum", target, {exact, y}, {0.5});
  close(y, expected, 0, 0, context + " of integers");
  run_kernel("reduce_sum", target, {x, y}, {-3});
  const double terms = static_cast<double>(n) / static_cast<double>(std::max<int64_t>(1, y.numel()));
  close(y, rough, 3 * eps_of(target) * (2 + 0.3 * terms), 4 * eps_of(target), context);
  check_threads("reduce_sum", target, {x, y}, {-3}, y);
}

void check_max(Target target, const Shapes& s) {
  const int64_t n = numel_of(s.x);
  if (n == 0) return;
  const Tensor x(target, s.x, random_values(n, 3, -9, -1)), y(target, s.y);
  if (n > 20) x.put(n / 3, std::nan(""));
  std::vector<double> expected(static_cast<size_t>(y.numel()), -INFINITY);
  for (int64_t i = 0; i < n; ++i) {
    double& best = expected[static_cast<size_t>(output_index(s, i))];
    if (x.at(i) > best || std::isnan(x.at(i))) best = x.at(i);
  }
  run_kernel("reduce_max", target, {x, y});
  close(y, expected, 0, 0, context_of("reduce_max", target, s));
  check_threads("reduce_max", target, {x, y}, {}, y);
}

// A long sum of equal numbers: a float accumulator alone would drift by parts in a thousand.
void check_long_sum(Target target) {
  const int64_t n = 3'000'000;
  const double value = static_cast<float>(0.1);
  const Tensor x(target, {n}, std::vector<double>(n, value)), y(target, {1});
  run_kernel("reduce_sum", target, {x, y}, {1});
  close(y, {static_cast<double>(n) * value}, 0, target == Target::ref ? 1e-12 : 1e-5, "long sum");
  const Tensor rows(target, {n / 3, 3}, std::vector<double>(n, value)), sums(target, {1, 3});
  run_kernel("reduce_sum", target, {rows, sums}, {1});
  const double third = static_cast<double>(n) / 3 * value;
  close(sums, {third, third, third}, 0, target == Target::ref ? 1e-12 : 1e-5, "long column sums");
}

void check_sum_squares(Target target) {
  std::vector<Tensor> tensors;
  std::vector<TensorView> views;
  double expected = 0;
  for (const int64_t n : {5, 0, 40'000, 1, 17, 16'384, 33'000}) {
    tensors.emplace_back(target, Dims{n}, random_values(n, static_cast<uint64_t>(n)));
    views.push_back(tensors.back());
    for (const double value : tensors.back().values()) expected += value * value;
  }
  const Tensor y(target, {});
  views.push_back(y);
  run_kernel("sum_squares", target, views);
  close(y, {expected}, 0, target == Target::ref ? 1e-13 : 1.2e-7, "sum_squares");
  check_threads("sum_squares", target, views, {}, y);
  const Tensor large(target, {2}, {3e20, 4e20});
  run_kernel("sum_squares", target, {large, y});
  CHECK(target == Target::ref ? std::fabs(y.at(0) / 25e40 - 1) < 1e-6 : std::isinf(y.at(0)));
  CHECK(rejects("sum_squares", target, {y}) && rejects("sum_squares", target, {large, large}));
}

void check_argmax(Target target) {
  const double nan = std::nan("");
  const Tensor x(target, {2, 2, 3}, {1, 3, 3, -1, -2, -1, 0, nan, 5, nan, nan, 9}), y(DType::i32, {2, 2});
  run_kernel("argmax", target, {x, y});
  close(y, {1, 0, 1, 0}, 0, 0, "argmax");
  const Tensor wide(target, {4000, 10}, random_integers(40'000, 4, 0, 5)), best(DType::i32, {4000});
  run_kernel("argmax", target, {wide, best});
  std::vector<double> expected;
  const auto values = wide.values();
  for (int64_t row = 0; row < 4000; ++row) {
    const auto begin = values.begin() + row * 10;
    expected.push_back(static_cast<double>(std::max_element(begin, begin + 10) - begin));
  }
  close(best, expected, 0, 0, "argmax of rows");
  CHECK(rejects("argmax", target, {x, best}) &&
        rejects("argmax", target, {make_view(real_of(target), {4, 0}), make_view(DType::i32, {4})}));
}

void check_accumulate(Target target) {
  const Tensor acc(DType::f64, {3}, {1, 2, 1e-9}), x(target, {3}, {0.5, -2, 1e8});
  run_kernel("accumulate", target, {acc, x, acc});
  close(acc, {1.5, 0, 1e8 + 1e-9}, 0, 0, "accumulate");
  CHECK(rejects("accumulate", target, {acc, acc, Tensor(DType::f64, {2})}));
}

void check_rejections(Target target) {
  const auto make = [&](const Dims& dims) { return make_view(real_of(target), dims); };
  CHECK(rejects("reduce_sum", target, {make({4, 3}), make({3})}, {1}) &&
        rejects("reduce_sum", target, {make({4}), make({2})}, {1}));
  CHECK(rejects("reduce_sum", target, {make({4}), make({1})}) &&
        rejects("reduce_max", target, {make({0, 3}), make({1, 3})}));
  CHECK(rejects("reduce_sum", target, {make({1}), make({4})}, {1}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    for (const Shapes& s : shapes(lanes_of(target))) {
      check_sum(target, s);
      check_max(target, s);
    }
    check_long_sum(target);
    check_sum_squares(target);
    check_argmax(target);
    check_accumulate(target);
    check_rejections(target);
  });
  return report();
}
