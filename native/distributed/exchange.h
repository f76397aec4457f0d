// Messages between this rank and others that are under way together. Waiting for them burns little: after a
// few microseconds the thread sleeps between its looks.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "distributed/peers.h"
#include "distributed/transport.h"

namespace tenon {

// What an operation works with: the ranks of the job, as the communication thread sees them.
struct World {
  World(std::unique_ptr<Transport> carrier, const Limits& limits, const std::atomic<bool>& end)
      : transport(std::move(carrier)), peers(*transport, limits), stopping(end) {}

  int rank() const { return transport->rank(); }
  int size() const { return transport->size(); }

  std::unique_ptr<Transport> transport;
  Peers peers;
  Position here;
  const std::atomic<bool>& stopping;  // the process ends
};

class Exchange {
 public:
  explicit Exchange(World& world) : world_(world) {}

  // Begin. The bytes stay until finish() returns or throws.
  void send(int peer, const std::byte* data, size_t bytes);
  void receive(int peer, std::byte* data, size_t bytes);

  // Waits until all messages are done. Throws Disconnected where one will not be.
  void finish();

 private:
  bool test_all();
  void judge_peers(uint64_t since, uint64_t now);

  World& world_;
  std::vector<Request> pending_;
};

}  // namespace tenon
