// The one thread of the process that talks to other processes. It initializes MPI and makes all of its calls,
// so that the library need not be safe for threads, and runs operations one after the other. Started by the
// first operation, never stopped: it may outlive the environment that started it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/task.h"
#include "distributed/exchange.h"
#include "distributed/mpi.h"

namespace tenon {

// One call of a collective operation. It holds what keeps its memory alive.
class Operation : public Task {
 public:
  explicit Operation(Collective which) : collective(which) {}
  virtual void run(World& world) = 0;

  const Collective collective;
};

// What a process knows of its job once it has joined.
struct Membership {
  int rank = 0, size = 1;
  std::vector<std::string> hosts;  // of every rank; empty in a world of one
  std::string file, abi, version;  // of MPI; empty in a world without it
};

struct JoinOptions {
  std::vector<std::string> libraries;  // candidates; none: a world of one, without MPI
  int size = 0;                        // how many ranks the launcher says there are; 0: it does not say
  Limits limits;
};

class Communicator {
 public:
  static Communicator& get();

  // Each is queued and calls the task's `done` at its end. Throws where no thread can be started.
  void join(const std::shared_ptr<Task>& task, const JoinOptions& options, Membership* membership);
  void submit(const std::shared_ptr<Operation>& operation);
  void leave(const std::shared_ptr<Task>& task);

  // This rank's program has failed and will come to no other operation. Whoever waits for it learns of it,
  // and some time later all ranks end.
  void give_up(const std::shared_ptr<Task>& task);

  // The environment ends, and perhaps the process: an operation that runs for it ends, and no call of MPI is
  // made from now on, where this environment had joined.
  void stop(const void* owner) noexcept;

 private:
  struct Step {
    std::shared_ptr<Task> task;
    std::function<void()> body;
  };

  void queue(const std::shared_ptr<Task>& task, std::function<void()> body);
  void loop();
  void execute(Step step);
  void idle(std::unique_lock<std::mutex>* lock);
  void join_now(const JoinOptions& options, Membership* membership);
  void run_now(Operation& operation);
  void leave_now();
  void give_up_now();
  void break_off(const std::shared_ptr<Task>& task, const char* why) noexcept;
  World& world();

  std::mutex mutex_;
  std::condition_variable work_, parked_;
  std::list<Step> steps_;
  bool started_ = false, busy_ = false;
  const void* owner_ = nullptr;  // the environment that joined
  std::atomic<bool> stopping_{false};

  // Only the thread uses these.
  std::unique_ptr<World> world_;
  bool joined_ = false;
  bool gave_up_ = false;  // of its own accord: the transport works, and others may ask
  std::string broken_;    // why nothing can be exchanged any more
  uint64_t broken_at_ = 0;
  std::list<std::shared_ptr<Task>> kept_;  // others may still write to their memory
};

}  // namespace tenon
