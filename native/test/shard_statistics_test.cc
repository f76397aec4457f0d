// A batch norm whose rows are split into shards against that of all rows: statistics, both sums of backward,
// and dx. With shards of other processes, the kernels need a world, which the tests of ranks have.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

constexpr double kEps = 1e-5;

struct Whole {
  Whole(Target target, int64_t rows, int64_t channels)
      : rows_(rows),
        x(target, {rows, channels}, random_values(rows * channels, 1, -1, 3)),
        dy(target, {rows, channels}, random_values(rows * channels, 2, -1, 1)),
        gamma(target, {channels}, random_values(channels, 3, 0.5, 2)),
        beta(target, {channels}, random_values(channels, 4, -1, 1)),
        y(target, {rows, channels}),
        dx(target, {rows, channels}),
        masked(target, {rows, channels}),
        mean(target, {channels}),
        var(target, {channels}),
        dgamma(target, {channels}),
        dbeta(target, {channels}) {
    run_kernel("batch_norm_train", target, {x, gamma, beta, y, mean, var}, {kEps, 1, 0});
    run_kernel("batch_norm_backward", target, {dy, x, gamma, mean, var, y, dx, dgamma, dbeta, masked},
               {kEps, 1, 1, 0});
  }

  int64_t rows_;
  Tensor x, dy, gamma, beta, y, dx, masked, mean, var, dgamma, dbeta;
};

// Rows [begin, end) of a tensor.
Tensor rows_of(Target target, const Tensor& t, int64_t begin, int64_t end) {
  const int64_t channels = t.view.dims[1];
  const auto all = t.values();
  return Tensor(target, {end - begin, channels},
                std::vector<double>(all.begin() + begin * channels, all.begin() + end * channels));
}

std::vector<double> part_of(const Tensor& t, int64_t begin, int64_t end) {
  const int64_t channels = t.view.dims[1];
  const auto all = t.values();
  return {all.begin() + begin * channels, all.begin() + end * channels};
}

void check_shards(Target target, const std::vector<int64_t>& sizes, int64_t channels) {
  int64_t rows = 0;
  for (const int64_t size : sizes) rows += size;
  const Whole whole(target, rows, channels);
  const std::string what = std::string(name_of(target)) + " " + std::to_string(sizes.size()) + " shards, " +
                           std::to_string(channels) + " channels ";
  const double shards = static_cast<double>(sizes.size());
  const auto channel = [&] { return Tensor(target, {channels}); };

  std::vector<Tensor> own;
  std::vector<double> counts = {shards};
  int64_t begin = 0;
  for (const int64_t size : sizes) {
    own.push_back(channel());
    own.push_back(channel());
    run_kernel("batch_norm_moments", target,
               {rows_of(target, whole.x, begin, begin + size), own[own.size() - 2], own.back()});
    counts.push_back(static_cast<double>(size));
    begin += size;
  }
  const Tensor mean = channel(), var = channel(), unbiased = channel(), count(target, {1});
  std::vector<TensorView> views(own.begin(), own.end());
  views.insert(views.end(), {mean, var, unbiased, count});
  run_kernel("shard_moments", target, views, counts);
  const double unit = 8 * eps_of(target);
  close(mean, whole.mean.values(), unit, unit, what + "mean");
  close(var, whole.var.values(), unit, unit, what + "var");
  CHECK(count.at(0) == static_cast<double>(rows));
  const double n = static_cast<double>(rows);
  for (int64_t c = 0; c < channels; ++c)
    CHECK(std::abs(unbiased.at(c) - var.at(c) * n / std::max(1.0, n - 1)) <= unit * (1 + var.at(c)));

  std::vector<Tensor> sums, masked;
  begin = 0;
  for (const int64_t size : sizes) {
    sums.push_back(channel());
    sums.push_back(channel());
    masked.emplace_back(target, Dims{size, channels});
    // Statistics of the whole batch's own, so that relu decides nothing otherwise.
    run_kernel("batch_norm_backward_sums", target,
               {rows_of(target, whole.dy, begin, begin + size), rows_of(target, whole.x, begin, begin + size),
                whole.gamma, whole.mean, whole.var, rows_of(target, whole.y, begin, begin + size),
                sums[sums.size() - 2], sums.back(), masked.back()},
               {kEps, 1, 1, 0});
    close(masked.back(), part_of(whole.masked, begin, begin + size), 0, 0, what + "masked dy");
    begin += size;
  }
  const Tensor dgamma = channel(), dbeta = channel();
  views.assign(sums.begin(), sums.end());
  views.insert(views.end(), {dgamma, dbeta});
  run_kernel("shard_totals", target, views, {shards});
  close(dgamma, whole.dgamma.values(), unit * n, unit, what + "dgamma");
  close(dbeta, whole.dbeta.values(), unit * n, unit, what + "dbeta");

  begin = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const Tensor dx(target, {sizes[i], channels});
    run_kernel("batch_norm_backward_shift", target,
               {masked[i], rows_of(target, whole.x, begin, begin + sizes[i]), whole.gamma, whole.mean,
                whole.var, dgamma, dbeta, count, dx},
               {kEps});
    close(dx, part_of(whole.dx, begin, begin + sizes[i]), 8 * unit, 4 * unit, what + "dx");
    begin += sizes[i];
  }
}

void check_threads_of(Target target) {
  const int64_t rows = 4 * 37 * 41, channels = 100;
  const Tensor x(target, {rows, channels}, random_values(rows * channels, 1, -1, 3)),
      dy(target, {rows, channels}, random_values(rows * channels, 2, -1, 1)),
      one(target, {channels}, random_values(channels, 3, 0.5, 2)), a(target, {channels}),
      b(target, {channels}), dx(target, {rows, channels}), count(target, {1}, {8000});
  for (const Tensor* out : {&a, &b}) {
    check_threads("batch_norm_moments", target, {x, a, b}, {}, *out);
    check_threads("batch_norm_backward_sums", target, {dy, x, one, one, one, a, b}, {kEps, 0, 0, 0}, *out);
  }
  check_threads("batch_norm_backward_shift", target, {dy, x, one, one, one, one, one, count, dx}, {kEps}, dx);
}

void check_rejections(Target target) {
  const Tensor x(target, {6, 5}, random_values(30, 1)), c(target, {5}), other(target, {4}), one(target, {1}),
      two(target, {2});
  CHECK(rejects("batch_norm_moments", target, {x, c}) &&
        rejects("batch_norm_moments", target, {x, c, other}));
  CHECK(!rejects("shard_moments", target, {c, c, c, c, c, c, c, one}, {2, 3, 3}));
  CHECK(rejects("shard_moments", target, {c, c, c, c, c, c, c, two}, {2, 3, 3}));
  CHECK(rejects("shard_moments", target, {c, c, c, other, c, c, c, one}, {2, 3, 3}));
  for (const auto& attrs : std::vector<std::vector<double>>{
           {2, 3}, {1, 3, 3}, {0, 3, 3}, {2, 0, 3}, {2, 3, 0.5}, {1e9, 3, 3}, {NAN, 3, 3}})
    CHECK(rejects("shard_moments", target, {c, c, c, c, c, c, c, one}, attrs));
  CHECK(!rejects("shard_totals", target, {c, c, c, c}, {1}));
  CHECK(rejects("shard_totals", target, {c, c, c}, {1}) && rejects("shard_totals", target, {c, c}, {1}));
  CHECK(rejects("shard_totals", target, {c, c, c, c}, {0}) &&
        rejects("shard_totals", target, {c, c, c, other}, {1}));
  CHECK(!rejects("batch_norm_backward_shift", target, {x, x, c, c, c, c, c, one, x}, {kEps}));
  CHECK(rejects("batch_norm_backward_shift", target, {x, x, c, c, c, c, c, two, x}, {kEps}));
  CHECK(rejects("batch_norm_backward_shift", target, {x, x, c, c, c, c, c, one, x}, {-1}));
  CHECK(rejects("batch_norm_backward_sums", target, {x, x, c, c, c, x, c, c}, {kEps, 0, 0, 0}));
  // Shards of other processes, and no world.
  bool thrown = false;
  try {
    run_kernel("shard_totals", target, {c, c, c, c}, {2});
  } catch (const std::exception& error) {
    thrown = std::string(error.what()).find("has not joined a world") != std::string::npos;
  }
  CHECK(thrown);
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    for (const int64_t channels : {1, 5, 16, 19, 100}) {
      check_shards(target, {7}, channels);
      check_shards(target, {1, 1}, channels);
      check_shards(target, {30, 29, 29}, channels);
      check_shards(target, {40, 40, 39, 39, 39, 39, 39}, channels);
    }
    check_threads_of(target);
    check_rejections(target);
  });
  return report();
}
