#include "distributed/pending.h"

#include <stdexcept>
#include <utility>

namespace tenon {

void Pending::submit(const std::shared_ptr<Operation>& operation) {
  operation->done = [gate = gate_](Task&) {
    const std::lock_guard lock(gate->mutex);
    --gate->open;
    gate->opened.notify_all();
  };
  operations_.push_back(operation);
  {
    const std::lock_guard lock(gate_->mutex);
    ++gate_->open;
  }
  try {
    Communicator::get().submit(operation);
  } catch (...) {  // it was not queued
    operations_.pop_back();
    const std::lock_guard lock(gate_->mutex);
    --gate_->open;
    throw;
  }
}

void Pending::wait() {
  {
    std::unique_lock lock(gate_->mutex);
    while (gate_->open > 0) gate_->opened.wait(lock);
  }
  const auto ended = std::exchange(operations_, {});
  for (const auto& operation : ended) {
    if (operation->outcome == Outcome::disconnected) throw Disconnected(operation->message);
    if (operation->outcome != Outcome::ok) throw std::runtime_error(operation->message);
  }
}

}  // namespace tenon
