// Batch norm on every target against the naive float64 reference.
#include <utility>

#include "kernels/streamed_bytes.h"
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Case {
  Dims dims;
  int activation;  // 1 relu, 2 relu6
  bool residual;
  double offset;  // mean / standard deviation of x
  bool addend = false;

  // gamma is at most twice this: outputs behind relu6 reach beyond 6.
  double reach() const { return activation == 2 ? 4 : 1; }
};

std::string describe(const Case& c, Target target) {
  std::string text = std::string(name_of(target)) + " [";
  for (const int64_t dim : c.dims) text += std::to_string(dim) + " ";
  return text + "] activation " + std::to_string(c.activation) + " residual " + std::to_string(c.residual) +
         " offset " + std::to_string(c.offset) + " addend " + std::to_string(c.addend);
}

// All operands of a case on one target; inputs are the same numbers everywhere.
struct Problem {
  Problem(const Case& c, Target t)
      : target(t),
        channels{c.dims.back()},
        n(numel_of(c.dims)),
        x(t, c.dims, random_values(n, 1, c.offset - 1.7, c.offset + 1.7)),
        residual(t, c.dims, random_values(n, 2)),
        dy(t, c.dims, random_values(n, 3)),
        addend(t, c.dims, random_values(n, 6)),
        gamma(t, channels, random_values(channels[0], 4, 0.5, 2 * c.reach())),
        beta(t, channels, random_values(channels[0], 5)),
        y(t, c.dims),
        dx(t, c.dims),
        dresidual(t, c.dims),
        mean(t, channels),
        var(t, channels),
        dgamma(t, channels),
        dbeta(t, channels),
        attrs{1e-5, double(c.activation), double(c.residual)},
        // The mask from y: 1 for relu, 3 for relu6.
        backward_attrs{1e-5, c.activation == 2 ? 3.0 : double(c.activation), double(c.residual),
                       double(c.addend)} {}

  std::vector<TensorView> forward(const Case& c, bool train) const {
    std::vector<TensorView> views{x, gamma, beta};
    if (!train) views.insert(views.end(), {mean, var});
    if (c.residual) views.push_back(residual);
    views.push_back(y);
    if (train) views.insert(views.end(), {mean, var});
    return views;
  }
  std::vector<TensorView> backward(const Case& c) const {
    std::vector<TensorView> views{dy, x, gamma, mean, var};
    if (c.activation != 0) views.push_back(y);
    if (c.addend) views.push_back(addend);
    views.insert(views.end(), {dx, dgamma, dbeta});
    if (c.residual) views.push_back(dresidual);
    return views;
  }

  Target target;
  Dims channels;
  int64_t n;
  Tensor x, residual, dy, addend, gamma, beta, y, dx, dresidual, mean, var, dgamma, dbeta;
  std::vector<double> attrs, backward_attrs;
};

// x has |x| <= offset + 1.7 and variance about 1, so x - mean carries an error of eps (offset + 2).
void test_forward(const Case& c, Target target, const Problem& ref, const Problem& p) {
  const std::string what = describe(c, target);
  const double unit = eps_of(target) * (c.offset + 2);
  run_kernel("batch_norm_train", target, p.forward(c, true), p.attrs);
  const double rows = static_cast<double>(p.n) / p.channels[0];
  const double spread =
      c.reach() * (rows > 3 ? 1 : 300);  // few rows may lie close together: 1 / sqrt(var + eps) grows
  close(p.mean, ref.mean.values(), 4 * unit, 0, what + " mean");
  close(p.var, ref.var.values(), 8 * unit, 16 * eps_of(target) * (1 + c.offset * c.offset * eps_of(target)),
        what + " var");
  close(p.y, ref.y.values(), 24 * unit * spread, 8 * unit * spread, what + " y");
}

constexpr const char* kBackward[] = {"batch_norm_backward", "batch_norm_eval_backward"};

struct Gradients {
  std::vector<double> dx, dgamma, dbeta, dresidual;
};

Gradients gradients_of(const Case& c, const Problem& ref, const char* name) {
  run_kernel(name, ref.target, ref.backward(c), ref.backward_attrs);
  return {ref.dx.values(), ref.dgamma.values(), ref.dbeta.values(), ref.dresidual.values()};
}

// dx may take the memory of dy, which is read before.
void test_in_place(const Case& c, const Problem& p, const char* name, const std::string& what) {
  const std::vector<double> dx = p.dx.values(), dy = p.dy.values();
  std::vector<TensorView> views = p.backward(c);
  views[views.size() - 3 - c.residual] = p.dy;
  run_kernel(name, p.target, views, p.backward_attrs);
  close(p.dy, dx, 0, 0, what + " dx in place of dy");
  p.dy.set(dy);
}

// Backward starts from the reference's statistics and output, so that no relu is decided otherwise.
void test_backward(const Case& c, const Problem& p, const Gradients& expected, const char* name) {
  const std::string what = describe(c, p.target) + " " + name;
  run_kernel(name, p.target, p.backward(c), p.backward_attrs);
  const double rows = static_cast<double>(p.n) / p.channels[0];
  const double unit = eps_of(p.target) * (c.offset + 2), spread = c.reach() * (rows > 3 ? 1 : 1e4);
  close(p.dgamma, expected.dgamma, 4 * unit * rows * spread, 0, what + " dgamma");
  close(p.dbeta, expected.dbeta, 4 * eps_of(p.target) * rows, 0, what + " dbeta");
  close(p.dx, expected.dx, 64 * unit * spread, 16 * unit * spread, what + " dx");
  if (c.residual)
    close(p.dresidual, expected.dresidual, c.addend ? eps_of(p.target) : 0, 0, what + " dresidual");
  test_in_place(c, p, name, what);
}

void test_case(const Case& c) {
  const Problem ref(c, Target::ref);
  run_kernel("batch_norm_train", Target::ref, ref.forward(c, true), ref.attrs);
  const std::vector<double> y = ref.y.values();
  CHECK(c.activation != 2 || c.dims.back() < 7 || std::count(y.begin(), y.end(), 6.0) > 0);
  std::vector<Gradients> gradients;
  for (const char* name : kBackward) gradients.push_back(gradients_of(c, ref, name));
  for_each_target([&](Target target) {
    const Problem p(c, target);
    test_forward(c, target, ref, p);
    p.mean.set(ref.mean.values());
    p.var.set(ref.var.values());
    run_kernel("batch_norm_eval", target, p.forward(c, false), p.attrs);
    const double unit =
        eps_of(target) * (c.offset + 2) * (numel_of(c.dims) / c.dims.back() > 3 ? 1 : 300) * c.reach();
    close(p.y, y, 24 * unit, 8 * unit, describe(c, target) + " eval y");
    p.y.set(y);
    for (size_t i = 0; i < gradients.size(); ++i) test_backward(c, p, gradients[i], kBackward[i]);
  });
}

// The mask that is computed again from x and beta is the sign of y: the same bits, wherever there
// is no residual.
void test_recomputed_mask() {
  for_each_target([](Target target) {
    for (const int64_t channels : {3, 8, 16, 20, 100, 103, 108}) {
      const Case c{{3, 9, 11, channels}, channels > 100 ? 2 : 1, false, 3};
      const Problem p(c, target);
      run_kernel("batch_norm_train", target, p.forward(c, true), p.attrs);
      for (const char* name : kBackward) {
        run_kernel(name, target, p.backward(c), p.backward_attrs);
        const auto dx = p.dx.values(), dgamma = p.dgamma.values(), dbeta = p.dbeta.values();
        std::vector<TensorView> views = p.backward(c);
        views[5] = p.beta;
        const std::vector<double> attrs = {p.attrs[0], p.backward_attrs[1] + 1, 0, 0};
        run_kernel(name, target, views, attrs);
        const std::string what = describe(c, target) + " recomputed mask ";
        close(p.dx, dx, 0, 0, what + "dx");
        close(p.dgamma, dgamma, 0, 0, what + "dgamma");
        close(p.dbeta, dbeta, 0, 0, what + "dbeta");
        views[5] = p.y;
        CHECK(rejects(name, target, views, attrs));
      }
    }
  });
}

void test_threads() {
  for_each_target([](Target target) {
    for (const int64_t channels : {3, 16, 100}) {
      const Case c{{4, 37, 41, channels}, true, true, 1, channels == 16};
      const Problem p(c, target);
      for (const Tensor* out : {&p.mean, &p.var, &p.y}) {
        check_threads("batch_norm_train", target, p.forward(c, true), p.attrs, *out);
      }
      for (const Tensor* out : {&p.dx, &p.dgamma, &p.dbeta, &p.dresidual}) {
        check_threads("batch_norm_backward", target, p.backward(c), p.backward_attrs, *out);
      }
    }
  });
}

// Statistics hold their relative accuracy where the mean is far larger than the deviation, also
// over many rows.
void test_far_mean() {
  const Dims dims{8, 64, 64, 16};
  const Case c{dims, false, false, 100};
  const Problem ref(c, Target::ref);
  run_kernel("batch_norm_train", Target::ref, ref.forward(c, true), ref.attrs);
  for_each_target([&](Target target) {
    const Problem p(c, target);
    run_kernel("batch_norm_train", target, p.forward(c, true), p.attrs);
    close(p.mean, ref.mean.values(), 0, 2 * eps_of(target), "far mean: mean");
    close(p.var, ref.var.values(), 0, 8 * eps_of(target), std::string(name_of(target)) + " far mean: var");
  });
}

// Outputs as those of 16 MiB and more are written: half a MiB here.
void test_streamed() {
  const int64_t usual = std::exchange(streamed_bytes, int64_t{1} << 18);
  test_case({{8, 16, 16, 64}, 1, false, 0});
  test_case({{8, 16, 16, 64}, 2, false, 0});
  test_case({{8, 16, 16, 64}, 1, true, 0, true});
  streamed_bytes = usual;
}

void test_running() {
  for_each_target([](Target target) {
    const Tensor momentum(DType::f64, {}, {0.1});
    const Tensor mean(target, {2}, {1, -2}), var(target, {2}, {4, 8}), batch_mean(target, {2}, {3, 0}),
        batch_var(target, {2}, {2, 6});
    const std::vector<TensorView> views{mean, var, batch_mean, batch_var, momentum, mean, var};
    run_kernel("batch_norm_running", target, views, {4});
    const double eps = 4 * eps_of(target);
    close(mean, {0.9 * 1 + 0.1 * 3, 0.9 * -2}, eps, eps, "running mean");
    close(var, {0.9 * 4 + 0.1 * 2 * 4 / 3, 0.9 * 8 + 0.1 * 6 * 4 / 3}, eps, eps, "running var, unbiased");
    CHECK(rejects("batch_norm_running", target, views, {0}));
    CHECK(rejects("batch_norm_running", target, views, {NAN}));
  });
}

void test_rejects() {
  for_each_target([](Target target) {
    const Case c{{2, 3, 3, 5}, true, true, 0, true};
    const Problem p(c, target);
    auto views = p.forward(c, true);
    CHECK(!rejects("batch_norm_train", target, views, p.attrs));
    for (const double bad : {3.0, -1.0, 0.5, double(NAN)})
      CHECK(rejects("batch_norm_train", target, views, {1e-5, bad, 1}));
    CHECK(rejects("batch_norm_train", target, views, {1e-5, 1, 0}));
    CHECK(rejects("batch_norm_train", target, views, {-1, 1, 1}));
    CHECK(rejects("batch_norm_train", target, views, {1e-5, 1}));
    CHECK(rejects("batch_norm_train", target, {}, p.attrs));
    for (size_t i = 0; i < views.size(); ++i) {
      auto wrong = views;
      --wrong[i].dims[wrong[i].rank - 1];
      CHECK_THAT(rejects("batch_norm_train", target, wrong, p.attrs), std::to_string(i));
      wrong = views;
      wrong[i].dtype = DType::i32;
      CHECK_THAT(rejects("batch_norm_train", target, wrong, p.attrs), std::to_string(i));
    }
    views = p.backward(c);
    CHECK(!rejects("batch_norm_backward", target, views, p.backward_attrs));
    for (const double bad : {2.0, 4.0, 5.0, -1.0, 0.5, double(NAN)})
      CHECK(rejects("batch_norm_backward", target, views, {1e-5, bad, 1, 1}));
    CHECK(rejects("batch_norm_backward", target, views, {1e-5, 1, 1, 0}));
    CHECK(rejects("batch_norm_backward", target, views, {1e-5, 1, 0, 1}));
    for (size_t i = 0; i < views.size(); ++i) {
      auto wrong = views;
      ++wrong[i].dims[wrong[i].rank - 1];
      CHECK_THAT(rejects("batch_norm_backward", target, wrong, p.backward_attrs), std::to_string(i));
    }
    const Case none{{0, 5}, false, false, 0};
    const Problem empty(none, target);
    empty.mean.set(std::vector<double>(5, 0));
    empty.var.set(std::vector<double>(5, 1));
    CHECK(rejects("batch_norm_train", target, empty.forward(none, true), empty.attrs));
    CHECK(!rejects("batch_norm_eval", target, empty.forward(none, false), empty.attrs));
    run_kernel("batch_norm_eval_backward", target, empty.backward(none), empty.backward_attrs);
    close(empty.dgamma, std::vector<double>(5, 0), 0, 0, "no rows: dgamma");
  });
}

}  // namespace

int main() {
  for (const int64_t channels : {1, 3, 4, 6, 7, 8, 9, 15, 16, 17, 24, 31, 33, 64, 100}) {
    test_case({{3, 5, 7, channels}, true, true, 0});
    test_case({{2, 8, 8, channels}, true, false, 3});
    test_case({{3, 5, 7, channels}, true, true, 0, true});
    test_case({{129, channels}, false, true, 100});
    test_case({{1, channels}, false, false, 0});
    test_case({{2, channels}, true, false, 0});
  }
  for (const int64_t channels : {1, 7, 16, 33}) {
    test_case({{3, 5, 7, channels}, 2, true, 0});
    test_case({{2, 8, 8, channels}, false, true, 1, true});
    test_case({{2, 8, 8, channels}, 2, false, 3});
  }
  test_case({{16, 16, 16, 8}, true, true, 100});
  test_case({{4, 33, 31, 20}, false, false, 10});
  test_case({{70, 700}, false, false, 1});
  test_case({{8, 64, 64, 64}, true, true, 1, true});
  test_streamed();
  test_recomputed_mask();
  test_threads();
  test_far_mean();
  test_running();
  test_rejects();
  return report();
}
