// The memory of intermediates: one arena per queue, as large as its largest live program, because programs of
// one queue run one after the other. It is mapped when a program runs and unmapped when the programs that
// needed it die.
#pragma once

#include <cstddef>
#include <mutex>
#include <set>

#include "base/memory.h"

namespace tenon {

class Arena {
 public:
  // Held by a program: "I need `bytes` when I run".
  class Claim {
   public:
    Claim(Arena& arena, size_t bytes);
    ~Claim();
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

   private:
    Arena& arena_;
    size_t bytes_;
  };

  // Executor only: start of a run. Maps what the largest claim needs; throws std::bad_alloc. The address
  // stays until leave().
  std::byte* enter();
  void leave();

  size_t bytes() const;

 private:
  void fit();

  mutable std::mutex mutex_;
  std::multiset<size_t> claims_;
  Memory memory_;
  bool busy_ = false;
};

}  // namespace tenon
