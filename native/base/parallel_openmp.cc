// parallel_for on the threads of an OpenMP runtime, which the process may share with other libraries: a build
// with TENON_OPENMP.
#include <omp.h>

#include "base/fork_join.h"
#include "base/parallel.h"
#include "base/system.h"

namespace tenon {
namespace detail {
namespace {

// Half of what our own threads have is enough for every kernel; a runtime's threads may have less (musl's
// default is 128 KiB; OMP_STACKSIZE changes it), and then leave the blocks to others.
bool has_stack() {
  thread_local const size_t stack = thread_stack();
  return stack == 0 || stack >= kThreadStack / 2;
}

}  // namespace

// Always as many threads as there are, also for a loop of fewer blocks: libgomp ends threads that a region
// does not use, and starts them again for the next one.
void fork_join(int threads, Loop* loop) {
#pragma omp parallel num_threads(threads)
  if (const int thread = omp_get_thread_num(); thread == 0 || has_stack()) loop->work(thread);
}

}  // namespace detail

const char* thread_pool() { return "openmp"; }

}  // namespace tenon
