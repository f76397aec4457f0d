#include "runtime/executor.h"

#include <iterator>
#include <utility>

#include "base/clock.h"
#include "base/float_mode.h"
#include "base/parallel.h"
#include "base/system.h"

namespace tenon {
namespace {

// The mode in which jobs run: denormal numbers are a hundred times slower, and count as zero in kernels. A
// JavaScript thread gets its own mode back.
uint64_t flushing_mode() { return float_mode() | kFlushDenormals; }

}  // namespace

// Heap-allocated and never destroyed: the thread may still run while the process exits.
Executor& Executor::get() {
  static auto* executor = new Executor();
  return *executor;
}

uint64_t Executor::submit(Queue queue, const JobRef& job, const std::function<void(uint64_t)>& before_run) {
  Jobs one = {job};
  const Lock lock(mutex_);
  if (!started_) start();
  job->ticket_ = ++last_ticket_;
  if (before_run) before_run(job->ticket_);
  Jobs& jobs = queues_[static_cast<int>(queue)];
  jobs.splice(jobs.end(), one);
  if (queue == Queue::predict) predictions_waiting_.fetch_add(1, std::memory_order_relaxed);
  work_.notify_one();
  return job->ticket_;
}

void Executor::start() {
  start_thread([this] { loop(); });
  started_ = true;
}

// The oldest prediction, unless it must wait for a write that the train queue still holds, or predictions
// have had their share while training waits. Needs the lock.
JobRef Executor::take_prediction() {
  Jobs& predict = queues_[static_cast<int>(Queue::predict)];
  const Jobs& train = queues_[static_cast<int>(Queue::train)];
  const JobRef& training = running_[static_cast<int>(Queue::train)];
  if (predict.empty() || (training_waits() && !share_.allows())) return nullptr;
  const uint64_t oldest = training        ? training->ticket_
                          : train.empty() ? ~uint64_t{0}
                                          : train.front()->ticket_;
  if (predict.front()->after >= oldest) return nullptr;
  JobRef job = std::move(predict.front());
  predict.pop_front();
  predictions_waiting_.fetch_sub(1, std::memory_order_relaxed);
  return job;
}

// Runs the job and drops it outside the lock: the last reference may free a program.
void Executor::execute(JobRef job, Queue queue, Lock* lock) {
  JobRef& running = running_[static_cast<int>(queue)];
  running = job;
  lock->unlock();
  run_guarded(*job, [&] { job->run(*this); });
  if (job->done) job->done(*job);
  lock->lock();
  running.reset();
  idle_.notify_all();
  lock->unlock();
  job.reset();
  lock->lock();
}

// The time that training takes earns predictions their share.
void Executor::execute_training(JobRef job, Lock* lock) {
  trained_until_ = nanoseconds_now();
  execute(std::move(job), Queue::train, lock);
  share_.earn(nanoseconds_now() - trained_until_);
}

// Charges the time of a prediction if training waited from its beginning. Returns the time at its end.
uint64_t Executor::execute_prediction(JobRef job, Lock* lock) {
  const bool charged = training_waits();
  const uint64_t begin = nanoseconds_now();
  execute(std::move(job), Queue::predict, lock);
  const uint64_t end = nanoseconds_now();
  if (charged) share_.spend(end - begin);
  return end;
}

bool Executor::training_waits() const {
  const auto train = static_cast<int>(Queue::train);
  return running_[train] || !queues_[train].empty();
}

bool Executor::run_here(Queue queue, const JobRef& job, const std::function<void(uint64_t)>& before_run) {
  Lock lock(mutex_);
  for (int q = 0; q < kQueues; ++q) {
    if (running_[q] || !queues_[q].empty()) return false;
  }
  if (lent_) return false;
  lent_ = true;
  job->ticket_ = ++last_ticket_;
  if (before_run) before_run(job->ticket_);
  set_num_threads(threads());
  {
    const FloatMode flushing(flushing_mode());
    if (queue == Queue::train) {
      execute_training(job, &lock);
    } else {
      execute(job, queue, &lock);
    }
  }
  lent_ = false;
  if (!queues_[0].empty() || !queues_[1].empty()) work_.notify_one();
  return true;
}

void Executor::loop() {
  const FloatMode flushing(flushing_mode());
  Lock lock(mutex_);
  for (;;) {
    while (lent_) work_.wait(lock);
    set_num_threads(threads());
    Jobs& train = queues_[static_cast<int>(Queue::train)];
    if (JobRef prediction = take_prediction()) {
      execute_prediction(std::move(prediction), &lock);
    } else if (!train.empty()) {
      JobRef job = std::move(train.front());
      train.pop_front();
      execute_training(std::move(job), &lock);
    } else {
      work_.wait(lock);
    }
  }
}

uint64_t Executor::serve_predictions(uint64_t now) {
  share_.earn(now - trained_until_);
  trained_until_ = now;
  if (predictions_waiting_.load(std::memory_order_relaxed) == 0) return now;
  Lock lock(mutex_);
  const Job& training = *running_[static_cast<int>(Queue::train)];
  while (!training.cancelled()) {
    JobRef prediction = take_prediction();
    if (!prediction) break;
    trained_until_ = execute_prediction(std::move(prediction), &lock);
  }
  return trained_until_;
}

// Takes the jobs that match out of both queues and marks the running ones that match. Needs the lock.
template <class Matches>
Executor::Jobs Executor::withdraw(Matches&& matches) {
  Jobs taken;
  for (int q = 0; q < kQueues; ++q) {
    for (auto job = queues_[q].begin(); job != queues_[q].end();) {
      const auto next = std::next(job);
      if (matches(**job)) taken.splice(taken.end(), queues_[q], job);
      job = next;
    }
    if (running_[q] && matches(*running_[q])) running_[q]->cancelled_.store(true);
  }
  predictions_waiting_.store(static_cast<int>(queues_[static_cast<int>(Queue::predict)].size()));
  work_.notify_one();  // a prediction may have waited for one of them
  return taken;
}

void Executor::cancel_group(const void* group) noexcept {
  Lock lock(mutex_);
  const Jobs aborted = withdraw([group](const Job& job) { return job.group == group; });
  lock.unlock();
  for (const JobRef& job : aborted) {
    job->outcome = Outcome::aborted;
    if (job->done) job->done(*job);
  }
}

bool Executor::runs_for(const void* owner) const {
  for (const JobRef& job : running_) {
    if (job && job->owner == owner) return true;
  }
  return false;
}

void Executor::cancel_owner(const void* owner) noexcept {
  Lock lock(mutex_);
  const Jobs dropped = withdraw([owner](const Job& job) { return job.owner == owner; });
  while (runs_for(owner)) idle_.wait(lock);
  lock.unlock();  // before `dropped` is destroyed: the last reference may free a program
}

void run_and_wait(Queue queue, const JobRef& job, const std::function<void(uint64_t)>& before_run) {
  if (Executor::get().run_here(queue, job, before_run)) return;
  struct Gate {
    std::mutex mutex;
    std::condition_variable opened;
    bool open = false;
  };
  const auto gate = std::make_shared<Gate>();
  job->done = [gate](Task&) {
    const std::lock_guard lock(gate->mutex);
    gate->open = true;
    gate->opened.notify_all();
  };
  Executor::get().submit(queue, job, before_run);
  std::unique_lock lock(gate->mutex);
  while (!gate->open) gate->opened.wait(lock);
}

}  // namespace tenon
