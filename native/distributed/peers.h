// What this rank knows of the others: who they are, and whether they are alive. A rank that waits asks those
// that it waits for where they are, and their communication threads answer even while their programs compute.
// So a rank that hangs is told from one that is only late, and is named.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "distributed/transport.h"

namespace tenon {

enum class Collective : uint32_t { join, barrier, broadcast, gather, sum, leave, ping_pong, failed };
const char* name_of(Collective collective);

// Where a rank is: operations are numbered from 1.
struct Position {
  uint64_t sequence = 0;  // of the operation that it is in, or was in last
  Collective collective = Collective::join;
  uint32_t busy = 0;  // in it
};

// Tags: two for questions and answers, and one for each operation, so that ranks which call different
// operations do not take each other's messages.
int tag_of(const Position& position);

// Nanoseconds.
struct Limits {
  uint64_t answer = 0;   // within which the thread of a rank answers
  uint64_t arrival = 0;  // within which a rank comes to an operation in which another waits for it
};

// Nanoseconds in which this process itself has run and looked at the time. Where a whole job was stopped and
// continued (by a shell, a freezer of cgroups, a virtual machine), nobody has waited for anybody meanwhile.
class RunningTime {
 public:
  RunningTime();
  uint64_t look();

 private:
  uint64_t last_;
  uint64_t passed_ = 1;  // 0 is never
};

class Peers {
 public:
  Peers(Transport& transport, const Limits& limits);

  // Answers questions and takes answers.
  void serve(const Position& here);

  // Asks a rank, for which this one has waited in vain since `since`, where it is. Throws Disconnected once
  // it is clear that it will not come.
  void judge(int rank, const Position& here, uint64_t since, uint64_t now);

  // The time that the limits are about.
  uint64_t now() { return time_.look(); }

  // Whether no question of this rank is open, and all of its messages are gone.
  bool settled() const;

  void set_hosts(std::vector<std::string> hosts) { hosts_ = std::move(hosts); }
  const std::vector<std::string>& hosts() const { return hosts_; }
  std::string describe(int rank) const;  // "rank 2 (node7)"

 private:
  struct Known {
    uint64_t asked = 0;  // when, while there is no answer
    uint64_t heard = 0;  // when it answered
    int ahead = 0;       // answers in a row from beyond this rank's operation
    Position position;
  };
  struct Outgoing {
    Request request;
    Position position;
  };

  void send(int rank, int tag, const Position& position);
  Position receive(int rank, int tag);
  void judge_position(int rank, Known& known, const Position& here, uint64_t waited) const;

  Transport& transport_;
  const Limits limits_;
  RunningTime time_;
  std::vector<Known> known_;
  std::vector<std::string> hosts_;
  std::list<Outgoing> outgoing_;
};

}  // namespace tenon
