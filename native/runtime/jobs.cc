#include "runtime/jobs.h"

#include <cstring>

#include "distributed/transport.h"

namespace tenon {

ProgramJob::ProgramJob(ProgramRef program)
    : program_(std::move(program)), staging_(program_->take_staging()) {
  group = program_.get();
  if (program_->queue() == Queue::predict) after = program_->last_write();
  for (size_t i = 0; i < program_->inputs().size(); ++i) inputs_.push_back(input(i));
  for (const TensorView& output : program_->outputs())
    outputs_.emplace_back(output.bytes(), MemoryKind::staging);
}

ProgramJob::~ProgramJob() { program_->give_staging(std::move(staging_)); }

void ProgramJob::run(Executor& executor) {
  try {
    if (!program_->run(executor, *this, staging_.data(), inputs_, &state_, &outputs_)) {
      outcome = Outcome::aborted;
    } else if (state_.faulted()) {
      outcome = Outcome::bad_data;
      message = describe_fault(state_);
    }
  } catch (const Disconnected& error) {
    fail(*this, Outcome::disconnected, error.what());
  }
}

void WriteJob::run(Executor&) {
  const Memory& from = source_->memory;
  if (from.bytes() != 0) std::memmove(buffer_->memory.data() + offset_, from.data(), from.bytes());
  buffer_->changed();
}

void ReadJob::run(Executor&) {
  if (copy_.bytes() != 0) std::memcpy(copy_.data(), buffer_->memory.data() + offset_, copy_.bytes());
}

}  // namespace tenon
