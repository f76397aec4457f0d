// What carries bytes between the processes of a job: MPI, or memory in tests. One thread makes all calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace tenon {

// Another rank or the transport failed: nothing more can be exchanged.
class Disconnected : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// There is nothing to connect by; no harm was done.
class NoTransport : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A message on its way. The transport says what the handle means.
struct Request {
  union {
    void* pointer;
    int integer;
  } handle = {};
  int peer = 0;
  int bytes = 0;
  bool receives = false;
};

struct Waiting {
  int peer = 0;
  int tag = 0;
};

// Each call throws Disconnected where the transport fails.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Begin; the bytes must stay until test says that the message is done. Messages of one tag between two
  // ranks arrive in order.
  virtual Request send(const std::byte* data, int bytes, int peer, int tag) = 0;
  virtual Request receive(std::byte* data, int bytes, int peer, int tag) = 0;

  // Whether the message is done. Throws where fewer bytes came than were expected.
  virtual bool test(Request* request) = 0;

  // Whether a message of this tag waits for a receive, and whose it is.
  virtual bool waits(int tag, Waiting* message) = 0;

  // Collective: every rank calls it once, after its last message.
  virtual void finalize() = 0;

  // Ends all ranks. May return.
  virtual void abort() noexcept = 0;
};

}  // namespace tenon
