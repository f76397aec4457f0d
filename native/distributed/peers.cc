#include "distributed/peers.h"

#include <algorithm>
#include <thread>

#include "base/clock.h"

namespace tenon {
namespace {

constexpr int kQuestion = 1, kAnswer = 2, kFirstTag = 8;
constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kAskEvery = kSecond;
// For ranks that are in the same operation and wait for others: the one that waits for the
// culprit speaks first.
constexpr uint64_t kDeference = 5 * kSecond;
// A thread that waits looks far more often, even on a processor that many share.
constexpr uint64_t kLongestLook = kSecond / 2;

std::string seconds(uint64_t nanoseconds) { return std::to_string(nanoseconds / kSecond) + " s"; }

std::string in_words(const Position& position) {
  return std::string("'") + name_of(position.collective) + "' (operation " +
         std::to_string(position.sequence) + ")";
}

}  // namespace

const char* name_of(Collective collective) {
  switch (collective) {
    case Collective::join:
      return "join";
    case Collective::barrier:
      return "barrier";
    case Collective::broadcast:
      return "broadcast";
    case Collective::gather:
      return "gather";
    case Collective::sum:
      return "sum";
    case Collective::leave:
      return "leave";
    case Collective::ping_pong:
      return "ping-pong";
    case Collective::failed:
      return "failed";
  }
  return "unknown";
}

int tag_of(const Position& position) {
  constexpr uint64_t kNumbers = 4000;  // every MPI has tags up to 32767
  return kFirstTag + static_cast<int>(position.sequence % kNumbers) * 8 +
         static_cast<int>(position.collective);
}

RunningTime::RunningTime() : last_(nanoseconds_now()) {}

uint64_t RunningTime::look() {
  const uint64_t now = nanoseconds_now();
  passed_ += std::min(now - last_, kLongestLook);
  last_ = now;
  return passed_;
}

Peers::Peers(Transport& transport, const Limits& limits)
    : transport_(transport), limits_(limits), known_(static_cast<size_t>(transport.size())) {}

std::string Peers::describe(int rank) const {
  const auto at = static_cast<size_t>(rank);
  return "rank " + std::to_string(rank) + (at < hosts_.size() ? " (" + hosts_[at] + ")" : "");
}

void Peers::send(int rank, int tag, const Position& position) {
  Outgoing& out = outgoing_.emplace_back(Outgoing{{}, position});
  out.request =
      transport_.send(reinterpret_cast<const std::byte*>(&out.position), sizeof out.position, rank, tag);
}

Position Peers::receive(int rank, int tag) {
  Position position;
  Request request = transport_.receive(reinterpret_cast<std::byte*>(&position), sizeof position, rank, tag);
  while (!transport_.test(&request)) std::this_thread::yield();  // it has arrived
  return position;
}

void Peers::serve(const Position& here) {
  outgoing_.remove_if([this](Outgoing& out) { return transport_.test(&out.request); });
  Waiting message;
  while (transport_.waits(kQuestion, &message)) {
    (void)receive(message.peer, kQuestion);
    send(message.peer, kAnswer, here);
  }
  while (transport_.waits(kAnswer, &message)) {
    Known& known = known_[static_cast<size_t>(message.peer)];
    known.position = receive(message.peer, kAnswer);
    known.asked = 0;
    known.heard = now();
    known.ahead = known.position.sequence > here.sequence ? known.ahead + 1 : 0;
  }
}

bool Peers::settled() const {
  if (!outgoing_.empty()) return false;
  for (const Known& known : known_) {
    if (known.asked != 0) return false;
  }
  return true;
}

void Peers::judge(int rank, const Position& here, uint64_t since, uint64_t now) {
  Known& known = known_[static_cast<size_t>(rank)];
  if (known.asked != 0) {
    if (now - known.asked < limits_.answer) return;
    throw Disconnected(in_words(here) + ": " + describe(rank) + " has not answered for " +
                       seconds(now - known.asked) + ": its process hangs, or its host cannot be reached");
  }
  if (known.heard > since) judge_position(rank, known, here, now - since);
  if (known.heard != 0 && now - known.heard < kAskEvery) return;
  known.asked = now;
  send(rank, kQuestion, here);
}

void Peers::judge_position(int rank, Known& known, const Position& here, uint64_t waited) const {
  const Position& there = known.position;
  const bool same_number = there.sequence == here.sequence;
  if (there.collective == Collective::failed && there.sequence <= here.sequence)
    throw Disconnected(in_words(here) + ": " + describe(rank) + " will not come to it: its program failed");
  if (same_number && there.collective != here.collective)
    throw Disconnected("the ranks disagree: this one is in " + in_words(here) + ", and " + describe(rank) +
                       " in " + in_words(there));
  // An answer may overtake the message that is waited for, but not twice.
  if (known.ahead > 2)
    throw Disconnected("the ranks disagree: this one is in " + in_words(here) + ", and " + describe(rank) +
                       " is already past " + in_words(there));
  const bool waits_too = same_number && there.busy != 0;
  if (waited < limits_.arrival + (waits_too ? kDeference : 0)) return;
  throw Disconnected(in_words(here) + ": " + describe(rank) +
                     (waits_too ? " is in it, too, but nothing has come from it for "
                                : " answers, but its program has not come to it for ") +
                     seconds(waited));
}

}  // namespace tenon
