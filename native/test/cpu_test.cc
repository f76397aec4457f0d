// CPU detection, the choice of an instruction set, and the budgets of CPUs and memory on
// made-up cgroup trees.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/cgroup.h"
#include "base/cpu.h"
#include "runtime/dispatch.h"
#include "test/check.h"

namespace tenon {
namespace {
namespace fs = std::filesystem;

// A made-up root directory, removed at the end.
class Tree {
 public:
  Tree() {
    root_ = fs::temp_directory_path() / ("tenon-cpu-" + std::to_string(std::random_device{}()));
    if (!fs::create_directory(root_)) std::abort();
  }
  ~Tree() { fs::remove_all(root_); }
  std::string root() const { return root_.string(); }
  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

 private:
  fs::path root_;
};

constexpr const char* kMountV2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
constexpr const char* kMountV1 =
    "33 32 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "34 32 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";

bool near(double a, double b) { return std::abs(a - b) < 1e-9; }

void test_quota_v2() {
  const Tree tree;
  CHECK(std::isinf(cgroup_cpu_quota(tree.root())));  // no files at all
  tree.write("proc/self/mountinfo", kMountV2);
  tree.write("proc/self/cgroup", "0::/a/b/c\n");
  CHECK(std::isinf(cgroup_cpu_quota(tree.root())));
  tree.write("sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
  CHECK(std::isinf(cgroup_cpu_quota(tree.root())));
  tree.write("sys/fs/cgroup/a/cpu.max", "250000 100000\n");
  CHECK(near(cgroup_cpu_quota(tree.root()), 2.5));  // of a parent
  tree.write("sys/fs/cgroup/a/b/cpu.max", "800000 100000\n");
  CHECK(near(cgroup_cpu_quota(tree.root()), 2.5));  // the least on the path
  tree.write("sys/fs/cgroup/a/b/c/cpu.max", "50000 100000\n");
  CHECK(near(cgroup_cpu_quota(tree.root()), 0.5));
  tree.write("sys/fs/cgroup/cpu.max", "20000 100000\n");  // the mount's own root: a namespace's
  CHECK(near(cgroup_cpu_quota(tree.root()), 0.2));
}

void test_quota_v1() {
  const Tree tree;
  tree.write("proc/self/mountinfo", kMountV1);
  tree.write("proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/x/y\n1:name=systemd:/z\n");
  const std::string cpu = "sys/fs/cgroup/cpu,cpuacct/";
  tree.write(cpu + "cpu.cfs_quota_us", "-1\n");
  tree.write(cpu + "cpu.cfs_period_us", "100000\n");
  tree.write(cpu + "x/y/cpu.cfs_quota_us", "-1\n");
  tree.write(cpu + "x/y/cpu.cfs_period_us", "100000\n");
  CHECK(std::isinf(cgroup_cpu_quota(tree.root())));
  tree.write(cpu + "x/cpu.cfs_quota_us", "300000\n");
  tree.write(cpu + "x/cpu.cfs_period_us", "200000\n");
  CHECK(near(cgroup_cpu_quota(tree.root()), 1.5));
}

// In a container: the mount shows a part of the tree, and the path may name what is outside.
void test_quota_in_container() {
  const Tree tree;
  tree.write("proc/self/mountinfo", "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  tree.write("proc/self/cgroup", "0::/docker/abc/job\n");
  tree.write("sys/fs/cgroup/job/cpu.max", "400000 100000\n");
  CHECK(near(cgroup_cpu_quota(tree.root()), 4));
  for (const char* path : {"0::/\n", "0::/other\n", "0::/docker/abcdef\n", "0::/../x\n"}) {
    tree.write("proc/self/cgroup", path);
    tree.write("sys/fs/cgroup/cpu.max", "300000 100000\n");
    CHECK_THAT(near(cgroup_cpu_quota(tree.root()), 3), path);
  }
}

void test_hostile_files() {
  for (const char* text :
       {"", "\n", "garbage", "-5 100000", "0 0", "100000 0", "max", "nan nan", "1e999 1"}) {
    const Tree tree;
    tree.write("proc/self/mountinfo", std::string("x\n - \n") + kMountV2);
    tree.write("proc/self/cgroup", "nonsense\n:\n0::/\n");
    tree.write("sys/fs/cgroup/cpu.max", text);
    CHECK_THAT(std::isinf(cgroup_cpu_quota(tree.root())), text);
  }
}

constexpr double kPlenty = 1e12;  // bytes of swap

void test_memory_v2() {
  const Tree tree;
  const auto limit = [&tree](double swap = kPlenty) { return cgroup_memory_limit(swap, tree.root()); };
  CHECK(std::isinf(limit()));
  tree.write("proc/self/mountinfo", kMountV2);
  tree.write("proc/self/cgroup", "0::/a/b\n");
  CHECK(std::isinf(limit()));
  tree.write("sys/fs/cgroup/a/b/memory.max", "max\n");
  CHECK(std::isinf(limit()));
  tree.write("sys/fs/cgroup/a/memory.max", "8000\n");
  CHECK(near(limit(), 8000));
  tree.write("sys/fs/cgroup/a/memory.swap.max", "500\n");
  CHECK(near(limit(), 8500));
  CHECK(near(limit(200), 8200));  // the machine has less
  tree.write("sys/fs/cgroup/a/memory.swap.max", "max\n");
  CHECK(near(limit(), 8000 + kPlenty));
  CHECK(near(limit(0), 8000));
  tree.write("sys/fs/cgroup/a/b/memory.max", "3000\n");
  CHECK(near(limit(), 3000));
  for (const char* text : {"", "-1", "garbage", "nan"}) {
    tree.write("sys/fs/cgroup/a/b/memory.max", text);
    CHECK_THAT(near(limit(), 8000 + kPlenty), text);
  }
}

void test_memory_v1() {
  const Tree tree;
  tree.write("proc/self/mountinfo", kMountV1);
  tree.write("proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/other\n");
  const std::string memory = "sys/fs/cgroup/memory/";
  tree.write(memory + "memory.limit_in_bytes", "9223372036854771712\n");
  tree.write(memory + "x/memory.limit_in_bytes", "6000\n");
  CHECK(near(cgroup_memory_limit(kPlenty, tree.root()), 6000));
  tree.write(memory + "x/memory.memsw.limit_in_bytes", "7000\n");
  CHECK(near(cgroup_memory_limit(kPlenty, tree.root()), 7000));
  CHECK(near(cgroup_memory_limit(300, tree.root()), 6300));
  CHECK(near(cgroup_memory_limit(0, tree.root()), 6000));
  CHECK(cgroup_memory_limit(0) > 0);
}

void test_cores() {
  const Tree tree;
  for (int cpu = 0; cpu < 8; ++cpu) {
    const std::string topology = "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    tree.write(topology + "physical_package_id", cpu < 4 ? "0\n" : "1\n");
    tree.write(topology + "core_id", std::to_string(cpu % 2) + "\n");  // two threads a core
  }
  CHECK(physical_cores({0, 1, 2, 3, 4, 5, 6, 7}, tree.root()) == 4);
  CHECK(physical_cores({0, 2}, tree.root()) == 1);
  CHECK(physical_cores({0, 4}, tree.root()) == 2);
  CHECK(physical_cores({0, 90, 91}, tree.root()) == 3);  // nothing known of 90 and 91
}

void test_budget() {
  const double none = std::numeric_limits<double>::infinity();
  CHECK(cpu_budget(8, 8, none).threads == 8);
  CHECK(cpu_budget(8, 4, none).threads == 4);
  CHECK(cpu_budget(8, 4, 2.5).threads == 2);
  CHECK(cpu_budget(8, 4, 0.2).threads == 1);
  CHECK(cpu_budget(0, 0, none).threads == 1);
  CHECK(cpu_budget(8, 4, 2.5).reason == "cgroup CPU quota of 2.5");
  CHECK(cpu_budget(8, 4, none).reason == "4 physical cores behind 8 CPUs");
  CHECK(cpu_budget(1, 1, none).reason == "1 CPU in the affinity mask");
}

bool refuses(const std::string& tenon_threads, const std::string& omp_threads) {
  try {
    threads_from(tenon_threads, omp_threads, {});
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

void test_variables() {
  const CpuBudget detected{7, "detected"};
  CHECK(threads_from("", "", detected).threads == 7 && !threads_from("", "", detected).chosen);
  CHECK(threads_from("3", "", detected).chosen && threads_from("", "5", detected).chosen);
  CHECK(threads_from("3", "5", detected).threads == 3);
  CHECK(threads_from("", "5,2", detected).threads == 5);
  CHECK(threads_from("1024", "", detected).threads == 1024);
  for (const char* bad : {"0", "-1", " 2", "2 ", "1.5", "1025", "99999999999999999999", "two", "+2"}) {
    CHECK_THAT(refuses(bad, ""), bad);
    CHECK_THAT(refuses("", bad), bad);
  }
}

bool refuses_target(const char* name) {
  try {
    choose_target(name);
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

void test_targets() {
  CHECK(target_supported(Target::ref));
  CHECK(target_supported(choose_target("").target));
  for (int i = 0; i < kTargets; ++i) {
    const Target target = static_cast<Target>(i);
    const char* name = name_of(target);
    if (target != Target::ref && target_supported(target)) {
      CHECK_THAT(choose_target(name).target == target, name);
    } else {
      CHECK_THAT(refuses_target(name), name);
    }
  }
  CHECK(refuses_target("AVX2"));
  CHECK(refuses_target("avx"));
  CHECK(!target_supported(Target::avx512) || target_supported(Target::avx2));
  CHECK(!cpu_brand().empty());
  std::printf("%s: %s, %d threads (%s)\n", cpu_brand().c_str(), name_of(choose_target("").target),
              default_threads().threads, default_threads().reason.c_str());
}

}  // namespace
}  // namespace tenon

int main() {
  tenon::test_quota_v2();
  tenon::test_quota_v1();
  tenon::test_quota_in_container();
  tenon::test_hostile_files();
  tenon::test_memory_v2();
  tenon::test_memory_v1();
  tenon::test_cores();
  tenon::test_budget();
  tenon::test_variables();
  tenon::test_targets();
  return tenon::test::report();
}
