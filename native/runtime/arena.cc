#include "runtime/arena.h"

#include <utility>

namespace tenon {

Arena::Claim::Claim(Arena& arena, size_t bytes) : arena_(arena), bytes_(bytes) {
  std::multiset<size_t> one = {bytes};
  node_ = one.extract(one.begin());
}

Arena::Claim::~Claim() {
  const std::lock_guard lock(arena_.mutex_);
  if (!node_.empty()) return;  // never ran
  arena_.claims_.erase(arena_.claims_.find(bytes_));
  if (!arena_.busy_) arena_.shrink();
}

// Shrinks to the largest claim: the memory is freed, and the next run maps what it needs.
void Arena::shrink() {
  const size_t needed = claims_.empty() ? 0 : *claims_.rbegin();
  if (needed < memory_.bytes()) memory_ = Memory();
}

Arena::Run::Run(Claim& claim) : arena_(claim.arena_) {
  const std::lock_guard lock(arena_.mutex_);
  if (arena_.memory_.bytes() < claim.bytes_) {
    arena_.memory_ = Memory();  // before the new one, because both may not fit
    arena_.memory_ = Memory(claim.bytes_, MemoryKind::arena);
  }
  if (!claim.node_.empty()) arena_.claims_.insert(std::move(claim.node_));
  arena_.busy_ = true;
}

Arena::Run::~Run() {
  const std::lock_guard lock(arena_.mutex_);
  arena_.busy_ = false;
  arena_.shrink();
}

size_t Arena::bytes() const {
  const std::lock_guard lock(mutex_);
  return memory_.bytes();
}

}  // namespace tenon
