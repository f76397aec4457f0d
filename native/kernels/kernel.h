// What a kernel is to the runtime: a name, and for each target a function that checks a call and one that
// runs it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/attributes.h"
#include "base/cpu.h"
#include "base/tensor.h"

namespace tenon {

const char* name_of(Target target);

enum class Fault : uint8_t { none = 0, label_out_of_range = 1, index_out_of_range = 2 };

// State of one run of a Program, shared by its calls.
struct RunState {
  // Data-dependent faults. The lowest element index wins, so that the report does not depend on timing.
  void fault(Fault code, int64_t index) {
    const uint64_t mine = (static_cast<uint64_t>(index) << 8) | static_cast<uint64_t>(code);
    uint64_t seen = first_fault.load(std::memory_order_relaxed);
    while (mine < seen && !first_fault.compare_exchange_weak(seen, mine, std::memory_order_relaxed)) {
    }
  }
  bool faulted() const { return first_fault.load(std::memory_order_relaxed) != ~uint64_t{0}; }

  std::atomic<uint64_t> first_fault{~uint64_t{0}};
  bool nonfinite = false;  // set by finite_guard: the calls of the commit section are skipped
};

// One entry of a Program. Operands: inputs first, then outputs, as the op's file in lib/ops lists them.
struct Call {
  const TensorView* t = nullptr;
  int count = 0;
  const double* attrs = nullptr;
  int attr_count = 0;
  std::byte* workspace = nullptr;     // 64-byte aligned, as large as prepare() asked for, contents undefined
  const std::byte* packed = nullptr;  // the packed operand, when the runtime keeps one (see Packing)
  RunState* run = nullptr;

  // NaN and what no int64 arithmetic survives become a large negative number, which every prepare() refuses.
  int64_t attr(int i) const {
    constexpr double kExact = 9007199254740992.0;  // 2^53
    const double value = attrs[i];
    return static_cast<int64_t>(value >= -kExact && value <= kExact ? value : -kExact);
  }
};

// A kernel that lays an operand out anew before it works with it (a weight in panels, or transformed) can
// offer to do that once for many runs: prepare() says so here, and the kernel has a pack function. The
// runtime then keeps the packed copy of an operand that changes seldom, and packs again when it has changed.
struct Packing {
  int operand = -1;  // none
  size_t bytes = 0;  // of the packed copy
  int64_t layout =
      0;  // tells apart copies of one operand that differ though kernel, attributes and bytes agree
};

// What prepare() tells of a call: scratch memory it needs, and its work (for the profiler's roofline).
struct Cost {
  size_t workspace = 0;
  double flops = 0;
  double bytes = 0;
  Packing packing = {};
};

// Called once, when the program is built, with null data pointers. The call has as many attributes as the
// kernel declares. Must check everything else that run() relies on: operand counts, attributes, dtypes,
// ranks, and that all dims agree; throws std::invalid_argument otherwise. Called again with Call::packed set
// when the runtime takes up an offer of packing: the workspace then need not hold the packed operand.
using PrepareFn = Cost (*)(const Call&);
// Without Call::packed, packs into the workspace. The results are the same bits either way.
using RunFn = void (*)(const Call&);
// Writes all of the packed operand to `packed`, 64-byte aligned. Only that operand has an address, and what
// is written depends on nothing but the operand, the attributes and Packing::layout.
using PackFn = void (*)(const Call&, std::byte* packed);

struct Kernel {
  std::string name;
  AttrList attrs;
  PrepareFn prepare[kTargets] = {};
  RunFn run[kTargets] = {};
  PackFn pack[kTargets] = {};  // null where the kernel offers no packing
};

// Null when there is no such kernel.
const Kernel* find_kernel(const std::string& name);
std::vector<const Kernel*> all_kernels();

struct KernelRegistrar {
  // `attrs` must outlive the process's kernels, and must be the same for every target.
  KernelRegistrar(const char* name, Target target, PrepareFn prepare, RunFn run, AttrList attrs = {},
                  PackFn pack = nullptr);
};

// Throws std::invalid_argument(message) when a call is malformed.
void require(bool ok, const char* message);
void require_same_dims(const TensorView& a, const TensorView& b, const char* message);
void require_operands(const Call& call, int operands);

}  // namespace tenon
