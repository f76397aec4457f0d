// The memory of intermediates: one arena per queue, because programs of one queue run one after the other. It
// grows to what the program that enters needs, and is unmapped when the largest programs that have run die.
// A program that gets no memory leaves the others as they were: they map what they need when they next run.
#pragma once

#include <cstddef>
#include <mutex>
#include <set>

#include "base/memory.h"

namespace tenon {

class Arena {
 public:
  // Held by a program: "I need `bytes` when I run". Counts from the program's first run on.
  class Claim {
   public:
    Claim(Arena& arena, size_t bytes);
    ~Claim();
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

   private:
    friend class Arena;
    Arena& arena_;
    const size_t bytes_;
    std::multiset<size_t>::node_type node_;  // made beforehand, so that entering allocates nothing but memory
  };

  // Executor only: one run of the claim's program. Maps what it needs; throws OutOfMemory. The address stays
  // until the run is over.
  class Run {
   public:
    explicit Run(Claim& claim);
    ~Run();
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    std::byte* data() const { return arena_.memory_.data(); }

   private:
    Arena& arena_;
  };

  size_t bytes() const;

 private:
  void shrink();

  mutable std::mutex mutex_;
  std::multiset<size_t> claims_;
  Memory memory_;
  bool busy_ = false;
};

}  // namespace tenon
