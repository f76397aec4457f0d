#include "addon/environment.h"

#include <utility>

#include "distributed/communicator.h"

namespace tenon::addon {

void throw_error(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  throw error;
}

namespace {

napi_value make_error(napi_env env, const char* code, const char* text, size_t length = NAPI_AUTO_LENGTH) {
  napi_value code_value = nullptr, message = nullptr, error = nullptr;
  napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &code_value);
  napi_create_string_utf8(env, text, length, &message);
  napi_create_error(env, code_value, message, &error);
  return error;
}

// Replaces what JavaScript threw, if anything.
napi_value no_room(napi_env env) {
  napi_value thrown = nullptr;
  napi_get_and_clear_last_exception(env, &thrown);
  return make_error(env, "ERR_TENON_MEMORY", "out of memory: there is no room for the result");
}

}  // namespace

namespace {

const char* code_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::bad_data:
      return "ERR_TENON_DATA";
    case Outcome::no_memory:
      return "ERR_TENON_MEMORY";
    case Outcome::disconnected:
      return "ERR_TENON_DISTRIBUTED";
    default:
      return "ERR_TENON_NATIVE";
  }
}

}  // namespace

napi_value error_of(napi_env env, const Task& task) {
  if (task.outcome == Outcome::aborted) {
    return make_error(env, "ERR_TENON_ABORTED", "the program was cancelled");
  }
  if (task.outcome == Outcome::no_memory && task.message.empty()) {  // no memory was left for the message
    return make_error(env, "ERR_TENON_MEMORY", "out of memory");
  }
  return make_error(env, code_of(task.outcome), task.message.c_str(), task.message.size());
}

void Environment::create(Napi::Env env) {
  const auto self = std::make_shared<Environment>();
  self->env_ = env;
  env.SetInstanceData<std::shared_ptr<Environment>>(new std::shared_ptr<Environment>(self));
  const auto free_held = [](napi_env, void* data, void*) {
    delete static_cast<std::shared_ptr<Environment>*>(data);
  };
  const Napi::String name = Napi::String::New(env, "tenon");
  for (napi_threadsafe_function& wake : self->wake_) {
    auto held = std::make_unique<std::shared_ptr<Environment>>(self);
    const napi_status status = napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, held.get(),
                                                               free_held, self.get(), drain, &wake);
    if (status != napi_ok) throw Napi::Error::New(env);
    (void)held.release();  // free_held owns it now
    napi_unref_threadsafe_function(env, wake);
  }
  // After the functions: hooks run in reverse order, so jobs are stopped before the functions close.
  napi_add_env_cleanup_hook(env, leave, self.get());
}

Environment& Environment::of(Napi::Env env) { return **env.GetInstanceData<std::shared_ptr<Environment>>(); }

// The environment ends (a worker was stopped, the process exits): its jobs stop at their next kernel.
void Environment::leave(void* data) {
  auto* self = static_cast<Environment*>(data);
  Communicator::get().stop(self);  // first: the job that runs may wait for other processes
  Executor::get().cancel_owner(self);
  {
    const std::lock_guard lock(self->mutex_);
    self->open_ = false;
    self->finished_.clear();
  }
  for (napi_threadsafe_function wake : self->wake_) napi_release_threadsafe_function(wake, napi_tsfn_abort);
}

Napi::Value Environment::promise(Napi::Env env, const std::shared_ptr<Task>& task, MakeValue make,
                                 const std::function<void()>& queue) {
  napi_deferred raw = nullptr;
  napi_value promise = nullptr;
  if (napi_create_promise(env, &raw, &promise) != napi_ok) throw Napi::Error::New(env);
  try {
    auto one = std::make_shared<FinishedList>(1, Finished{raw, make, nullptr});
    task->owner = this;
    task->done = [self = shared_from_this(), one](Task& done) { self->finished(one.get(), done); };
    queue();
  } catch (const std::exception&) {  // nobody has seen the promise; it must not stay open
    napi_value undefined = nullptr;
    napi_get_undefined(env, &undefined);
    napi_resolve_deferred(env, raw, undefined);
    throw;
  }
  if (pending_++ == 0) {
    for (napi_threadsafe_function wake : wake_) napi_ref_threadsafe_function(env, wake);
  }
  return Napi::Value(env, promise);
}

Napi::Value Environment::submit(Napi::Env env, Queue queue, const JobRef& job, MakeValue make,
                                const std::function<void(uint64_t)>& before_run) {
  return promise(env, job, make, [&] { Executor::get().submit(queue, job, before_run); });
}

Napi::Value Environment::run(Napi::Env env, Queue queue, const JobRef& job, MakeValue make,
                             const std::function<void(uint64_t)>& before_run) {
  job->owner = this;
  run_and_wait(queue, job, before_run);
  if (job->outcome != Outcome::ok) throw Napi::Error(env, error_of(env, *job));
  napi_value value = make(env, *job);
  if (value == nullptr) throw Napi::Error(env, no_room(env));
  return Napi::Value(env, value);
}

// On the thread that did the task, or on any thread that cancels.
void Environment::finished(FinishedList* one, Task& task) noexcept {
  const std::lock_guard lock(mutex_);
  if (!open_) return;
  one->front().task = task.shared_from_this();
  finished_.splice(finished_.end(), *one);
  if (woken_) return;
  woken_ = true;
  napi_call_threadsafe_function(wake_[turn_], nullptr, napi_tsfn_nonblocking);
}

void Environment::settle(napi_env env, const Finished& finished) {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value value = nullptr, error = nullptr;
  if (finished.task->outcome == Outcome::ok) {
    value = finished.make(env, *finished.task);
    if (value == nullptr) error = no_room(env);
  } else {
    error = error_of(env, *finished.task);
  }
  if (value != nullptr) {
    napi_resolve_deferred(env, finished.deferred, value);
  } else {
    if (error == nullptr) napi_get_undefined(env, &error);
    napi_reject_deferred(env, finished.deferred, error);
  }
  napi_close_handle_scope(env, scope);
}

void Environment::drain(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;
  auto* self = static_cast<Environment*>(context);
  FinishedList finished;
  {
    const std::lock_guard lock(self->mutex_);
    finished.swap(self->finished_);
    self->woken_ = false;
    self->turn_ ^= 1;
  }
  for (const Finished& one : finished) self->settle(env, one);
  self->pending_ -= finished.size();
  if (finished.empty() || self->pending_ != 0) return;
  for (napi_threadsafe_function wake : self->wake_) napi_unref_threadsafe_function(env, wake);
}

}  // namespace tenon::addon
