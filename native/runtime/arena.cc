#include "runtime/arena.h"

namespace tenon {

Arena::Claim::Claim(Arena& arena, size_t bytes) : arena_(arena), bytes_(bytes) {
  const std::lock_guard lock(arena_.mutex_);
  arena_.claims_.insert(bytes_);
}

Arena::Claim::~Claim() {
  const std::lock_guard lock(arena_.mutex_);
  arena_.claims_.erase(arena_.claims_.find(bytes_));
  if (!arena_.busy_) arena_.fit();
}

// Shrinks to the largest claim. Growing waits for enter(): a program that never runs needs no memory.
void Arena::fit() {
  const size_t needed = claims_.empty() ? 0 : *claims_.rbegin();
  if (needed < memory_.bytes()) memory_ = Memory();
}

std::byte* Arena::enter() {
  const std::lock_guard lock(mutex_);
  const size_t needed = claims_.empty() ? 0 : *claims_.rbegin();
  if (memory_.bytes() != needed) {
    memory_ = Memory();  // before the new one: the two need not fit together
    memory_ = Memory(needed, MemoryKind::arena);
  }
  busy_ = true;
  return memory_.data();
}

void Arena::leave() {
  const std::lock_guard lock(mutex_);
  busy_ = false;
  fit();
}

size_t Arena::bytes() const {
  const std::lock_guard lock(mutex_);
  return memory_.bytes();
}

}  // namespace tenon
