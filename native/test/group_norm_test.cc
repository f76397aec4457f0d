// Layer, instance and group norm on every target against the naive float64 reference.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Case {
  Dims dims;
  int64_t groups;
  bool affine;
  double offset;  // mean / standard deviation of x
};

std::string describe(const Case& c, Target target) {
  std::string text = std::string(name_of(target)) + " [";
  for (const int64_t dim : c.dims) text += std::to_string(dim) + " ";
  return text + "] groups " + std::to_string(c.groups) + " affine " + std::to_string(c.affine) + " offset " +
         std::to_string(c.offset);
}

// All operands of a case on one target; inputs are the same numbers everywhere.
struct Problem {
  Problem(const Case& c, Target t)
      : affine(c.affine),
        n(numel_of(c.dims)),
        channels{c.dims.back()},
        statistics{c.dims[0], c.groups},
        x(t, c.dims, random_values(n, 1, c.offset - 1.7, c.offset + 1.7)),
        dy(t, c.dims, random_values(n, 3)),
        gamma(t, channels, random_values(channels[0], 4, 0.5, 2)),
        beta(t, channels, random_values(channels[0], 5)),
        y(t, c.dims),
        dx(t, c.dims),
        mean(t, statistics),
        var(t, statistics),
        dgamma(t, channels),
        dbeta(t, channels),
        attrs{double(c.groups), 1e-5, double(c.affine)} {}

  std::vector<TensorView> forward() const {
    if (affine) return {x, gamma, beta, y, mean, var};
    return {x, y, mean, var};
  }
  std::vector<TensorView> backward() const {
    if (affine) return {dy, x, gamma, mean, var, dx, dgamma, dbeta};
    return {dy, x, mean, var, dx};
  }

  bool affine;
  int64_t n;
  Dims channels, statistics;
  Tensor x, dy, gamma, beta, y, dx, mean, var, dgamma, dbeta;
  std::vector<double> attrs;
};

// x has |x| <= offset + 1.7 and variance about 1, so x - mean carries an error of eps (offset + 2). The few
// values of a small group may lie close together: 1 / sqrt(var + eps), at most 317, then grows.
void test_case(const Case& c) {
  const Problem ref(c, Target::ref);
  run_kernel("group_norm", Target::ref, ref.forward(), ref.attrs);
  run_kernel("group_norm_backward", Target::ref, ref.backward(), ref.attrs);
  const double count = static_cast<double>(ref.n) / static_cast<double>(numel_of(ref.statistics));
  const double rows = static_cast<double>(ref.n) / static_cast<double>(ref.channels[0]);
  for_each_target([&](Target target) {
    const Problem p(c, target);
    const std::string what = describe(c, target);
    const double eps = eps_of(target), unit = eps * (c.offset + 2), spread = count > 8 ? 1 : 300;
    run_kernel("group_norm", target, p.forward(), p.attrs);
    close(p.mean, ref.mean.values(), 4 * unit, 0, what + " mean");
    close(p.var, ref.var.values(), 8 * unit, 16 * eps * (1 + c.offset * c.offset * eps), what + " var");
    close(p.y, ref.y.values(), 24 * unit * spread, 8 * unit * spread, what + " y");
    // From the reference's statistics, so that the backward pass stands alone.
    p.mean.set(ref.mean.values());
    p.var.set(ref.var.values());
    run_kernel("group_norm_backward", target, p.backward(), p.attrs);
    close(p.dx, ref.dx.values(), 64 * unit * spread * spread, 16 * unit * spread, what + " dx");
    if (!c.affine) return;
    close(p.dgamma, ref.dgamma.values(), 4 * unit * rows * spread, 0, what + " dgamma");
    close(p.dbeta, ref.dbeta.values(), 4 * eps * rows, 0, what + " dbeta");
  });
}

void test_threads() {
  for_each_target([](Target target) {
    for (const Case& c : {Case{{300, 100}, 1, true, 1}, Case{{3, 61, 37, 12}, 4, true, 1},
                          Case{{5, 40, 41, 64}, 2, true, 1}, Case{{40, 3, 3, 32}, 32, false, 1}}) {
      const Problem p(c, target);
      for (const Tensor* out : {&p.mean, &p.var, &p.y})
        check_threads("group_norm", target, p.forward(), p.attrs, *out);
      run_kernel("group_norm", target, p.forward(), p.attrs);
      check_threads("group_norm_backward", target, p.backward(), p.attrs, p.dx);
      if (!c.affine) continue;
      for (const Tensor* out : {&p.dgamma, &p.dbeta})
        check_threads("group_norm_backward", target, p.backward(), p.attrs, *out);
    }
  });
}

// Equal values have no variance: y is beta, and gradients are finite.
void test_constant_input() {
  for_each_target([](Target target) {
    for (const Case& c :
         {Case{{2, 40}, 1, true, 0}, Case{{2, 3, 3, 6}, 3, true, 0}, Case{{2, 6}, 6, true, 0}}) {
      const Problem p(c, target);
      p.x.set(std::vector<double>(static_cast<size_t>(p.n), 1234.567));
      run_kernel("group_norm", target, p.forward(), p.attrs);
      run_kernel("group_norm_backward", target, p.backward(), p.attrs);
      std::vector<double> expected;
      for (int64_t i = 0; i < p.n; ++i) expected.push_back(p.beta.at(i % p.channels[0]));
      // The mean is rounded, and what is left of that is multiplied by 1 / sqrt(eps).
      close(p.y, expected, target == Target::ref ? 1e-9 : 0.1, 0, describe(c, target) + " constant y");
      for (int64_t i = 0; i < p.n; ++i) CHECK(std::isfinite(p.dx.at(i)));
    }
  });
}

void test_in_place() {
  for_each_target([](Target target) {
    const Case c{{3, 50, 9, 24}, 3, true, 0};
    const Problem p(c, target), q(c, target);
    run_kernel("group_norm", target, p.forward(), p.attrs);
    run_kernel("group_norm", target, {q.x, q.gamma, q.beta, q.x, q.mean, q.var}, q.attrs);
    CHECK_THAT(same_bits(p.y, q.x), name_of(target));
    run_kernel("group_norm_backward", target, p.backward(), p.attrs);
    run_kernel("group_norm_backward", target, {q.dy, p.x, q.gamma, q.mean, q.var, q.dy, q.dgamma, q.dbeta},
               q.attrs);
    CHECK_THAT(same_bits(p.dx, q.dy), name_of(target));
    CHECK_THAT(same_bits(p.dgamma, q.dgamma), name_of(target));
  });
}

void test_rejects() {
  for_each_target([](Target target) {
    const Case c{{2, 3, 3, 6}, 3, true, 0};
    const Problem p(c, target);
    for (const char* name : {"group_norm", "group_norm_backward"}) {
      const std::vector<TensorView> views = std::string(name) == "group_norm" ? p.forward() : p.backward();
      CHECK(!rejects(name, target, views, p.attrs));
      for (const std::vector<double>& attrs : std::vector<std::vector<double>>{{4, 1e-5, 1},
                                                                               {0, 1e-5, 1},
                                                                               {NAN, 1e-5, 1},
                                                                               {3, 0, 1},
                                                                               {3, NAN, 1},
                                                                               {3, 1e-5, 0},
                                                                               {3, 1e-5, 2},
                                                                               {3, 1e-5}})
        CHECK(rejects(name, target, views, attrs));
      CHECK(rejects(name, target, {}, p.attrs));
      for (size_t i = 0; i < views.size(); ++i) {
        auto wrong = views;
        --wrong[i].dims[wrong[i].rank - 1];
        CHECK_THAT(rejects(name, target, wrong, p.attrs), std::to_string(i));
        wrong = views;
        wrong[i].dtype = DType::i32;
        CHECK_THAT(rejects(name, target, wrong, p.attrs), std::to_string(i));
      }
    }
    const Case none{{0, 6}, 1, true, 0};
    const Problem empty(none, target);
    run_kernel("group_norm", target, empty.forward(), empty.attrs);
    run_kernel("group_norm_backward", target, empty.backward(), empty.attrs);
    close(empty.dgamma, std::vector<double>(6, 0), 0, 0, "no samples: dgamma");
    CHECK(rejects("group_norm", target, Problem({{2, 0, 6}, 1, true, 0}, target).forward(), {1, 1e-5, 1}));
  });
}

}  // namespace

int main() {
  for (const int64_t channels : {1, 3, 4, 7, 8, 15, 16, 17, 33, 64, 100, 1000}) {
    test_case({{5, channels}, 1, true, 0});
    test_case({{3, 5, 7, channels}, 1, true, 3});
    test_case({{3, 5, 7, channels}, channels, false, 0});
    test_case({{2, 40, 33, channels}, channels, true, 10});
  }
  for (const int64_t groups : {1, 2, 4, 12, 24, 48}) {
    test_case({{3, 5, 5, 48}, groups, true, 1});
    test_case({{2, 70, 48}, groups, false, 100});
    test_case({{2, 45, 45, 48}, groups, true, 1});
  }
  test_case({{700, 70}, 1, true, 1});
  test_case({{1, 3000, 1}, 1, true, 1});
  test_threads();
  test_constant_input();
  test_in_place();
  test_rejects();
  return report();
}
