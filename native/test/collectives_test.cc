// Collective operations between threads that stand for ranks, and what becomes of ranks that do not come.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include "distributed/collectives.h"
#include "test/check.h"

namespace tenon {
namespace {

using Message = std::vector<std::byte>;

// Memory in which messages wait.
struct Hub {
  std::mutex mutex;
  std::map<std::tuple<int, int, int>, std::deque<Message>> waiting;  // to, from, tag
};

// A receive remembers where its bytes go; those of a send are copied at once.
class HubTransport : public Transport {
 public:
  HubTransport(Hub& hub, int rank, int size) : hub_(hub), rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  Request send(const std::byte* data, int bytes, int peer, int tag) override {
    const std::lock_guard lock(hub_.mutex);
    hub_.waiting[{peer, rank_, tag}].emplace_back(data, data + bytes);
    Request request;
    request.peer = peer;
    return request;
  }

  Request receive(std::byte* data, int bytes, int peer, int tag) override {
    Request request;
    request.peer = peer, request.bytes = bytes, request.receives = true;
    places_.push_back({data, peer, tag});
    request.handle.integer = static_cast<int>(places_.size()) - 1;
    return request;
  }

  bool test(Request* request) override {
    if (!request->receives) return true;
    const auto place = places_.begin() + request->handle.integer;
    // Messages go to receives in the order in which these began.
    const bool first = std::none_of(places_.begin(), place, [&](const Place& earlier) {
      return earlier.open && earlier.peer == place->peer && earlier.tag == place->tag;
    });
    const std::lock_guard lock(hub_.mutex);
    std::deque<Message>& queue = hub_.waiting[{rank_, place->peer, place->tag}];
    if (!first || queue.empty()) return false;
    place->open = false;
    const Message message = std::move(queue.front());
    queue.pop_front();
    if (message.size() != static_cast<size_t>(request->bytes))
      throw Disconnected("the ranks disagree on sizes");
    std::memcpy(place->data, message.data(), message.size());
    return true;
  }

  bool waits(int tag, Waiting* found) override {
    const std::lock_guard lock(hub_.mutex);
    for (int peer = 0; peer < size_; ++peer) {
      if (hub_.waiting[{rank_, peer, tag}].empty()) continue;
      *found = {peer, tag};
      return true;
    }
    return false;
  }

  void finalize() override {}
  void abort() noexcept override {}

 private:
  struct Place {
    std::byte* data;
    int peer, tag;
    bool open = true;
  };

  Hub& hub_;
  const int rank_, size_;
  std::vector<Place> places_;
};

constexpr uint64_t kMillisecond = 1'000'000;

// Runs the body on each rank and returns what each threw.
std::vector<std::string> on_ranks(int size, const std::function<void(World&)>& body, Limits limits = {}) {
  if (limits.answer == 0) limits = {60'000 * kMillisecond, 60'000 * kMillisecond};
  Hub hub;
  std::vector<std::string> errors(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  static const std::atomic<bool> stopping{false};
  for (int r = 0; r < size; ++r) {
    threads.emplace_back([&, r] {
      World world(std::make_unique<HubTransport>(hub, r, size), limits, stopping);
      world.here = {1, Collective::barrier, 1};
      try {
        body(world);
      } catch (const Disconnected& error) {
        errors[static_cast<size_t>(r)] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

// Runs a body that says whether all is right.
void on_all(int size, const std::function<bool(World&)>& body) {
  std::atomic<int> right{0};
  const auto counted = [&](World& world) { right.fetch_add(body(world) ? 1 : 0); };
  for (const std::string& error : on_ranks(size, counted)) CHECK_THAT(error.empty(), error);
  CHECK(right.load() == size);
}

void test_barrier() {
  for (int size = 1; size <= 7; ++size) {
    std::atomic<int> came{0};
    on_all(size, [&](World& world) {
      came.fetch_add(1);
      barrier(world);
      return came.load() == size;
    });
  }
}

void test_ping_pong() {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{5'000'000}}) {
    on_all(3, [&](World& world) {
      std::vector<std::byte> data(bytes, static_cast<std::byte>(world.rank()));
      ping_pong(world, 2, 0, data.data(), bytes, 3);
      const auto expected = static_cast<std::byte>(world.rank() == 1 ? 1 : 2);
      return std::all_of(data.begin(), data.end(), [&](std::byte got) { return got == expected; });
    });
  }
}

void test_broadcast() {
  for (int size = 1; size <= 7; ++size) {
    for (const size_t bytes : {size_t{0}, size_t{1}, size_t{5000}, size_t{100'003}}) {
      const int root = size / 2;
      on_all(size, [&](World& world) {
        std::vector<std::byte> data(bytes, static_cast<std::byte>(world.rank()));
        if (world.rank() == root) {
          for (size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i * 31);
        }
        broadcast(world, root, data.data(), bytes);
        for (size_t i = 0; i < bytes; ++i) {
          if (data[i] != static_cast<std::byte>(i * 31)) return false;
        }
        return true;
      });
    }
  }
}

void test_gather() {
  for (int size = 1; size <= 5; ++size) {
    on_all(size, [&](World& world) {
      std::vector<size_t> sizes;
      std::vector<std::byte> expected;
      for (int r = 0; r < size; ++r) {
        sizes.push_back(static_cast<size_t>(r * 3));
        expected.insert(expected.end(), sizes.back(), static_cast<std::byte>(r + 1));
      }
      std::vector<std::byte> all(expected.size());
      size_t at = 0;
      for (int r = 0; r < world.rank(); ++r) at += sizes[static_cast<size_t>(r)];
      std::fill_n(all.data() + at, sizes[static_cast<size_t>(world.rank())],
                  static_cast<std::byte>(world.rank() + 1));
      gather(world, sizes, all.data());
      return all == expected;
    });
  }
}

// The sum of these shards on this many ranks; `wholes`: each rank adds its own shards up before.
std::vector<float> sum_on(int ranks, const std::vector<std::vector<float>>& values, bool in_place) {
  const int shards = static_cast<int>(values.size());
  const size_t count = values[0].size();
  std::vector<std::vector<float>> results(static_cast<size_t>(ranks));
  on_all(ranks, [&](World& world) {
    const Span owned = shards_of_rank(shards, world.rank(), ranks);
    std::vector<std::vector<float>> mine(values.begin() + owned.begin, values.begin() + owned.end);
    PartialSums sums;
    for (int s = owned.begin; s < owned.end; ++s) {
      sums.nodes.push_back({s, s + 1});
      sums.values.push_back(mine[static_cast<size_t>(s - owned.begin)].data());
    }
    std::vector<float> separate(count);
    std::vector<float>& out = in_place && !mine.empty() ? mine[0] : separate;
    sum_shards(world, shards, sums, count, out.data());
    results[static_cast<size_t>(world.rank())] = out;
    return true;
  });
  for (const std::vector<float>& result : results)
    CHECK(std::memcmp(result.data(), results[0].data(), count * sizeof(float)) == 0);
  return results[0];
}

void test_sums() {
  for (const int shards : {1, 4, 7, 8}) {
    for (const size_t count : {size_t{1}, size_t{100}, size_t{10'007}}) {
      test::Random random(static_cast<uint64_t>(shards));
      std::vector<std::vector<float>> values(static_cast<size_t>(shards), std::vector<float>(count));
      for (std::vector<float>& shard : values) {
        for (float& value : shard) value = static_cast<float>(random.uniform(-1, 1) * 1e3);
      }
      const std::vector<float> alone = sum_on(1, values, false);
      for (const int ranks : {2, 3, 4, 9}) {
        for (const bool in_place : {false, true}) {
          const std::vector<float> sum = sum_on(ranks, values, in_place);
          CHECK_THAT(std::memcmp(sum.data(), alone.data(), count * sizeof(float)) == 0,
                     std::to_string(shards) + " shards on " + std::to_string(ranks) + " ranks");
        }
      }
    }
  }
}

// More than one segment, whose last one is short.
void test_long_sums() {
  const std::vector<std::vector<float>> values(3, std::vector<float>((size_t{4} << 20) + 77, 0.1f));
  const std::vector<float> sum = sum_on(2, values, true);
  const float expected = 0.1f + 0.1f + 0.1f;
  CHECK(sum.front() == expected && sum.back() == expected);
}

// Denormal numbers count as zero, as in the kernels of the executor.
void test_denormals() {
  const std::vector<std::vector<float>> values(2, std::vector<float>(64, 1e-40f));
  CHECK(sum_on(1, values, false)[5] == 0.0f);
  CHECK(sum_on(2, values, false)[5] == 0.0f);
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

void test_sizes_that_disagree() {
  const auto errors = on_ranks(2, [](World& world) {
    std::vector<std::byte> data(world.rank() == 0 ? 10 : 20);
    broadcast(world, 0, data.data(), data.size());
  });
  CHECK_THAT(contains(errors[1], "disagree"), errors[1]);
}

// A rank whose thread does not even answer.
void test_hanging_rank() {
  const Limits limits = {300 * kMillisecond, 60'000 * kMillisecond};
  const auto errors = on_ranks(
      3,
      [](World& world) {
        if (world.rank() != 2) barrier(world);
      },
      limits);
  CHECK_THAT(contains(errors[0] + errors[1], "rank 2 has not answered"), errors[0] + errors[1]);
}

// Answers other ranks for a while, as a thread does whose program computes.
void linger(World& world, int milliseconds) {
  for (int i = 0; i < milliseconds / 10; ++i) {
    world.peers.serve(world.here);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void test_absent_rank() {
  const Limits limits = {60'000 * kMillisecond, 2'000 * kMillisecond};
  const auto errors = on_ranks(
      2,
      [](World& world) {
        if (world.rank() == 0) return barrier(world);
        world.here = {0, Collective::join, 0};
        linger(world, 4000);
      },
      limits);
  CHECK_THAT(contains(errors[0], "rank 1 answers, but its program has not come"), errors[0]);
}

void test_late_rank() {
  on_all(2, [](World& world) {
    if (world.rank() == 1) {
      const Position here = world.here;
      world.here = {0, Collective::join, 0};
      linger(world, 1500);
      world.here = here;
    }
    barrier(world);
    return true;
  });
}

void test_other_operation() {
  const auto errors = on_ranks(2, [](World& world) {
    if (world.rank() == 0) return barrier(world);
    world.here = {1, Collective::gather, 1};
    linger(world, 3000);
  });
  CHECK_THAT(contains(errors[0], "the ranks disagree: this one is in 'barrier'"), errors[0]);
  CHECK_THAT(contains(errors[0], "rank 1 in 'gather'"), errors[0]);
}

}  // namespace
}  // namespace tenon

int main() {
  tenon::test_barrier();
  tenon::test_ping_pong();
  tenon::test_broadcast();
  tenon::test_gather();
  tenon::test_sums();
  tenon::test_long_sums();
  tenon::test_denormals();
  tenon::test_sizes_that_disagree();
  tenon::test_hanging_rank();
  tenon::test_absent_rank();
  tenon::test_late_rank();
  tenon::test_other_operation();
  return tenon::test::report();
}
