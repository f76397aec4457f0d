// mix_samples on every target, between guard pages: the share that a sample keeps is read off the mixed
// targets, and inputs must agree with it. How shares are distributed is in test/ops/mix-samples.test.ts.
#include "augment/mixing.h"
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

constexpr int64_t kClasses = 3;

// key, place, p, then weight, p, alpha, cut.
std::vector<double> attributes(double cut, double p = 1) { return {5, 6, 2, p, 1, 1, 0.7, cut}; }

struct Batch {
  Batch(Target target, const Dims& dims)
      : x(target, dims, random_values(numel_of(dims), 1)),
        labels(DType::i32, {dims[0]}, sequence(dims[0])),
        samples(DType::i32, {dims[0]}, random_integers(dims[0], 2, 0, 1000)),
        occurrence(DType::i32, {dims[0]}, std::vector<double>(static_cast<size_t>(dims[0]), 1)),
        epoch(DType::f64, {}, {4}),
        y(target, dims),
        mixed(target, {dims[0], kClasses}) {}
  static std::vector<double> sequence(int64_t n) {
    std::vector<double> out;
    for (int64_t i = 0; i < n; ++i) out.push_back(static_cast<double>(i % kClasses));
    return out;
  }
  std::vector<TensorView> views() const { return {x, labels, samples, occurrence, epoch, y, mixed}; }

  Tensor x, labels, samples, occurrence, epoch, y, mixed;
};

void test_means(Target target, const Dims& dims) {
  const Batch batch(target, dims);
  CHECK(!run_kernel("mix_samples", target, batch.views(), attributes(0)).faulted());
  const int64_t rows = dims[0], n = rows > 0 ? numel_of(dims) / rows : 0;
  std::vector<double> expected;
  for (int64_t b = 0; b < rows; ++b) {
    const int64_t next = (b + 1) % rows;
    const bool same = b % kClasses == next % kClasses;
    const double keep = same ? -1 : batch.mixed.at(kClasses * b + b % kClasses);
    CHECK(same || std::abs(batch.mixed.at(kClasses * b + next % kClasses) - (1 - keep)) < 1e-6);
    for (int64_t i = 0; i < n; ++i) {
      const double own = batch.x.at(n * b + i), other = batch.x.at(n * next + i);
      expected.push_back(same ? batch.y.at(n * b + i) : keep * own + (1 - keep) * other);
    }
  }
  close(batch.y, expected, 1e-6, 0, std::string(name_of(target)));
  check_threads("mix_samples", target, batch.views(), attributes(0), batch.y);
  check_threads("mix_samples", target, batch.views(), attributes(0), batch.mixed);
}

// With weights the inputs stay, and every operand has its place.
void test_weights(Target target) {
  const Batch batch(target, {5, 3});
  CHECK(!run_kernel("mix_samples", target, batch.views(), attributes(0)).faulted());
  const Batch other(target, {5, 3});
  const std::vector<double> w{2, 0.5, 0, 0, 3};
  const Tensor weights(target, {5}, w), mixed_weights(target, {5});
  std::vector<TensorView> views = other.views();
  views.insert(views.begin() + 5, weights);
  views.push_back(mixed_weights);
  CHECK(!run_kernel("mix_samples", target, views, attributes(0)).faulted());
  for (int64_t b = 0; b < 5; ++b) {
    for (int64_t i = 0; i < 3; ++i) CHECK(other.y.at(3 * b + i) == batch.y.at(3 * b + i));
    const int64_t next = (b + 1) % 5;
    if (b % kClasses == next % kClasses) continue;
    const double keep = batch.mixed.at(kClasses * b + b % kClasses);
    const double own = keep * w[static_cast<size_t>(b)];
    const double both = own + (1 - keep) * w[static_cast<size_t>(next)];
    CHECK(std::abs(mixed_weights.at(b) - both) < 1e-6);
    const double share = both > 0 ? own / both : keep;
    CHECK(std::abs(other.mixed.at(kClasses * b + b % kClasses) - share) < 1e-6);
  }
  check_threads("mix_samples", target, views, attributes(0), mixed_weights);
  for (const size_t i : {size_t{5}, size_t{8}}) {
    std::vector<TensorView> wrong = views;
    wrong[i] = make_view(real_of(target), {4});
    CHECK(rejects("mix_samples", target, wrong, attributes(0)));
    wrong[i] = make_view(DType::i32, {5});
    CHECK(rejects("mix_samples", target, wrong, attributes(0)));
  }
  views.pop_back();
  CHECK(rejects("mix_samples", target, views, attributes(0)));
}

void test_windows(Target target, const Dims& dims) {
  const Batch batch(target, dims);
  CHECK(!run_kernel("mix_samples", target, batch.views(), attributes(1)).faulted());
  const int64_t rows = dims[0], pixels = dims[1] * dims[2], n = pixels * dims[3];
  for (int64_t b = 0; b + 1 < rows; ++b) {
    int64_t own = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double y = batch.y.at(n * b + i);
      own += y == batch.x.at(n * b + i);
      CHECK(y == batch.x.at(n * b + i) || y == batch.x.at(n * (b + 1) + i));
    }
    const double keep = static_cast<double>(own) / static_cast<double>(n);
    CHECK(std::abs(batch.mixed.at(kClasses * b + b % kClasses) - keep) < 1e-6);
  }
  check_threads("mix_samples", target, batch.views(), attributes(1), batch.y);
}

void test_draws() {
  const augment::Stream stream{{1, 2}, 3, 4, 5};
  augment::Draws draws(stream, 1);
  double sum = 0, squares = 0;
  constexpr int kCount = 40000;
  for (int i = 0; i < kCount; ++i) {
    const double z = augment::draw_normal(draws);
    sum += z;
    squares += z * z;
  }
  CHECK(std::abs(sum / kCount) < 0.025);
  CHECK(std::abs(squares / kCount - 1) < 0.04);
  for (const double alpha : {1e-3, 0.2, 1.0, 3.0, 1e6}) {
    double mean = 0, variance = 0;
    for (int i = 0; i < kCount; ++i) {
      const double u = augment::draw_beta(alpha, draws);
      CHECK(u >= 0 && u <= 1);
      mean += u / kCount;
      variance += (u - 0.5) * (u - 0.5) / kCount;
    }
    CHECK(std::abs(mean - 0.5) < 0.0125);
    CHECK(std::abs(variance * 4 * (2 * alpha + 1) - 1) < 0.05);
  }
  for (const double keep : {0.0, 0.3, 1.0}) {
    for (int i = 0; i < 1000; ++i) {
      const augment::Window window = augment::draw_window({7, 5}, keep, draws);
      CHECK(window.top >= 0 && window.left >= 0 && window.bottom <= 7 && window.right <= 5);
      CHECK(window.bottom >= window.top && window.right >= window.left);
      CHECK(keep < 1 || window.pixels() == 0);
    }
  }
}

void test_faults_and_rejects(Target target) {
  const Batch batch(target, {4, 3, 5, 2});
  batch.labels.set({0, 3, 1, 2});
  const Outcome outcome = run_kernel("mix_samples", target, batch.views(), attributes(1, 0.5));
  CHECK(outcome.fault() == Fault::label_out_of_range && outcome.fault_index() == 1);
  const auto refused = [&](const std::vector<double>& attrs) {
    return rejects("mix_samples", target, batch.views(), attrs);
  };
  CHECK(!refused(attributes(0)));
  CHECK(refused({5, 6, 0, 1, 1, 1, 1, 0}));     // place 0 is image_batch's
  CHECK(refused({5, 6, 4096, 1, 1, 1, 1, 0}));  // one place too many
  CHECK(refused({5, 6, 1, 1.5, 1, 1, 1, 0}));   // p
  CHECK(refused({5, 6, 1, 1}));                 // no choices
  CHECK(refused({5, 6, 1, 1, 1, 1, 1}));        // a piece of a choice
  CHECK(refused({5, 6, 1, 1, 0, 1, 1, 0}));     // no weight
  CHECK(refused({5, 6, 1, 1, 1, 1, 0, 0}));     // alpha
  CHECK(refused({5, 6, 1, 1, 1, 1, 1, 2}));     // cut
  CHECK(refused({5, 6, 1, 1, 1, 1, std::nan(""), 0}));
  const Batch flat(target, {4, 6});
  CHECK(rejects("mix_samples", target, flat.views(), attributes(1)));
  std::vector<TensorView> views = batch.views();
  views[6] = make_view(real_of(target), {5, kClasses});
  CHECK(rejects("mix_samples", target, views, attributes(0)));
  views = batch.views();
  views[2] = make_view(DType::i32, {3});
  CHECK(rejects("mix_samples", target, views, attributes(0)));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    const int64_t lanes = lanes_of(target);
    for (const int64_t n : {int64_t{1}, lanes - 1, lanes, lanes + 1, 3 * lanes + 2}) {
      if (n > 0) test_means(target, {5, n});
    }
    test_means(target, {0, 4});
    test_means(target, {7, 3, 4, 3});
    test_weights(target);
    test_windows(target, {9, 6, 7, 3});
    test_windows(target, {9, 1, 1, 1});
    test_faults_and_rejects(target);
  });
  test_draws();
  return report();
}
