// What the drivers of the heavy ops share: registration for every compiled instruction set, a workspace
// layout, and parallel loops whose workers own a scratch area. Drivers are plain C++ compiled once; only the
// GEMM kernels behind gemm_kernels() differ per target.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>

#include "base/conv_geom.h"
#include "base/parallel.h"
#include "base/shares.h"
#include "kernels/gemm.h"
#include "kernels/kernel.h"

namespace tenon {

// Op::kAttrs, where the op has attributes.
template <class Op>
constexpr AttrList attrs_of() {
  if constexpr (requires { Op::kAttrs; }) {
    return Op::kAttrs;
  } else {
    return {};
  }
}

// Op has: static constexpr const char* kName; kAttrs where it has attributes; static Cost prepare(const
// Call&, const GemmKernels&); static void run(same); and, where it offers packing, static void pack(const
// Call&, const GemmKernels&, float*).
template <class Op, Target T>
struct HeavyFor {
  static Cost prepare(const Call& call) { return Op::prepare(call, gemm_kernels(T)); }
  static void run(const Call& call) { Op::run(call, gemm_kernels(T)); }
  static constexpr bool kPacks = requires(const Call& call, const GemmKernels& kernels, float* packed) {
    Op::pack(call, kernels, packed);
  };
  static void pack(const Call& call, std::byte* packed) {
    if constexpr (kPacks) Op::pack(call, gemm_kernels(T), reinterpret_cast<float*>(packed));
  }
};

template <class Op, Target... T>
struct RegisterFor {
  KernelRegistrar registrars[sizeof...(T)] = {{Op::kName, T, HeavyFor<Op, T>::prepare, HeavyFor<Op, T>::run,
                                               attrs_of<Op>(),
                                               HeavyFor<Op, T>::kPacks ? HeavyFor<Op, T>::pack : nullptr}...};
};

// Register<Op, every compiled instruction set>.
#if defined(__x86_64__)
template <template <class, Target...> class Register, class Op>
using OnEveryTarget = Register<Op, Target::baseline, Target::avx2, Target::avx512>;
#elif defined(__aarch64__)
template <template <class, Target...> class Register, class Op>
using OnEveryTarget = Register<Op, Target::neon>;
#else
template <template <class, Target...> class Register, class Op>
using OnEveryTarget = Register<Op, Target::baseline>;
#endif

template <class Op>
using RegisterHeavy = OnEveryTarget<RegisterFor, Op>;

// Workspace offsets in floats, each part on a cache line. Built the same way by prepare() and run().
class Layout {
 public:
  int64_t add(int64_t floats) {
    const int64_t at = size_;
    size_ = checked_product(ceil_div(size_ + checked_product(floats, 1), kLine), kLine);
    return at;
  }
  int64_t floats() const { return size_; }
  size_t bytes() const { return static_cast<size_t>(size_) * sizeof(float); }

 private:
  static constexpr int64_t kLine = 16;
  int64_t size_ = 0;
};

// Processors of the machine. A constant of the process: it decides how results are cut, never how sums are,
// so no bit depends on it.
inline int cores() {
  static const int count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return count;
}

// Most workers that one heavy op uses: a constant of the process, because prepare() sizes the scratch areas
// by it.
inline int scratch_slots() { return std::max(4, cores()); }

// Tasks that a heavy op is cut into where its shape allows, so that threads end together: a constant of the
// process as well.
inline int64_t wanted_tasks() { return int64_t{4} * scratch_slots(); }

// fn(task, slot) for every task in [0, tasks), as parallel_for; calls that run at the same time have
// different slots.
template <class Fn>
void parallel_tasks(int64_t tasks, double cost, Fn&& fn) {
  const int64_t workers = std::min<int64_t>({tasks, scratch_slots(), num_threads()});
  detail::Shares shares(tasks, workers);
  parallel_for(workers, cost,
               [&](int64_t slot) { shares.take(slot, [&](int64_t task) { fn(task, slot); }); });
}

// Asks for n elements that will be needed soon, into the second-level cache. Always inlined: to GCC a
// function that does nothing else has no effect, and it leaves out its calls.
template <class T>
[[gnu::always_inline]] inline void fetch_ahead(const T* p, int64_t n) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t i = 0; i < n; i += kLine) __builtin_prefetch(p + i, 0, 2);
}

// [0, total) cut in `parts` pieces whose sizes differ by at most one.
struct EvenSplit {
  EvenSplit(int64_t total, int64_t pieces)
      : parts(pieces), least(pieces > 0 ? total / pieces : 0), larger(pieces > 0 ? total % pieces : 0) {}
  int64_t begin(int64_t i) const { return least * i + std::min(i, larger); }
  int64_t size(int64_t i) const { return least + (i < larger ? 1 : 0); }

  int64_t parts;
  int64_t least, larger;  // the smallest size; how many parts have one more
};

// [0, rows) cut in register tiles of nearly equal height, at most `tallest`.
inline EvenSplit tile_rows(int64_t rows, int64_t tallest) { return {rows, ceil_div(rows, tallest)}; }

}  // namespace tenon
