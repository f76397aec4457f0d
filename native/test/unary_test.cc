// Pointwise functions of one tensor against std:: in double, special values, every length around the vector
// width, dropout.
#include <functional>

#include "base/philox.h"
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

using Function = std::function<double(double)>;
using Gradient = std::function<double(double)>;  // of the saved tensor: what dy is multiplied by

struct Case {
  std::string name;
  std::vector<double> attrs;
  Function f;
  Gradient df;       // empty: no backward kernel
  bool from_output;  // df takes y instead of x
  double low, high;  // of random inputs
  double ulps;       // allowed, forward
  double absolute;   // allowed besides, in units of eps
};

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double normal_density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * std::acos(-1.0)); }
double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double step(bool on) { return on ? 1.0 : 0.0; }

std::vector<Case> cases() {
  const auto nan_max = [](double a, double b) { return a != a ? a : a > b ? a : b; };
  return {
      {"relu",
       {},
       [=](double x) { return nan_max(x, 0); },
       [](double y) { return step(y > 0); },
       true,
       -3,
       3,
       0,
       0},
      {"relu6",
       {},
       [=](double x) { return x != x ? x : std::min(nan_max(x, 0), 6.0); },
       [](double y) { return step(y > 0 && y < 6); },
       true,
       -9,
       9,
       0,
       0},
      {"tanh",
       {},
       [](double x) { return std::tanh(x); },
       [](double y) { return 1 - y * y; },
       true,
       -10,
       10,
       3,
       0},
      {"sigmoid", {}, logistic, [](double y) { return y * (1 - y); }, true, -30, 30, 4, 0},
      {"exp", {}, [](double x) { return std::exp(x); }, [](double y) { return y; }, true, -86, 88, 2, 0},
      {"sqrt",
       {},
       [](double x) { return std::sqrt(x); },
       [](double y) { return 0.5 / y; },
       true,
       0,
       100,
       1,
       0},
      {"leaky_relu",
       {0.125},
       [](double x) { return x > 0 ? x : 0.125 * x; },
       [](double x) { return x > 0 ? 1 : 0.125; },
       false,
       -3,
       3,
       1,
       0},
      {"elu",
       {0.75},
       [](double x) { return x > 0 ? x : 0.75 * std::expm1(x); },
       [](double x) { return x > 0 ? 1 : 0.75 * std::exp(x); },
       false,
       -10,
       3,
       4,
       0},
      {"gelu",
       {},
       [](double x) { return x * normal_cdf(x); },
       [](double x) { return normal_cdf(x) + x * normal_density(x); },
       false,
       -6,
       6,
       4,
       4},
      {"silu",
       {},
       [](double x) { return x * logistic(x); },
       [](double x) { return logistic(x) * (1 + x * (1 - logistic(x))); },
       false,
       -20,
       20,
       5,
       0},
      {"log",
       {},
       [](double x) { return std::log(x); },
       [](double x) { return 1 / x; },
       false,
       1e-3,
       50,
       2,
       0.5},
      {"square", {}, [](double x) { return x * x; }, [](double x) { return 2 * x; }, false, -3, 3, 1, 0},
      {"abs",
       {},
       [](double x) { return std::fabs(x); },
       [](double x) { return x > 0   ? 1
                             : x < 0 ? -1
                                     : 0; },
       false,
       -3,
       3,
       0,
       0},
      {"softplus",
       {},
       [](double x) { return x != x ? x : std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); },
       {},
       false,
       -30,
       30,
       5,
       0},
      {"neg", {}, [](double x) { return -x; }, {}, false, -3, 3, 0, 0},
      {"affine", {3, -0.5}, [](double x) { return 3 * x - 0.5; }, {}, false, -3, 3, 2, 1},
  };
}

std::vector<double> mapped(const std::vector<double>& x, const Function& f) {
  std::vector<double> y;
  for (const double value : x) y.push_back(f(value));
  return y;
}

void check_forward(const Case& c, Target target, int64_t n) {
  const std::string context = c.name + " on " + name_of(target) + ", n = " + std::to_string(n);
  const auto values = random_values(n, 7 + static_cast<uint64_t>(n), c.low, c.high);
  const Tensor x(target, {n}, values), y(target, {n});
  run_kernel(c.name, target, {x, y}, c.attrs);
  const double eps = eps_of(target);
  close(y, mapped(values, c.f), c.absolute * eps, c.ulps * eps, context);
  const Tensor in_place(target, {n}, values);
  run_kernel(c.name, target, {in_place, in_place}, c.attrs);
  CHECK_THAT(same_bits(in_place, y), context + " in place");
}

void check_backward(const Case& c, Target target, int64_t n) {
  const std::string name = c.name + "_backward";
  const std::string context = name + " on " + name_of(target) + ", n = " + std::to_string(n);
  const auto x = random_values(n, 11, c.low, c.high), dy = random_values(n, 12);
  const Tensor saved(target, {n}, c.from_output ? mapped(x, c.f) : x), grad(target, {n}, dy), dx(target, {n});
  std::vector<double> expected;
  double largest = 1;
  for (int64_t i = 0; i < n; ++i) {
    const double slope = c.df(saved.at(i));
    expected.push_back(dy[static_cast<size_t>(i)] * slope);
    largest = std::max(largest, std::fabs(slope));
  }
  run_kernel(name, target, {grad, saved, dx}, c.attrs);
  close(dx, expected, (c.name == "abs" ? 0 : 4) * eps_of(target) * std::min(largest, 8.0), 8 * eps_of(target),
        context);
  run_kernel(name, target, {grad, saved, grad}, c.attrs);
  CHECK_THAT(same_bits(grad, dx), context + " in place");
}

// Where std:: says infinity, zero or NaN, so must every target; and nothing may be lost at the ends of a
// function's range.
void check_special(const Case& c, Target target) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  const std::vector<double> x = {0.0,   -0.0,  inf,  -inf,  nan,   1e-30, -1e-30, 1e-6, -1e-6,
                                 0.624, 0.626, 0.34, 0.341, -0.34, 80,    88.5,   -80,  -87,
                                 9,     -9,    19,   -19,   0.7,   1.42,  1.41,   0.71};
  const bool gelu = c.name == "gelu" || c.name == "silu";  // -inf * 0 is NaN, in PyTorch too
  const int64_t n = static_cast<int64_t>(x.size());
  const Tensor in(target, {n}, x), y(target, {n});
  run_kernel(c.name, target, {in, y}, c.attrs);
  std::vector<double> expected = mapped(in.values(), c.f);
  for (double& value : expected)
    if (real_of(target) == DType::f32 && std::fabs(value) > std::numeric_limits<float>::max())
      value = std::copysign(inf, value);
  if (gelu) expected[3] = nan;
  const double eps = eps_of(target);
  close(y, expected, (c.absolute + 1e-25) * eps, (c.ulps + 1) * eps,
        c.name + " special on " + name_of(target));
}

// Every exponent, densely: the worst error in units of eps, relative.
void check_sweep(const std::string& name, const Function& f, double low, double high, double ulps) {
  const int64_t n = 200'003;
  std::vector<double> x;
  for (int64_t i = 0; i < n; ++i)
    x.push_back(static_cast<float>(low + (high - low) * static_cast<double>(i) / (n - 1)));
  for_each_target([&](Target target) {
    const Tensor in(target, {n}, x), y(target, {n});
    run_kernel(name, target, {in, y});
    double worst = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double want = f(in.at(i)), error = std::fabs(y.at(i) - want) / (std::fabs(want) + 1e-37);
      if (!(error <= worst)) worst = error;
    }
    worst /= eps_of(target);
    if (!CHECK_THAT(worst <= ulps, name + " on " + name_of(target)))
      std::printf("%s: %g eps\n", name.c_str(), worst);
  });
}

void check_limits() {
  for_each_target([](Target target) {
    const Tensor x(target, {6}, {1000, -1000, 90, -110, 30, -30});
    const Tensor y(target, {6});
    run_kernel("tanh", target, {x, y});
    CHECK(close(y, {1, -1, 1, -1, 1, -1}, 0, 0, "tanh saturates"));
    run_kernel("sigmoid", target, {x, y});
    CHECK(y.at(0) == 1 && y.at(1) == 0);
    run_kernel("exp", target, {x, y});
    CHECK(std::isinf(y.at(0)) && y.at(1) == 0);
    const Tensor z(target, {2}, {-1, 1e-40}), w(target, {2});
    run_kernel("log", target, {z, w});
    CHECK(std::isnan(w.at(0)) && std::fabs(w.at(1) - std::log(z.at(1))) < 1e-4);
    const Tensor v(DType::f64, {}, {2.5}), s(target, {});
    run_kernel("from_scalar", target, {v, s});
    CHECK(s.at(0) == 2.5);
    CHECK(rejects("relu", target, {x, w}) && rejects("relu", target, {x, x, x}) &&
          rejects("elu", target, {x, y}));
    CHECK(rejects("relu", target, {Tensor(DType::i32, {6}), y}) && rejects("from_scalar", target, {s, x}));
    CHECK(rejects("tanh_backward", target, {x, w, y}));
  });
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    const int64_t w = lanes_of(target);
    for (const Case& c : cases()) {
      for (const int64_t n : {int64_t{0}, int64_t{1}, w - 1, w, w + 1, int64_t{37}, int64_t{20'001}}) {
        check_forward(c, target, n);
        if (c.df) check_backward(c, target, n);
      }
      check_special(c, target);
      const int64_t n = 40'001;
      const Tensor x(target, {n}, random_values(n, 3, c.low, c.high)), y(target, {n});
      check_threads(c.name, target, {x, y}, c.attrs, y);
    }
  });
  check_sweep(
      "exp", [](double x) { return std::exp(x); }, -87, 88.7, 2);
  check_sweep(
      "exp", [](double x) { return std::exp(x); }, -1, 1, 2);
  check_sweep(
      "log", [](double x) { return std::log(x); }, 1e-6, 0.9, 2);
  check_sweep(
      "log", [](double x) { return std::log(x); }, 0.9, 1.1, 2);
  check_sweep(
      "log", [](double x) { return std::log(x); }, 1.1, 1e30, 2);
  check_sweep(
      "tanh", [](double x) { return std::tanh(x); }, -1.5, 1.5, 3);
  check_sweep("sigmoid", logistic, -80, 20, 4);
  check_limits();
  return report();
}
