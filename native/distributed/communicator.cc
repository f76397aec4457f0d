#include "distributed/communicator.h"

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/system.h"
#include "distributed/collectives.h"

namespace tenon {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kServe(250);  // between looks for questions of other ranks while nothing is asked here
// For the program, to report the error, before all ranks end.
constexpr uint64_t kGrace = 2'000'000'000;
constexpr milliseconds kPark(2000);
constexpr int kSettle = 1000;  // milliseconds
constexpr size_t kHostName = 256;

// A world of one needs no library.
class Alone : public Transport {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  Request send(const std::byte*, int, int, int) override { throw std::logic_error("no other rank"); }
  Request receive(std::byte*, int, int, int) override { throw std::logic_error("no other rank"); }
  bool test(Request*) override { return true; }
  bool waits(int, Waiting*) override { return false; }
  void finalize() override {}
  void abort() noexcept override {}
};

std::vector<std::string> gather_hosts(World& world, const std::string& host) {
  const auto size = static_cast<size_t>(world.size());
  std::vector<std::byte> names(size * kHostName);
  const size_t length = std::min(host.size(), kHostName - 1);
  std::memcpy(names.data() + static_cast<size_t>(world.rank()) * kHostName, host.data(), length);
  gather(world, std::vector<size_t>(size, kHostName), names.data());
  std::vector<std::string> hosts;
  for (size_t r = 0; r < size; ++r)
    hosts.emplace_back(reinterpret_cast<const char*>(names.data() + r * kHostName));
  return hosts;
}

void require_size(const World& world, const std::string& library, int expected) {
  if (expected == 0 || world.size() == expected) return;
  throw Disconnected("the launcher started " + std::to_string(expected) + " ranks, but " + library +
                     " knows of " + std::to_string(world.size()) +
                     ": this library does not belong to the launcher, or the launcher lacks its PMI or PMIx");
}

}  // namespace

// Heap-allocated and never destroyed: the thread may still run while the process exits.
Communicator& Communicator::get() {
  static auto* communicator = new Communicator();
  return *communicator;
}

void Communicator::join(const std::shared_ptr<Task>& task, const JoinOptions& options,
                        Membership* membership) {
  queue(task, [this, options, membership] { join_now(options, membership); });
}

void Communicator::submit(const std::shared_ptr<Operation>& operation) {
  queue(operation, [this, held = operation.get()] { run_now(*held); });
}

void Communicator::leave(const std::shared_ptr<Task>& task) {
  queue(task, [this] { leave_now(); });
}

void Communicator::give_up(const std::shared_ptr<Task>& task) {
  queue(task, [this] { give_up_now(); });
}

void Communicator::queue(const std::shared_ptr<Task>& task, std::function<void()> body) {
  std::list<Step> one = {{task, std::move(body)}};
  const std::lock_guard lock(mutex_);
  if (!started_) {
    start_thread([this] { loop(); });
    started_ = true;
  }
  steps_.splice(steps_.end(), one);
  work_.notify_one();
}

void Communicator::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (steps_.empty()) {
      idle(&lock);
      continue;
    }
    Step step = std::move(steps_.front());
    steps_.pop_front();
    busy_ = true;
    if (!owner_) owner_ = step.task->owner;
    lock.unlock();
    execute(std::move(step));
    lock.lock();
    busy_ = false;
    parked_.notify_all();
  }
}

// Waits for work. Meanwhile it answers other ranks, and ends all of them some time after a failure.
void Communicator::idle(std::unique_lock<std::mutex>* lock) {
  const bool alone = !world_ || world_->size() == 1 || stopping_;
  if (alone) {
    work_.wait(*lock);
    return;
  }
  if (work_.wait_for(*lock, kServe) == std::cv_status::no_timeout || !steps_.empty() || stopping_) return;
  busy_ = true;
  lock->unlock();
  try {
    if (broken_.empty() || gave_up_) world_->peers.serve(world_->here);
  } catch (const std::exception& error) {
    break_off(nullptr, error.what());
  }
  if (!broken_.empty() && nanoseconds_now() - broken_at_ > kGrace) world_->transport->abort();
  lock->lock();
  busy_ = false;
  parked_.notify_all();
}

void Communicator::execute(Step step) {
  Task& task = *step.task;
  run_guarded(task, [&] {
    try {
      step.body();
    } catch (const Disconnected& error) {
      break_off(step.task, error.what());
      fail(task, Outcome::disconnected, error.what());
    } catch (const NoTransport& error) {
      fail(task, Outcome::disconnected, error.what());
    }
  });
  if (task.done) task.done(task);
}

void Communicator::break_off(const std::shared_ptr<Task>& task, const char* why) noexcept {
  if (!broken_.empty()) return;
  try {
    broken_ = why;
    broken_at_ = nanoseconds_now();
    if (task) kept_.push_back(task);
  } catch (const std::bad_alloc&) {  // all ranks end the sooner
    broken_ = "!";
  }
}

World& Communicator::world() {
  if (!broken_.empty()) throw Disconnected(broken_);
  if (stopping_) throw Disconnected("the process ends");
  if (!world_) throw Disconnected("this process has not joined a world, or has left it");
  return *world_;
}

void Communicator::join_now(const JoinOptions& options, Membership* membership) {
  if (!broken_.empty()) throw Disconnected(broken_);
  if (joined_) throw NoTransport("this process has joined before; it joins only once");
  if (options.libraries.empty()) {
    joined_ = true;
    world_ = std::make_unique<World>(std::make_unique<Alone>(), options.limits, stopping_);
    return;
  }
  Mpi mpi = start_mpi(options.libraries);
  joined_ = true;
  const std::string host = mpi.host;
  world_ = std::make_unique<World>(std::move(mpi.transport), options.limits, stopping_);
  *membership = {world_->rank(), world_->size(), {}, mpi.file, mpi.abi, mpi.version};
  require_size(*world_, mpi.file, options.size);
  world_->here = {1, Collective::join, 1};
  membership->hosts = gather_hosts(*world_, host);
  world_->peers.set_hosts(membership->hosts);
  world_->here.busy = 0;
}

void Communicator::run_now(Operation& operation) {
  World& all = world();
  all.here = {all.here.sequence + 1, operation.collective, 1};
  operation.run(all);
  all.here.busy = 0;
}

// Libraries complain of messages that nobody received. Between the barriers all ranks answer what they were
// asked before.
void Communicator::leave_now() {
  World& all = world();
  all.here = {all.here.sequence + 1, Collective::leave, 1};
  barrier(all);
  for (int i = 0; i < kSettle && !all.peers.settled(); ++i) {
    all.peers.serve(all.here);
    std::this_thread::sleep_for(milliseconds(1));
  }
  ++all.here.sequence;
  barrier(all);
  all.transport->finalize();
  world_.reset();
}

void Communicator::give_up_now() {
  World& all = world();
  all.here = {all.here.sequence + 1, Collective::failed, 1};
  break_off(nullptr, "this rank has failed before");
  gave_up_ = true;
}

void Communicator::stop(const void* owner) noexcept {
  std::unique_lock lock(mutex_);
  if (owner_ != owner) return;
  stopping_ = true;
  work_.notify_all();
  // Bounded: MPI may hang in its initialization, and the process has to end.
  (void)parked_.wait_for(lock, kPark, [this] { return !busy_; });
}

}  // namespace tenon
