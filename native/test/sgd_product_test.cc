// The SGD step with a gradient that is never stored: the bits of matmul followed by sgd, on every target; its
// norm against a plain double loop.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Case {
  int64_t m, n, k;
  bool nesterov, momentum;
};

std::string describe(const Case& c, Target target) {
  return std::string(name_of(target)) + " " + std::to_string(c.m) + "x" + std::to_string(c.n) + " of " +
         std::to_string(c.k) +
         (c.nesterov   ? " nesterov"
          : c.momentum ? " momentum"
                       : "");
}

std::vector<Tensor> scalars_at(double step) {
  std::vector<Tensor> scalars;
  for (const double value : {0.1, 0.9, 0.25, 5e-4, step})
    scalars.emplace_back(DType::f64, Dims{}, std::vector<double>{value});
  return scalars;
}

// `steps` and `decoupled` are the flags of those names.
void check_step(const Case& c, Target target, double step, double steps = 0, double decoupled = 0) {
  const Dims dims{c.m, c.n};
  const Tensor a(target, {c.k, c.m}, random_values(c.k * c.m, 1)),
      b(target, {c.k, c.n}, random_values(c.k * c.n, 2)), w(target, dims, random_values(c.m * c.n, 3)),
      v(target, dims, random_values(c.m * c.n, 4)), g(target, dims), w1(target, dims), v1(target, dims),
      w2(target, dims), v2(target, dims);
  const std::vector<Tensor> scalars = scalars_at(step);
  const double nesterov = c.nesterov, momentum = c.momentum;
  run_kernel("matmul", target, {a, b, g}, {1, 0, 0, 0});
  std::vector<TensorView> apart(scalars.begin(), scalars.end()), fused = apart;
  apart.insert(apart.end(), {w, g});
  fused.insert(fused.end(), {w, a, b});
  if (c.momentum) apart.push_back(v), fused.push_back(v);
  apart.push_back(w1), fused.push_back(w2);
  if (c.momentum) apart.push_back(v1), fused.push_back(v2);
  run_kernel("sgd", target, apart, {nesterov, momentum, steps, decoupled, 0});
  run_kernel("sgd_product", target, fused, {nesterov, momentum, steps, decoupled});
  // The reference's matrix product is written apart, in another order.
  const double tolerance = target == Target::ref ? 1e-14 * static_cast<double>(c.k) : 0;
  close(w2, w1.values(), tolerance, 0, describe(c, target) + " w");
  if (c.momentum) close(v2, v1.values(), tolerance, 0, describe(c, target) + " v");
  check_threads("sgd_product", target, fused, {nesterov, momentum, steps, decoupled}, w2);
  std::vector<TensorView> in_place = fused;  // onto the old weights and velocities
  in_place[in_place.size() - (c.momentum ? 2 : 1)] = w;
  if (c.momentum) in_place.back() = v;
  run_kernel("sgd_product", target, in_place, {nesterov, momentum, steps, decoupled});
  CHECK_THAT(same_bits(w, w2), describe(c, target) + " in place");
}

void check_norm(Target target, int64_t m, int64_t n, int64_t k) {
  const auto a = random_values(k * m, 5), b = random_values(k * n, 6);
  double expected = 0;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < k; ++p)
        sum += a[static_cast<size_t>(p * m + i)] * b[static_cast<size_t>(p * n + j)];
      expected += sum * sum;
    }
  }
  const Tensor ta(target, {k, m}, a), tb(target, {k, n}, b), y(target, {});
  run_kernel("product_squares", target, {ta, tb, y});
  close(y, {expected}, 1e-12 * static_cast<double>(m * n * k), eps_of(target),
        std::string("product_squares on ") + name_of(target));
  check_threads("product_squares", target, {ta, tb, y}, {}, y);
}

// Whatever is not finite in a factor shows in the norm, also where the other factor is zero.
void check_not_finite(Target target) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), kInfinity, -kInfinity}) {
    for (const double other : {0.0, 1.0}) {
      std::vector<double> a(2 * 5, other), b(2 * 7, 1);
      b[9] = bad;
      const Tensor ta(target, {2, 5}, a), tb(target, {2, 7}, b), y(target, {});
      run_kernel("product_squares", target, {ta, tb, y});
      CHECK_THAT(!std::isfinite(y.at(0)), name_of(target));
      run_kernel("product_squares", target, {tb, ta, y});
      CHECK_THAT(!std::isfinite(y.at(0)), name_of(target));
    }
  }
}

void check_rejections(Target target) {
  const std::vector<Tensor> scalars = scalars_at(1);
  const Tensor a(target, {3, 4}), b(target, {3, 5}), w(target, {4, 5}), y(target, {}), wide(target, {65, 4});
  std::vector<TensorView> views(scalars.begin(), scalars.end());
  views.insert(views.end(), {w, a, b, w});
  CHECK(!rejects("sgd_product", target, views, {0, 0, 0, 0}));
  CHECK(rejects("sgd_product", target, views, {0, 1, 0, 0}));
  CHECK(rejects("sgd_product", target, views, {0}));
  for (size_t i = 0; i < views.size(); ++i) {
    auto wrong = views;
    wrong[i].dtype = DType::i32;
    CHECK_THAT(rejects("sgd_product", target, wrong, {0, 0, 0, 0}), std::to_string(i));
    if (i < 5) continue;
    for (int axis : {0, 1}) {
      wrong = views;
      ++wrong[i].dims[axis];
      CHECK_THAT(rejects("sgd_product", target, wrong, {0, 0, 0, 0}), std::to_string(i));
    }
  }
  CHECK(rejects("product_squares", target, {wide, wide, y}));
  CHECK(rejects("product_squares", target, {a, w, y}));
  CHECK(rejects("product_squares", target, {a, b, a}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    const int64_t w = lanes_of(target);
    for (const int64_t n : {int64_t{1}, w - 1, w, w + 1, 2 * w, 3 * w + 1, int64_t{1030}}) {
      for (const Case& c :
           {Case{1, n, 1, false, false}, Case{7, n, 16, false, true}, Case{13, n, 3, true, true},
            Case{61, n, 64, false, false}, Case{12, n, 0, false, true}}) {
        for (const double step : {1.0, 2.0}) check_step(c, target, step);
        check_step(c, target, 2, 1, 1);
      }
    }
    check_norm(target, 5, 7, 1);
    check_norm(target, 33, 100, 17);
    check_norm(target, 16, 3, 64);
    check_norm(target, 4, 4, 0);
    check_not_finite(target);
    check_rejections(target);
  });
  return report();
}
