// The tree along which shards are summed: its form, who owns what, and the order of its additions.
#include <cstring>
#include <functional>

#include "distributed/shard_tree.h"
#include "test/check.h"

namespace tenon {
namespace {

// The definition, one number at a time.
float sum_of(const std::vector<float>& leaves, int begin, int end) {
  if (end - begin == 1) return leaves[static_cast<size_t>(begin)];
  int left = 1;
  while (left * 2 < end - begin) left *= 2;
  return sum_of(leaves, begin, begin + left) + sum_of(leaves, begin + left, end);
}

void test_splits() {
  CHECK(split_of({0, 2}) == 1);
  CHECK(split_of({0, 3}) == 2);
  CHECK(split_of({0, 4}) == 2);
  CHECK(split_of({4, 9}) == 8);
  CHECK(split_of({0, 1000}) == 512);
}

void test_covers() {
  CHECK((cover_of(8, {0, 8}) == std::vector<Span>{{0, 8}}));
  CHECK((cover_of(8, {0, 3}) == std::vector<Span>{{0, 2}, {2, 3}}));
  CHECK((cover_of(8, {3, 6}) == std::vector<Span>{{3, 4}, {4, 6}}));
  CHECK(cover_of(8, {3, 3}).empty());
  CHECK(adds_up(8, {{0, 1}, {1, 2}, {2, 3}}, {0, 3}));
  CHECK(adds_up(8, {{0, 2}, {2, 3}}, {0, 3}));
  CHECK(!adds_up(8, {{0, 1}, {1, 3}}, {0, 3}));
  CHECK(!adds_up(8, {{0, 2}}, {0, 3}));
  CHECK(!adds_up(8, {{0, 2}, {2, 3}, {3, 4}}, {0, 3}));
  CHECK(!adds_up(8, {}, {0, 3}));
}

void test_owners() {
  for (int shards = 1; shards <= 40; ++shards) {
    for (int ranks = 1; ranks <= 9; ++ranks) {
      int next = 0;
      for (int r = 0; r < ranks; ++r) {
        const Span owned = shards_of_rank(shards, r, ranks);
        CHECK(owned.begin == next);
        CHECK(owned.size() == shards / ranks || owned.size() == (shards + ranks - 1) / ranks);
        next = owned.end;
      }
      CHECK(next == shards);
    }
  }
}

// Numbers whose sum depends on the order of additions.
std::vector<std::vector<float>> shards_of(int shards, size_t count) {
  test::Random random(7);
  std::vector<std::vector<float>> values(static_cast<size_t>(shards));
  for (std::vector<float>& shard : values) {
    for (size_t i = 0; i < count; ++i)
      shard.push_back(static_cast<float>(random.uniform(-1, 1) * (i % 3 == 0 ? 1e6 : 1)));
  }
  return values;
}

void test_sums() {
  for (const int shards : {1, 2, 3, 4, 5, 7, 8, 12, 33}) {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{2047}, size_t{2048}, size_t{5000}}) {
      const std::vector<std::vector<float>> values = shards_of(shards, count);
      PartialSums sums;
      for (int s = 0; s < shards; ++s) {
        sums.nodes.push_back({s, s + 1});
        sums.values.push_back(values[static_cast<size_t>(s)].data());
      }
      std::vector<float> out(count + 1, -1.0f);
      sum_along_tree(sums, {0, shards}, count, out.data());
      CHECK(out[count] == -1.0f);
      for (size_t i = 0; i < count; ++i) {
        std::vector<float> leaves;
        for (const std::vector<float>& shard : values) leaves.push_back(shard[i]);
        const float expected = sum_of(leaves, 0, shards);
        if (std::memcmp(&expected, &out[i], sizeof expected) != 0) {
          CHECK_THAT(false, std::to_string(shards) + " shards, number " + std::to_string(i));
          break;
        }
      }
    }
  }
}

void test_in_place() {
  std::vector<std::vector<float>> values = shards_of(3, 5000);
  const PartialSums sums = {{{0, 2}, {2, 3}}, {values[0].data(), values[1].data()}};
  std::vector<float> out(5000);
  sum_along_tree(sums, {0, 3}, 5000, out.data());
  sum_along_tree(sums, {0, 3}, 5000, values[1].data());
  CHECK(out == values[1]);
}

}  // namespace
}  // namespace tenon

int main() {
  tenon::test_splits();
  tenon::test_covers();
  tenon::test_owners();
  tenon::test_sums();
  tenon::test_in_place();
  return tenon::test::report();
}
