// Pointwise functions of two tensors and `broadcast` against plain index arithmetic, over the ways
// shapes can broadcast.
#include <functional>

#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

using Function = std::function<double(double, double)>;

struct Case {
  std::string name;
  Function f;
  double ulps;
};

double larger(double a, double b) { return a != a || b != b ? std::nan("") : std::max(a, b); }
double smaller(double a, double b) { return a != a || b != b ? std::nan("") : std::min(a, b); }

std::vector<Case> cases() {
  return {{"add", std::plus<double>(), 1},
          {"sub", std::minus<double>(), 1},
          {"mul", std::multiplies<double>(), 1},
          {"div", std::divides<double>(), 1},
          {"maximum", larger, 0},
          {"minimum", smaller, 0},
          {"equal", [](double a, double b) { return a == b ? 1.0 : 0.0; }, 0}};
}

// Index into a tensor of `dims` (each y's or 1) of element i of y.
int64_t index_in(const Dims& dims, const Dims& y, int64_t i) {
  int64_t index = 0, step = 1;
  for (size_t axis = y.size(); axis-- > 0; i /= y[axis]) {
    if (dims[axis] != 1) index += i % y[axis] * step;
    step *= dims[axis];
  }
  return index;
}

struct Shapes {
  Dims a, b, y;
};

std::vector<Shapes> shapes(int64_t w) {
  std::vector<Shapes> list = {{{}, {}, {}},
                              {{0}, {1}, {0}},
                              {{2, 3, 4, 5}, {1, 1, 1, 5}, {2, 3, 4, 5}},
                              {{2, 3, 4, 5}, {2, 1, 1, 5}, {2, 3, 4, 5}},
                              {{2, 1, 4, 1}, {1, 3, 1, 5}, {2, 3, 4, 5}},
                              {{2, 3, 1, 5}, {1, 3, 4, 1}, {2, 3, 4, 5}},
                              {{1, 1}, {1, 1}, {3, 7}},
                              {{2, 1, 2, 1, 2, 3}, {1, 2, 1, 2, 1, 3}, {2, 2, 2, 2, 2, 3}},
                              {{700, 33}, {1, 33}, {700, 33}},
                              {{700, 33}, {700, 1}, {700, 33}},
                              {{90, 300}, {1, 300}, {90, 300}},
                              {{3, 9000}, {3, 1}, {3, 9000}}};
  for (const int64_t n : {int64_t{1}, w - 1, w, w + 1, int64_t{20'001}}) {
    list.push_back({{n}, {n}, {n}});
    list.push_back({{n}, {1}, {n}});
    list.push_back({{5, n}, {1, n}, {5, n}});
    list.push_back({{5, n}, {5, 1}, {5, n}});
  }
  const size_t count = list.size();
  for (size_t i = 0; i < count; ++i) list.push_back({list[i].b, list[i].a, list[i].y});
  return list;
}

std::string text(const Dims& dims) {
  std::string out = "[";
  for (const int64_t dim : dims) out += std::to_string(dim) + " ";
  return out + "]";
}

// Small integers for `equal`, so that some are equal; away from zero for `div`.
std::vector<double> values_for(const Case& c, int64_t n, uint64_t seed) {
  return c.name == "equal" ? random_integers(n, seed, 0, 2) : random_values(n, seed, 0.5, 2);
}

void check_case(const Case& c, const Shapes& s, Target target) {
  const std::string context = c.name + " on " + name_of(target) + " " + text(s.a) + text(s.b);
  const Tensor a(target, s.a, values_for(c, numel_of(s.a), 1)),
      b(target, s.b, values_for(c, numel_of(s.b), 2)), y(target, s.y);
  run_kernel(c.name, target, {a, b, y});
  std::vector<double> expected;
  for (int64_t i = 0; i < y.numel(); ++i)
    expected.push_back(c.f(a.at(index_in(s.a, s.y, i)), b.at(index_in(s.b, s.y, i))));
  const double eps = eps_of(target);
  close(y, expected, 0, c.ulps * eps, context);
  if (y.numel() > 8192) check_threads(c.name, target, {a, b, y}, {}, y);
  const Tensor& alias = s.a == s.y ? a : b;
  if (s.a != s.y && s.b != s.y) return;
  run_kernel(c.name, target, {a, b, alias});
  CHECK_THAT(same_bits(alias, y), context + " in place");
}

void check_nan(Target target) {
  const double nan = std::nan("");
  const Tensor a(target, {4}, {nan, 1, nan, 2}), b(target, {4}, {1, nan, nan, 3}), y(target, {4});
  run_kernel("maximum", target, {a, b, y});
  CHECK(close(y, {nan, nan, nan, 3}, 0, 0, "maximum with NaN"));
  run_kernel("minimum", target, {a, b, y});
  CHECK(close(y, {nan, nan, nan, 2}, 0, 0, "minimum with NaN"));
  run_kernel("equal", target, {a, a, y});
  CHECK(close(y, {0, 1, 0, 1}, 0, 0, "equal with NaN"));
}

void check_broadcast(Target target) {
  const std::vector<std::pair<Dims, Dims>> list = {{{}, {}},
                                                   {{1}, {70}},
                                                   {{1, 5}, {900, 5}},
                                                   {{900, 1}, {900, 5}},
                                                   {{2, 1, 1, 9}, {2, 40, 30, 9}},
                                                   {{7}, {7}},
                                                   {{1, 3, 1}, {2, 3, 4}},
                                                   {{1, 4}, {0, 4}}};
  for (const auto& [from, to] : list) {
    const Tensor x(target, from, random_values(numel_of(from), 5)), y(target, to);
    run_kernel("broadcast", target, {x, y}, {0.25});
    std::vector<double> expected;
    for (int64_t i = 0; i < y.numel(); ++i) expected.push_back(0.25 * x.at(index_in(from, to, i)));
    close(y, expected, 0, 0, std::string("broadcast on ") + name_of(target) + text(from));
  }
}

void check_rejections(Target target) {
  const auto make = [&](const Dims& dims) { return make_view(real_of(target), dims); };
  CHECK(rejects("add", target, {make({2}), make({3}), make({3})}));
  CHECK(rejects("add", target, {make({2}), make({1}), make({1})}));
  CHECK(rejects("add", target, {make({3}), make({1, 3}), make({1, 3})}));
  CHECK(rejects("add", target, {make({3}), make({3})}));
  CHECK(rejects("add", target, {make({3}), make_view(DType::i32, {3}), make({3})}));
  CHECK(rejects("broadcast", target, {make({2}), make({3})}, {1}) &&
        rejects("broadcast", target, {make({3}), make({3})}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    for (const Case& c : cases())
      for (const Shapes& s : shapes(lanes_of(target))) check_case(c, s, target);
    check_nan(target);
    check_broadcast(target);
    check_rejections(target);
  });
  return report();
}
