#include "runtime/program.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"

namespace tenon {
Memory Program::take_staging() {
  {
    const std::lock_guard lock(staging_mutex_);
    if (!spare_staging_.empty()) {
      Memory staging = std::move(spare_staging_.back());
      spare_staging_.pop_back();
      return staging;
    }
  }
  return Memory(staging_bytes_, MemoryKind::staging);
}

void Program::give_staging(Memory staging) {
  const std::lock_guard lock(staging_mutex_);
  if (spare_staging_.size() < kSpareStaging) spare_staging_.push_back(std::move(staging));
}

void Program::bind(std::byte* arena, std::byte* scalars, const std::vector<const std::byte*>& inputs) {
  const auto bind_all = [&](const Bindings& bindings, std::vector<TensorView>* views) {
    if (arena != bound_arena_)
      for (const Binding& binding : bindings.arena) (*views)[binding.view].data = arena + binding.offset;
    for (const Binding& binding : bindings.scalars) (*views)[binding.view].data = scalars + binding.offset;
    for (const InputBinding& binding : bindings.inputs)
      (*views)[binding.view].data = const_cast<std::byte*>(inputs[binding.input]) + binding.offset;
  };
  bind_all(view_bindings_, &views_);
  bind_all(output_bindings_, &outputs_);
  bound_arena_ = arena;
}

bool Program::run_steps(Executor& executor, const Job& job, std::byte* workspace, RunState* state) {
  for (const DerivedRef& derived : derived_) derived->update(workspace, state);
  if (state->faulted()) return true;
  uint64_t time = nanoseconds_now();
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (i <= commit_start_) {
      if (queue_ == Queue::train) time = executor.serve_predictions(time);
      if (job.cancelled()) return false;
    }
    if (i >= commit_start_ && (state->nonfinite || state->faulted())) return true;
    Step& step = steps_[i];
    step.call.workspace = workspace;
    step.call.run = state;
    step.run(step.call);
    for (Buffer* buffer : step.writes) buffer->changed();
    const uint64_t end = nanoseconds_now();
    step.nanoseconds.fetch_add(end - time, std::memory_order_relaxed);
    step.calls.fetch_add(1, std::memory_order_relaxed);
    time = end;
  }
  return true;
}

bool Program::run(Executor& executor, const Job& job, std::byte* scalars,
                  const std::vector<const std::byte*>& inputs, RunState* state,
                  std::vector<Memory>* outputs) {
  const Arena::Run arena(*claim_);
  bind(arena.data(), scalars, inputs);
  if (!run_steps(executor, job, arena.data() + workspace_offset_, state)) return false;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if ((*outputs)[i].bytes() != 0)
      std::memcpy((*outputs)[i].data(), outputs_[i].data, (*outputs)[i].bytes());
  }
  return true;
}

uint64_t Program::last_write() const {
  uint64_t last = 0;
  for (const BufferRef& buffer : buffers_)
    last = std::max(last, buffer->last_write.load(std::memory_order_relaxed));
  return last;
}

size_t Program::derived_bytes() const {
  size_t sum = 0;
  for (const DerivedRef& derived : derived_) sum += derived->bytes();
  return sum;
}

std::vector<CallProfile> Program::profile() const {
  std::vector<CallProfile> profiles;
  for (const Step& step : steps_) {
    profiles.push_back({&step.kernel->name, step.calls.load(std::memory_order_relaxed),
                        step.nanoseconds.load(std::memory_order_relaxed), step.flops, step.bytes});
  }
  return profiles;
}

std::string describe_fault(const RunState& state) {
  const uint64_t word = state.first_fault.load();
  static const char* names[] = {"none", "label_out_of_range", "index_out_of_range"};
  const uint64_t code = word & 0xff;
  return std::string(code < 3 ? names[code] : "fault") + " at element " + std::to_string(word >> 8);
}

}  // namespace tenon
