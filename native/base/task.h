// What one of tenon's threads does for somebody who waits for it: a run of a program, a copy, an exchange
// with other processes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <string>

#include "base/memory.h"

namespace tenon {

enum class Outcome : uint8_t { ok, failed, no_memory, bad_data, aborted, disconnected };

class Task : public std::enable_shared_from_this<Task> {
 public:
  virtual ~Task() = default;

  const void* owner = nullptr;  // the environment that queued it
  // Exactly once, on any thread, unless the task was removed because its owner ended. Must not throw.
  std::function<void(Task&)> done;

  Outcome outcome = Outcome::ok;
  std::string message;
};

inline void fail(Task& task, Outcome outcome, const char* message) noexcept {
  task.outcome = outcome;
  try {
    task.message = message;
  } catch (const std::bad_alloc&) {  // the outcome alone says what matters
  }
}

// The task that this thread does now; null outside of run_guarded. Whoever hands memory that it works on to
// another thread keeps that memory by it.
inline thread_local Task* running_task = nullptr;

// Calls the body. What it throws makes the task fail.
template <class Body>
void run_guarded(Task& task, Body&& body) noexcept {
  struct Running {
    explicit Running(Task* now) { running_task = now; }
    ~Running() { running_task = before; }
    Task* const before = running_task;
  } const running(&task);
  try {
    body();
  } catch (const OutOfMemory& error) {
    fail(task, Outcome::no_memory, error.what());
  } catch (const std::bad_alloc&) {
    fail(task, Outcome::no_memory, "out of memory");
  } catch (const std::exception& error) {
    fail(task, Outcome::failed, error.what());
  }
}

}  // namespace tenon
