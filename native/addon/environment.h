// What one JavaScript environment (the main thread or a worker) owns: its tasks in flight and the thread-safe
// functions that wake its event loop when some are done. They keep the loop alive only while jobs are
// pending. There are two, which take turns: Node calls such a function again, up to a thousand times, when
// new calls are queued while it runs. With a single function, jobs that end as fast as they are settled would
// keep everything else in the loop from running.
#pragma once

// Nothing can be thrown into a worker that is being terminated; without this, an attempt ends the process.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#include <napi.h>

#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "runtime/executor.h"

namespace tenon::addon {

// Makes the value a finished task resolves with. Uses the C interface and may return null: in an environment
// that is being torn down every call can fail.
using MakeValue = napi_value (*)(napi_env, Task&);

class Environment : public std::enable_shared_from_this<Environment> {
 public:
  // Called once when the addon is loaded into an environment.
  static void create(Napi::Env env);
  static Environment& of(Napi::Env env);

  // Calls `queue`, which hands the task to a thread; the promise settles when that has done it.
  Napi::Value promise(Napi::Env env, const std::shared_ptr<Task>& task, MakeValue make,
                      const std::function<void()>& queue);

  // Queues the job; the promise settles when it is done.
  Napi::Value submit(Napi::Env env, Queue queue, const JobRef& job, MakeValue make,
                     const std::function<void(uint64_t)>& before_run = {});

  // Queues the job, waits, returns its value or throws.
  Napi::Value run(Napi::Env env, Queue queue, const JobRef& job, MakeValue make,
                  const std::function<void(uint64_t)>& before_run = {});

 private:
  struct Finished {
    napi_deferred deferred;
    MakeValue make;
    std::shared_ptr<Task> task;  // once it is done
  };
  using FinishedList = std::list<Finished>;  // made when a job is queued, so that ending it allocates nothing

  static void drain(napi_env env, napi_value callback, void* context, void* data);
  static void leave(void* self);
  void finished(FinishedList* one, Task& task) noexcept;
  void settle(napi_env env, const Finished& finished);

  napi_env env_ = nullptr;
  napi_threadsafe_function wake_[2] = {nullptr, nullptr};
  size_t pending_ = 0;  // JavaScript thread only
  std::mutex mutex_;
  FinishedList finished_;
  bool open_ = true, woken_ = false;
  int turn_ = 0;  // whose call is next
};

// The JavaScript error for a task that failed or was cancelled.
napi_value error_of(napi_env env, const Task& task);

// Throws a JavaScript error with this code.
[[noreturn]] void throw_error(Napi::Env env, const char* code, const std::string& message);

}  // namespace tenon::addon
