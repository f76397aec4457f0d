// Sums of shards against the tree written out in plain loops, to the bit: sizes around a vector, sums that
// begin and go on, merges, rows that are used up.
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

const std::vector<int64_t> kSizes = {3, 0, 20'000, 16, 17, 1, 8192, 5, 1};
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

int64_t aligned(int64_t n) { return (n + 15) / 16 * 16; }

int64_t length() {
  int64_t sum = 0;
  for (const int64_t size : kSizes) sum += aligned(size);
  return sum;
}

struct Shard {
  Shard(Target target, uint64_t seed) {
    for (size_t i = 0; i < kSizes.size(); ++i)
      tensors.emplace_back(target, Dims{kSizes[i]}, random_values(kSizes[i], seed + 100 * i, -1, 1));
  }
  std::vector<Tensor> tensors;
};

std::vector<Tensor> scalars_of(double level, double from, double merges) {
  std::vector<Tensor> scalars;
  for (const double value : {level, from, merges})
    scalars.emplace_back(DType::f64, Dims{}, std::vector<double>{value});
  return scalars;
}

struct Place {
  double level, from, merges;
};

void add(Target target, const Place& place, double weight, const Shard& shard, const Tensor& sums,
         const Tensor& after) {
  const auto scalars = scalars_of(place.level, place.from, place.merges);
  const Tensor w(target, {}, {weight});
  std::vector<TensorView> views(scalars.begin(), scalars.end());
  views.push_back(w.view);
  views.insert(views.end(), shard.tensors.begin(), shard.tensors.end());
  views.push_back(sums.view);
  views.push_back(after.view);
  // In two parts, as buckets are: the tensors up to the third, and the others behind them.
  const size_t scalar_operands = 4, cut = 3;
  int64_t begin = 0;
  for (const auto& [from, to] : {std::pair{size_t{0}, cut}, std::pair{cut, kSizes.size()}}) {
    std::vector<TensorView> part(views.begin(), views.begin() + scalar_operands);
    std::vector<double> attrs = {static_cast<double>(begin)};
    for (size_t i = from; i < to; ++i) {
      part.push_back(views[scalar_operands + i]);
      attrs.push_back(i == 2 ? 3 : i + 1 == kSizes.size() ? 1 : 0);
      begin += aligned(kSizes[i]);
    }
    part.push_back(from == 0 ? sums.view : after.view);
    part.push_back(after.view);
    run_kernel("shard_add", target, part, attrs);
  }
}

// Row by row, in the arithmetic of the target.
template <class R>
struct Expected {
  explicit Expected(int64_t levels) : rows(static_cast<size_t>(levels), std::vector<R>(length())) {}

  void add(int64_t level, int64_t from, int64_t merges, R weight, const Shard& shard) {
    const auto count = static_cast<int64_t>(rows.size());
    int64_t at = 0;
    for (size_t i = 0; i < kSizes.size(); ++i) {
      const auto x = shard.tensors[i].values();
      for (int64_t k = 0; k < kSizes[i]; ++k) {
        const R factor = i == 2 ? R{3} : i + 1 == kSizes.size() ? R{1} : weight;
        R v = factor * static_cast<R>(x[static_cast<size_t>(k)]);
        if (from >= 0) v = row(from)[at + k] + v;
        for (int64_t m = 1; m <= merges; ++m) v = row(level - m)[at + k] + v;
        row(level - merges)[at + k] = v;
      }
      at += aligned(kSizes[i]);
    }
    for (int64_t m = 0; m < merges; ++m)
      if (level - m < count) row(level - m)[length() - 16] = static_cast<R>(kNaN);
    if (from >= 0 && from != level - merges) row(from)[length() - 16] = static_cast<R>(kNaN);
  }

  R* row(int64_t level) { return rows[static_cast<size_t>(level)].data(); }

  bool matches(const Tensor& sums) const {
    const auto found = sums.values();
    size_t at = 0;
    for (const auto& row : rows)
      for (const R value : row) {
        const double actual = found[at++];
        if (actual != static_cast<double>(value) && !(std::isnan(actual) && std::isnan(value))) return false;
      }
    return true;
  }

  std::vector<std::vector<R>> rows;
};

template <class R>
void check_tree(Target target, int threads) {
  set_num_threads(threads);
  const int64_t levels = 2;
  const Tensor sums(target, {levels, length()}, std::vector<double>(static_cast<size_t>(levels * length())));
  Expected<R> expected(levels);
  // Four shards: the last one begins above all rows, and is merged at once. The first is of two batches.
  const std::vector<Place> places = {{0, -1, 0}, {0, 0, 0}, {1, -1, 1}, {1, -1, 0}, {2, -1, 2}};
  uint64_t seed = 1;
  for (const Place& p : places) {
    const Shard shard(target, seed);
    const double weight = 0.5 + static_cast<double>(seed++);
    add(target, p, weight, shard, sums, sums);
    expected.add(static_cast<int64_t>(p.level), static_cast<int64_t>(p.from), static_cast<int64_t>(p.merges),
                 static_cast<R>(weight), shard);
    CHECK_THAT(expected.matches(sums), std::string(name_of(target)) + " shard " + std::to_string(seed));
  }
  const int64_t samples = length() - 16;
  CHECK(!std::isnan(sums.at(samples)) && std::isnan(sums.at(length() + samples)));
  run_kernel("shard_spend", target, {sums, sums});
  CHECK(std::isnan(sums.at(samples)));
  set_num_threads(1);
}

// Two shards of two batches that advance together: each has a row, above those of the tree, for the first.
template <class R>
void check_kept_rows(Target target) {
  const int64_t levels = 3;
  const Tensor sums(target, {levels, length()}, std::vector<double>(static_cast<size_t>(levels * length())));
  Expected<R> expected(levels);
  const std::vector<Place> places = {{1, -1, 0}, {2, -1, 0}, {0, 1, 0}, {1, 2, 1}};
  uint64_t seed = 11;
  for (const Place& p : places) {
    const Shard shard(target, seed++);
    add(target, p, 2, shard, sums, sums);
    expected.add(static_cast<int64_t>(p.level), static_cast<int64_t>(p.from), static_cast<int64_t>(p.merges),
                 R{2}, shard);
    CHECK_THAT(expected.matches(sums), std::string(name_of(target)) + " kept row " + std::to_string(seed));
  }
}

void check_spend(Target target) {
  const Tensor sums(target, {2, length()}, random_values(2 * length(), 7, -1, 1));
  run_kernel("shard_spend", target, {sums, sums});
  CHECK(std::isnan(sums.at(length() - 16)) && std::isnan(sums.at(2 * length() - 16)));
}

void check_other_memory(Target target) {
  const std::vector<double> values = random_values(2 * length(), 7, -1, 1);
  const Tensor sums(target, {2, length()}, values), same(target, {2, length()}, values),
      after(target, {2, length()});
  const Shard shard(target, 3);
  add(target, {1, 1, 1}, 2, shard, sums, after);
  add(target, {1, 1, 1}, 2, shard, same, same);
  CHECK(same_bits(after, same));
}

// Places that are out of range must not reach memory that is not there.
void check_hostile_places(Target target) {
  const Tensor sums(target, {2, length()}, random_values(2 * length(), 7, -1, 1));
  const Shard shard(target, 3);
  for (const double level : {-1.0, 2.0, 3.0, 1e300, kNaN})
    for (const double from : {-1.0, 0.0, 1.0, 1e300, kNaN})
      for (const double merges : {-1.0, 0.0, 1.0, 7.0, 1e300, kNaN})
        add(target, {level, from, merges}, 1, shard, sums, sums);
}

void check_read(Target target) {
  const std::vector<double> values = random_values(2 * length(), 9, -1, 1);
  const Tensor sums(target, {2, length()}, values), divisor(target, {}, {4});
  const int64_t begin = aligned(kSizes[0]) + aligned(kSizes[2]);
  std::vector<Tensor> outputs;
  for (const int64_t size : {16, 17, 1}) outputs.emplace_back(target, Dims{size});
  std::vector<TensorView> views{sums, divisor};
  views.insert(views.end(), outputs.begin(), outputs.end());
  run_kernel("shard_read", target, views, {static_cast<double>(begin)});
  const auto from = sums.values();
  int64_t at = begin;
  for (const Tensor& y : outputs) {
    for (int64_t k = 0; k < y.numel(); ++k) CHECK(y.at(k) == from[static_cast<size_t>(at + k)] / 4);
    at += aligned(y.numel());
  }
  CHECK(rejects("shard_read", target, views, {static_cast<double>(begin + 1)}));
  CHECK(rejects("shard_read", target, views, {static_cast<double>(length())}));
  CHECK(rejects("shard_read", target, views, {-16}));
}

void check_rejections(Target target) {
  const auto scalars = scalars_of(0, -1, 0);
  const Tensor one(target, {}, {1}), x(target, {5}), sums(target, {2, 32}), odd(target, {2, 30}),
      narrow(target, {2, 16});
  const auto call = [&](const std::vector<TensorView>& rest) {
    std::vector<TensorView> views(scalars.begin(), scalars.end());
    views.insert(views.end(), rest.begin(), rest.end());
    return views;
  };
  CHECK(!rejects("shard_add", target, call({one, x, one, sums, sums}), {0, 0, 1}));
  CHECK(rejects("shard_add", target, call({one, x, one, sums, sums}), {0, 0}));
  CHECK(rejects("shard_add", target, call({one, x, x, sums, sums}), {0, 0, 1}));
  CHECK(rejects("shard_add", target, call({one, x, one, sums, narrow}), {0, 0, 1}));
  CHECK(rejects("shard_add", target, call({one, x, one, narrow, narrow}), {0, 0, 1}));
  CHECK(rejects("shard_add", target, call({one, x, one, odd, odd}), {0, 0, 1}));
  CHECK(rejects("shard_add", target, call({x, x, one, sums, sums}), {0, 0, 1}));
  CHECK(rejects("shard_add", target, call({one, sums, sums}), {0}));
  for (const double begin : {-16.0, 1.0, 16.0, 32.0, 48.0, kNaN})
    CHECK(rejects("shard_add", target, call({one, x, one, sums, sums}), {begin, 0, 1}));
  CHECK(!rejects("shard_add", target, call({one, x, sums, sums}), {0, 0}));  // more segments follow
  CHECK(rejects("shard_spend", target, {odd, odd}) && rejects("shard_spend", target, {sums, narrow}));
}

}  // namespace

int main() {
  for_each_target([](Target target) {
    for (const int threads : {1, 3}) {
      if (target == Target::ref) {
        check_tree<double>(target, threads);
        check_kept_rows<double>(target);
      } else {
        check_tree<float>(target, threads);
        check_kept_rows<float>(target);
      }
    }
    check_spend(target);
    check_other_memory(target);
    check_hostile_places(target);
    check_read(target);
    check_rejections(target);
  });
  return report();
}
