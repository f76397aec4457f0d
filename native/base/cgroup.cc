#include "base/cgroup.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/system.h"

namespace tenon {
namespace {
constexpr double kNoQuota = std::numeric_limits<double>::infinity();
constexpr int kMaxThreads = 1024;

// Where a cgroup hierarchy is mounted, and which of its directories is the mount's root.
struct Mount {
  std::string root, point;
};

bool contains(const std::string& list, const std::string& item) {
  std::stringstream words(list);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == item) return true;
  }
  return false;
}

// The line of mountinfo for cgroup2, or for the v1 hierarchy with this controller.
bool find_mount(const std::string& root, bool v2, const char* controller, Mount* mount) {
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::string id, parent, device, type, source, options;
    std::stringstream head(line.substr(0, dash)), tail(line.substr(dash + 3));
    head >> id >> parent >> device >> mount->root >> mount->point;
    tail >> type >> source >> options;
    if (v2 ? type == "cgroup2" : type == "cgroup" && contains(options, controller)) return true;
  }
  return false;
}

// This process's directory in the hierarchy, as /proc/self/cgroup says. v2 lines read "0::/path".
bool find_path(const std::string& root, bool v2, const char* controller, std::string* path) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    *path = line.substr(second + 1);
    if (v2 ? line.compare(0, first, "0") == 0 && controllers.empty() : contains(controllers, controller))
      return true;
  }
  return false;
}

// Quota of one directory in CPUs.
double quota_of(const std::string& directory, bool v2) {
  double quota = -1, period = 0;
  if (v2) {
    std::ifstream file(directory + "/cpu.max");
    std::string first;
    if (!(file >> first) || first == "max") return kNoQuota;
    quota = std::atof(first.c_str());
    if (!(file >> period)) period = 100000;
  } else {
    std::ifstream quota_file(directory + "/cpu.cfs_quota_us"), period_file(directory + "/cpu.cfs_period_us");
    if (!(quota_file >> quota) || !(period_file >> period)) return kNoQuota;
  }
  return quota > 0 && period > 0 ? quota / period : kNoQuota;
}

// The part of `path` below the mount's root; "" when the path lies outside (another namespace's view).
std::string below(const std::string& path, const std::string& mount_root) {
  const std::string prefix = mount_root == "/" ? "" : mount_root;
  if (path.compare(0, prefix.size(), prefix) != 0 || path.find("..") != std::string::npos) return "";
  std::string rest = path.substr(prefix.size());
  if (!rest.empty() && rest[0] != '/') return "";
  while (!rest.empty() && rest.back() == '/') rest.pop_back();
  return rest;
}

// What an unlimited directory, or a file that says nothing, counts as.
double bytes_in(const std::string& file, double otherwise) {
  std::ifstream stream(file);
  double bytes = 0;
  return stream >> bytes && bytes >= 0 ? bytes : otherwise;
}

// Memory and swap that one directory allows, in bytes, on a machine with `swap` bytes of it. The word "max"
// is not a number.
double memory_of(const std::string& directory, bool v2, double swap) {
  const double none = std::numeric_limits<double>::infinity();
  const double memory = bytes_in(directory + (v2 ? "/memory.max" : "/memory.limit_in_bytes"), none);
  const std::string file = directory + (v2 ? "/memory.swap.max" : "/memory.memsw.limit_in_bytes");
  if (!std::ifstream(file).good()) return memory;
  const double most = v2 ? memory + bytes_in(file, none) : std::max(memory, bytes_in(file, none));
  return std::min(memory + swap, most);
}

// The least of limit(directory, v2) on the path from this process's cgroup to the root.
template <class Limit>
double least_limit(const std::string& root, bool v2, const char* controller, Limit&& limit) {
  double least = std::numeric_limits<double>::infinity();
  Mount mount;
  std::string path;
  if (!find_mount(root, v2, controller, &mount) || !find_path(root, v2, controller, &path)) return least;
  for (std::string rest = below(path, mount.root);; rest.resize(rest.rfind('/'))) {
    least = std::min(least, limit(root + mount.point + rest, v2));
    if (rest.empty()) return least;
  }
}

bool read_int(const std::string& file, int* value) {
  return static_cast<bool>(std::ifstream(file) >> *value);
}

std::string plural(int n, const char* one) { return std::to_string(n) + " " + one + (n == 1 ? "" : "s"); }

// A whole number from 1 to kMaxThreads, in full; throws otherwise.
int parse_threads(const char* name, const std::string& text) {
  const bool digits =
      !text.empty() && text.size() <= 4 && text.find_first_not_of("0123456789") == std::string::npos;
  const int threads = digits ? std::atoi(text.c_str()) : 0;
  if (threads < 1 || threads > kMaxThreads) {
    throw std::invalid_argument(std::string(name) + "=" + text + ": expected a whole number from 1 to " +
                                std::to_string(kMaxThreads));
  }
  return threads;
}

}  // namespace

double cgroup_cpu_quota(const std::string& root) {
  return std::min(least_limit(root, true, "cpu", quota_of), least_limit(root, false, "cpu", quota_of));
}

double cgroup_memory_limit(double swap, const std::string& root) {
  const auto limit = [swap](const std::string& directory, bool v2) { return memory_of(directory, v2, swap); };
  return std::min(least_limit(root, true, "memory", limit), least_limit(root, false, "memory", limit));
}

int physical_cores(const std::vector<int>& cpus, const std::string& root) {
  std::set<std::pair<int, int>> cores;
  int unknown = 0;
  for (const int cpu : cpus) {
    const std::string topology = root + "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    int package = 0, core = 0;
    if (read_int(topology + "physical_package_id", &package) && read_int(topology + "core_id", &core)) {
      cores.emplace(package, core);
    } else {
      ++unknown;
    }
  }
  return static_cast<int>(cores.size()) + unknown;
}

CpuBudget cpu_budget(int affinity, int cores, double quota) {
  CpuBudget budget{std::max(1, affinity), plural(std::max(1, affinity), "CPU") + " in the affinity mask"};
  if (cores >= 1 && cores < budget.threads) {
    budget = {cores, plural(cores, "physical core") + " behind " + plural(affinity, "CPU")};
  }
  if (quota < budget.threads) {
    char text[64];
    std::snprintf(text, sizeof text, "cgroup CPU quota of %.4g", quota);
    budget = {std::max(1, static_cast<int>(std::floor(quota))), text};
  }
  return budget;
}

CpuBudget threads_from(const std::string& tenon_num_threads, const std::string& omp_num_threads,
                       const CpuBudget& detected) {
  if (!tenon_num_threads.empty())
    return {parse_threads("TENON_NUM_THREADS", tenon_num_threads), "TENON_NUM_THREADS", true};
  if (!omp_num_threads.empty()) {
    return {parse_threads("OMP_NUM_THREADS", omp_num_threads.substr(0, omp_num_threads.find(','))),
            "OMP_NUM_THREADS", true};
  }
  return detected;
}

CpuBudget default_threads() {
  const Processors usable = usable_processors();
  const int cpus = usable.cpus > 0 ? usable.cpus : static_cast<int>(std::thread::hardware_concurrency());
  CpuBudget detected = cpu_budget(cpus, usable.cores, cgroup_cpu_quota());
  detected.threads = std::min(detected.threads, kMaxThreads);
  return threads_from(environment_variable("TENON_NUM_THREADS"), environment_variable("OMP_NUM_THREADS"),
                      detected);
}

}  // namespace tenon
