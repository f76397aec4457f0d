// What this process may use of the machine. How many threads it may keep busy: the affinity mask, the
// physical cores behind it and the cgroup CPU quota; Node itself ignores the quota, and a team larger than it
// is throttled by the kernel in every period. How much memory its cgroup allows.
#pragma once

#include <string>
#include <vector>

namespace tenon {

struct CpuBudget {
  int threads = 1;
  std::string reason;   // for people: "2 CPUs in the affinity mask"
  bool chosen = false;  // by a variable, not by what the machine has
};

// The least CPU quota on the whole path from this process's cgroup to the root, in CPUs; infinity when there
// is none. cgroup v1 and v2. Reads <root>/proc/self/{cgroup,mountinfo} and the mount points below <root>;
// tests pass a root of their own.
double cgroup_cpu_quota(const std::string& root = "");

// The least memory, with swap, that a cgroup on the same path allows, in bytes; infinity when there
// is no limit. `swap` is what the machine has: container runtimes allow as much again as memory, or any
// amount, also where there is none.
double cgroup_memory_limit(double swap, const std::string& root = "");

// Distinct physical cores among `cpus` (hardware threads of one core count once).
int physical_cores(const std::vector<int>& cpus, const std::string& root = "");

// min(affinity, cores, floor(quota)), at least 1. The floor and not the ceiling: with 2.5 CPUs of quota
// a team of three is stopped for a part of every period, and at each join two threads wait for the one
// that was stopped.
CpuBudget cpu_budget(int affinity, int cores, double quota);

// The budget of this process; TENON_NUM_THREADS, then OMP_NUM_THREADS override it. Throws
// std::invalid_argument when the variable is not a whole number from 1 to 1024 (OMP_NUM_THREADS may be a
// list: the first counts).
CpuBudget default_threads();

// The same, of given values of the variables (empty: not set).
CpuBudget threads_from(const std::string& tenon_num_threads, const std::string& omp_num_threads,
                       const CpuBudget& detected);

}  // namespace tenon
