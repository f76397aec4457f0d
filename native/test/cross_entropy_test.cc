// Cross entropy and count_correct on every target against loops in double written out here.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Expected {
  std::vector<double> loss, lse, dx;
};

// loss = -sum q log softmax(x), dx = dloss (softmax(x) sum q - q), q given in full.
Expected expect(const std::vector<double>& x, const std::vector<double>& q, const std::vector<double>& dloss,
                int64_t n) {
  Expected e{dloss, dloss, x};
  for (size_t b = 0; b < dloss.size(); ++b) {
    const size_t at = b * static_cast<size_t>(n), end = at + static_cast<size_t>(n);
    const double max = *std::max_element(&x[at], &x[at] + n);
    double sum = 0, mass = 0;
    for (size_t k = at; k < end; ++k) sum += std::exp(x[k] - max), mass += q[k];
    e.lse[b] = max + std::log(sum);
    e.loss[b] = 0;
    for (size_t k = at; k < end; ++k) {
      e.loss[b] -= q[k] * (x[k] - e.lse[b]);
      e.dx[k] = dloss[b] * (std::exp(x[k] - e.lse[b]) * mass - q[k]);
    }
  }
  return e;
}

std::vector<double> smooth(std::vector<double> q, double smoothing, int64_t n) {
  for (double& v : q) v = (1 - smoothing) * v + smoothing / static_cast<double>(n);
  return q;
}

void compare(Target target, const Tensor& x, const Tensor& targets, double smoothing, const Tensor& dloss,
             const Expected& e, double scale, const std::string& what) {
  const Dims rows{x.view.dims[0]}, dims{x.view.dims[0], x.view.dims[1]};
  const double n = static_cast<double>(x.view.dims[1]), eps = eps_of(target) * (8 + 4 * scale + 2 * n);
  const Tensor loss(target, rows), lse(target, rows), dx(target, dims);
  CHECK_THAT(!run_kernel("cross_entropy", target, {x, targets, loss, lse}, {smoothing}).faulted(), what);
  close(lse, e.lse, eps, eps, what + " lse");
  close(loss, e.loss, eps * (1 + scale), eps, what + " loss");
  lse.set(e.lse);
  run_kernel("cross_entropy_backward", target, {dloss, x, targets, lse, dx}, {smoothing});
  close(dx, e.dx, 4 * eps, 0, what + " dx");
}

void test_size(int64_t rows, int64_t n, double smoothing, double scale) {
  const auto x = random_values(rows * n, 31, -scale, scale), labels = random_integers(rows, 32, 0, n - 1);
  const auto soft = random_values(rows * n, 33, 0, 2.0 / static_cast<double>(n)),
             dloss = random_values(rows, 34);
  std::vector<double> hard(static_cast<size_t>(rows * n), 0);
  for (int64_t b = 0; b < rows; ++b) hard[static_cast<size_t>(b * n + static_cast<int64_t>(labels[b]))] = 1;
  const Expected of_hard = expect(x, smooth(hard, smoothing, n), dloss, n);
  const Expected of_soft = expect(x, smooth(soft, smoothing, n), dloss, n);
  for_each_target([&](Target target) {
    const std::string what =
        std::string(name_of(target)) + " " + std::to_string(rows) + " x " + std::to_string(n);
    const Tensor tx(target, {rows, n}, x), tdloss(target, {rows}, dloss);
    const Tensor tlabels(DType::i32, {rows}, labels), tsoft(target, {rows, n}, soft);
    compare(target, tx, tlabels, smoothing, tdloss, of_hard, scale, what + " hard");
    compare(target, tx, tsoft, smoothing, tdloss, of_soft, scale, what + " soft");
  });
}

void test_faults() {
  for_each_target([](Target target) {
    const Tensor x(target, {5, 3}, random_values(15, 1)), loss(target, {5}), lse(target, {5}),
        dx(target, {5, 3});
    const Tensor labels(DType::i32, {5}, {0, 2, 3, 1, -1});
    Outcome outcome = run_kernel("cross_entropy", target, {x, labels, loss, lse}, {0});
    CHECK(outcome.fault() == Fault::label_out_of_range && outcome.fault_index() == 2);
    CHECK(loss.at(2) == 0 && loss.at(4) == 0 && loss.at(1) > 0);
    outcome = run_kernel("cross_entropy_backward", target, {loss, x, labels, lse, dx}, {0});
    CHECK(outcome.fault() == Fault::label_out_of_range && outcome.fault_index() == 2);
    CHECK(dx.at(6) == 0 && dx.at(14) == 0 && dx.at(0) != 0);
    labels.set({INT32_MIN, INT32_MAX, 0, 0, 0});
    outcome = run_kernel("cross_entropy", target, {x, labels, loss, lse}, {0.1});
    CHECK(outcome.fault() == Fault::label_out_of_range && outcome.fault_index() == 0);
  });
}

void test_special() {
  for_each_target([](Target target) {
    const Tensor x(target, {2, 3}, {-INFINITY, 0, 0, 1e6, 0, -1e6}), labels(DType::i32, {2}, {1, 1});
    const Tensor loss(target, {2}), lse(target, {2}), dloss(target, {2}, {1, 1}), dx(target, {2, 3});
    run_kernel("cross_entropy", target, {x, labels, loss, lse}, {0});
    close(loss, {std::log(2.0), 1e6}, 0, 4 * eps_of(target), "masked logit, far logits");
    run_kernel("cross_entropy_backward", target, {dloss, x, labels, lse, dx}, {0});
    close(dx, {0, -0.5, 0.5, 1, -1, 0}, 8 * eps_of(target), 0, "masked logit, far logits: dx");
  });
}

void test_count() {
  for_each_target([](Target target) {
    const Tensor x(target, {5, 3}, {1, 1, 0, 0, 2, 1, NAN, 9, 9, -3, -2, -1, 5, 5, 5});
    const Tensor labels(DType::i32, {5}, {0, 1, 0, 1, 7}),
        soft(target, {5, 3}, {0.6, 0.2, 0.2, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0.5, 0.5, 0});
    const Tensor count(target, {});
    run_kernel("count_correct", target, {x, labels, count});
    close(count, {3}, 0, 0, "labels");
    run_kernel("count_correct", target, {x, soft, count});
    close(count, {4}, 0, 0, "soft targets");
    for (const double k : {1.0, 2.0, 3.0}) {
      const Tensor valid(DType::i32, {5}, {1, 0, 2, 0, 1});  // at places 1, 2, 2 (behind NaN and 9), 2, 1
      run_kernel("count_top_k", target, {x, valid, count}, {k});
      close(count, {k == 1 ? 0.0 : k == 2 ? 2.0 : 5.0}, 0, 0, "top k");
      run_kernel("count_top_k", target, {x, soft, count}, {k});
      close(count, {k == 1 ? 4.0 : k == 2 ? 5.0 : 5.0}, 0, 0, "top k of soft targets");
    }
    const Outcome outcome = run_kernel("count_top_k", target, {x, labels, count}, {1});
    CHECK(outcome.fault() == Fault::label_out_of_range && outcome.fault_index() == 4);
    for (const double k : {0.0, 4.0, 1.5, -1.0, double(NAN)})
      CHECK(rejects("count_top_k", target, {x, labels, count}, {k}));
    CHECK(rejects("count_correct", target, {x, count, count}));
    CHECK(rejects("count_correct", target, {x, labels, labels}));
    const Tensor none(target, {0, 3}), no_labels(DType::i32, {0});
    run_kernel("count_correct", target, {none, no_labels, count});
    close(count, {0}, 0, 0, "no rows");
    const Tensor many(target, {9001, 10}, random_values(90010, 1)),
        many_labels(DType::i32, {9001}, random_integers(9001, 2, 0, 9));
    check_threads("count_correct", target, {many, many_labels, count}, {}, count);
    check_threads("count_top_k", target, {many, many_labels, count}, {1}, count);
    CHECK(count.at(0) > 600 && count.at(0) < 1200);
  });
}

void test_rejects() {
  for_each_target([](Target target) {
    const Tensor x(target, {5, 3}), loss(target, {5}), four(target, {4}), labels(DType::i32, {5}),
        bytes(DType::u8, {5});
    const Tensor empty(target, {5, 0}), soft(target, {5, 2});
    CHECK(!rejects("cross_entropy", target, {x, labels, loss, loss}, {0}));
    CHECK(!rejects("cross_entropy", target, {x, x, loss, loss}, {1}));
    CHECK(rejects("cross_entropy", target, {x, bytes, loss, loss}, {0}));
    CHECK(rejects("cross_entropy", target, {x, soft, loss, loss}, {0}));
    CHECK(rejects("cross_entropy", target, {x, loss, loss, loss}, {0}));
    CHECK(rejects("cross_entropy", target, {x, labels, four, loss}, {0}));
    CHECK(rejects("cross_entropy", target, {x, labels, loss, four}, {0}));
    CHECK(rejects("cross_entropy", target, {empty, labels, loss, loss}, {0}));
    CHECK(rejects("cross_entropy", target, {x, labels, loss, loss}, {1.5}));
    CHECK(rejects("cross_entropy", target, {x, labels, loss, loss}, {NAN}));
    CHECK(rejects("cross_entropy", target, {x, labels, loss, loss}, {}));
    CHECK(rejects("cross_entropy_backward", target, {loss, x, labels, loss, soft}, {0}));
    CHECK(rejects("cross_entropy_backward", target, {four, x, labels, loss, x}, {0}));
  });
}

}  // namespace

int main() {
  for (const int64_t n : {1, 2, 4, 5, 8, 10, 15, 16, 17, 33, 100}) {
    for (const double smoothing : {0.0, 0.1, 1.0}) {
      test_size(0, n, smoothing, 4);
      test_size(1, n, smoothing, 4);
      test_size(9, n, smoothing, 40);
    }
  }
  test_size(6, 1000, 0.1, 5);
  test_faults();
  test_special();
  test_count();
  test_rejects();
  for_each_target([](Target target) {
    const Tensor x(target, {3000, 33}, random_values(99000, 1)),
        labels(DType::i32, {3000}, random_integers(3000, 2, 0, 32));
    const Tensor loss(target, {3000}), lse(target, {3000});
    check_threads("cross_entropy", target, {x, labels, loss, lse}, {0.1}, loss);
  });
  return report();
}
