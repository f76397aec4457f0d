// Values that follow from persistent buffers alone, such as folded and packed weights. They are kept between
// runs, computed anew when a source has changed, and shared by all programs that need the same one: a model
// has a program for each batch size, but one set of packed weights.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/kernel.h"
#include "runtime/buffer.h"

namespace tenon {

class Derived {
  class OnlyOf {  // only of() can make one
    friend class Derived;
    OnlyOf() = default;
  };

 public:
  // How the values are made: by a call of a kernel, or by its pack function.
  struct Recipe {
    const Kernel* kernel = nullptr;
    Target target = Target::baseline;
    std::vector<TensorView> tensors;  // inputs with their addresses, then results without
    std::vector<double> attrs;
    int results = 0;                 // how many of the tensors; 0 when packing
    Packing packing;                 // set when packing
    std::vector<BufferRef> sources;  // what the inputs live in
  };

  // Returns the existing one for an equal recipe, or a new one. Any thread may call it.
  static std::shared_ptr<Derived> of(Recipe recipe);

  Derived(OnlyOf, const std::string& key, Recipe recipe);
  ~Derived();
  Derived(const Derived&) = delete;
  Derived& operator=(const Derived&) = delete;

  // A buffer for each result, or one that holds the packed copy.
  const std::vector<BufferRef>& results() const { return results_; }
  size_t bytes() const;

  // Executor only: computes the values where a source has changed since.
  void update(std::byte* workspace, RunState* state);

 private:
  bool stale() const;

  std::string key_;
  Recipe recipe_;
  std::vector<BufferRef> results_;
  std::vector<uint64_t> seen_;  // versions of the sources
};

using DerivedRef = std::shared_ptr<Derived>;

}  // namespace tenon
