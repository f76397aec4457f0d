#include "distributed/exchange.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

namespace tenon {
namespace {

// Bytes of one message. Counts of MPI are ints, and progress shows in messages that are done.
constexpr size_t kPiece = size_t{4} << 20;

constexpr uint64_t kSpin = 20'000;                       // nanoseconds for which a thread may spin
constexpr uint64_t kServe = 50'000'000;                  // between looks for questions of other ranks
constexpr uint64_t kPatience = 1'000'000'000;            // after which this rank asks
constexpr int kShortestSleep = 10, kLongestSleep = 200;  // microseconds

template <class Begin>
void in_pieces(size_t bytes, Begin&& begin) {
  for (size_t at = 0; at < bytes; at += kPiece) begin(at, static_cast<int>(std::min(kPiece, bytes - at)));
}

}  // namespace

void Exchange::send(int peer, const std::byte* data, size_t bytes) {
  in_pieces(bytes, [&](size_t at, int piece) {
    pending_.push_back(world_.transport->send(data + at, piece, peer, tag_of(world_.here)));
  });
}

void Exchange::receive(int peer, std::byte* data, size_t bytes) {
  in_pieces(bytes, [&](size_t at, int piece) {
    pending_.push_back(world_.transport->receive(data + at, piece, peer, tag_of(world_.here)));
  });
}

// Whether any message was done.
bool Exchange::test_all() {
  const auto done = [this](Request& request) { return world_.transport->test(&request); };
  const auto end = std::remove_if(pending_.begin(), pending_.end(), done);
  const bool any = end != pending_.end();
  pending_.erase(end, pending_.end());
  return any;
}

void Exchange::judge_peers(uint64_t since, uint64_t now) {
  std::set<int> peers;
  for (const Request& request : pending_) peers.insert(request.peer);
  for (const int peer : peers) world_.peers.judge(peer, world_.here, since, now);
}

void Exchange::finish() {
  uint64_t progress = world_.peers.now(), served = progress;
  int sleep = kShortestSleep;
  while (!pending_.empty()) {
    const uint64_t now = world_.peers.now();
    if (test_all()) {
      progress = now;
      sleep = kShortestSleep;
      continue;
    }
    if (world_.stopping.load(std::memory_order_relaxed)) throw Disconnected("the process ends");
    if (now - served > kServe) {
      world_.peers.serve(world_.here);
      served = now;
      if (now - progress > kPatience) judge_peers(progress, now);
    }
    if (now - progress < kSpin) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(sleep));
      sleep = std::min(2 * sleep, kLongestSleep);
    }
  }
}

}  // namespace tenon
