// The one thread of the process that computes. It owns every parallel loop, so that
// there is one team of threads however many models run, and takes jobs from two queues, first in, first out
// each. While it has nothing to do, a thread that wants to wait for its job anyway takes its place for that
// job and saves two changes of threads.
//   train    training steps, and reads and writes of buffers, which must keep their order
//   predict  served first, also between two kernels of a training step that has not begun to commit; but for
//            no more than their share of the time while the train queue has work
// Started by the first job, never stopped or destroyed: it may outlive the environment that started it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "base/task.h"
#include "runtime/arena.h"
#include "runtime/prediction_share.h"

namespace tenon {

enum class Queue : uint8_t { train = 0, predict = 1 };
inline constexpr int kQueues = 2;

class Executor;

class Job : public Task {
 public:
  // On the executor thread. May throw: the job has then failed.
  virtual void run(Executor& executor) = 0;

  // Checked between kernels; a job in its commit section no longer looks.
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  const void* group = nullptr;  // the program it runs, for cancel_group
  uint64_t after = 0;           // predict only: starts when the train queue's tickets up to this one are done

 private:
  friend class Executor;
  std::atomic<bool> cancelled_{false};
  uint64_t ticket_ = 0;
};

using JobRef = std::shared_ptr<Job>;

class Executor {
 public:
  static Executor& get();

  // Queues a job and returns its ticket; `before_run` is called with it under the lock, before the job can
  // start. Throws if there is no memory or no thread; the job is then not queued. Nothing that
  // comes after allocates: a queued job ends, and its waiter learns of it, whatever else runs out.
  uint64_t submit(Queue queue, const JobRef& job, const std::function<void(uint64_t)>& before_run = {});

  // If nothing runs or waits, runs the job on the calling thread, in the executor's place, without calling
  // done. Otherwise returns false.
  bool run_here(Queue queue, const JobRef& job, const std::function<void(uint64_t)>& before_run);

  // Queued jobs of the group end as aborted at once, the running one at its next kernel.
  void cancel_group(const void* group) noexcept;

  // As above for everything an environment queued, without calling done; returns when nothing of it
  // runs any more.
  void cancel_owner(const void* owner) noexcept;

  // From inside a train job only: runs waiting predict jobs, as many as their share allows, until the train
  // job is cancelled. Takes the time at the call, and returns the time at the end.
  uint64_t serve_predictions(uint64_t now);

  // The share of the executor's time for predictions while training waits. Takes effect at once.
  void set_prediction_share(double share) { share_.set(share); }
  double prediction_share() const { return share_.get(); }

  // Takes effect before the next job.
  void set_threads(int threads) { wanted_threads_.store(threads, std::memory_order_relaxed); }
  int threads() const { return wanted_threads_.load(std::memory_order_relaxed); }

  Arena& arena(Queue queue) { return arenas_[static_cast<int>(queue)]; }

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Jobs = std::list<JobRef>;  // moved from list to list without allocating

  Executor() = default;
  void start();
  void loop();
  JobRef take_prediction();
  template <class Matches>
  Jobs withdraw(Matches&& matches);
  void execute(JobRef job, Queue queue, Lock* lock);
  void execute_training(JobRef job, Lock* lock);
  uint64_t execute_prediction(JobRef job, Lock* lock);
  bool training_waits() const;
  bool runs_for(const void* owner) const;

  std::mutex mutex_;
  std::condition_variable work_, idle_;
  Jobs queues_[kQueues];
  JobRef running_[kQueues];
  std::atomic<int> predictions_waiting_{0};
  std::atomic<int> wanted_threads_{1};
  uint64_t last_ticket_ = 0;
  bool started_ = false;
  bool lent_ = false;  // another thread is in the executor's place
  PredictionShare share_;
  uint64_t trained_until_ = 0;  // what the train job took before is accounted for
  Arena arenas_[kQueues];
};

// Runs the job, on this thread or the executor's, and waits for it. It uses the job's done.
void run_and_wait(Queue queue, const JobRef& job, const std::function<void(uint64_t)>& before_run = {});

}  // namespace tenon
