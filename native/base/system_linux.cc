#if defined(__linux__)
  #include <dlfcn.h>
  #include <link.h>
  #include <pthread.h>
  #include <sched.h>
  #include <sys/mman.h>
  #include <sys/syscall.h>
  #include <sys/sysinfo.h>
  #include <unistd.h>

  #include <cstdint>
  #include <fstream>
  #include <memory>
  #include <vector>

  #include "base/cgroup.h"
  #include "base/system_posix.h"

namespace tenon {
namespace {
constexpr size_t kHugePage = size_t{2} << 20;

// The size of a mapping for `bytes`: a last huge page that is at least three quarters full is mapped
// whole. Weights of 1.5 MiB on small pages are spread over the second-level cache unevenly, and some of
// them drop out.
size_t mapped_bytes(size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t tail = bytes % kHugePage;
  if (tail >= kHugePage / 4 * 3) return bytes - tail + kHugePage;
  return (bytes + page - 1) / page * page;
}

std::byte* map_small_pages(size_t bytes) {
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return address == MAP_FAILED ? nullptr : static_cast<std::byte*>(address);
}

// The mapping begins where a huge page can begin: one that lies only partly inside a mapping is made
// of small pages.
std::byte* map_huge_pages(size_t bytes) {
  std::byte* begin = map_small_pages(bytes + kHugePage);
  if (begin == nullptr) return nullptr;
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
  std::byte* data = begin + before;
  if (before > 0) munmap(begin, before);
  munmap(data + bytes, kHugePage - before);
  // Only advice: fewer page faults and TLB misses where the system allows it.
  (void)madvise(data, bytes, MADV_HUGEPAGE);
  return data;
}

struct FreeCpuSet {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};

std::vector<int> affinity_cpus() {
  std::vector<int> cpus;
  for (int size = 1024; size <= 1 << 20 && cpus.empty(); size *= 4) {
    const std::unique_ptr<cpu_set_t, FreeCpuSet> set(CPU_ALLOC(size));
    if (set == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(size);
    if (sched_getaffinity(0, bytes, set.get()) != 0) continue;
    for (int cpu = 0; cpu < size; ++cpu) {
      if (CPU_ISSET_S(cpu, bytes, set.get())) cpus.push_back(cpu);
    }
  }
  return cpus;
}

// What follows the colon in the first line of /proc/cpuinfo with this key.
std::string cpuinfo_line(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon != std::string::npos && line.compare(0, key.size(), key) == 0 &&
        line.find_first_not_of(" \t", key.size()) == colon)
      return line.substr(colon + 1);
  }
  return "";
}
}  // namespace

std::byte* map_pages(size_t bytes) {
  const size_t mapped = mapped_bytes(bytes);
  return mapped >= kHugePage ? map_huge_pages(mapped) : map_small_pages(mapped);
}

void unmap_pages(std::byte* pages, size_t bytes) { munmap(pages, mapped_bytes(bytes)); }

SystemMemory system_memory() {
  struct sysinfo info = {};
  if (sysinfo(&info) != 0) return {};
  const double unit = info.mem_unit;
  return {static_cast<double>(info.totalram) * unit, static_cast<double>(info.totalswap) * unit};
}

Processors usable_processors() {
  const std::vector<int> cpus = affinity_cpus();
  return {static_cast<int>(cpus.size()), physical_cores(cpus)};
}

std::string system_cpu_name() {
  for (const char* key : {"model name", "Model", "CPU part"}) {
    const std::string value = cpuinfo_line(key);
    if (!value.empty()) return value;
  }
  return "";
}

std::string request_amx() {
  #if defined(__x86_64__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM of asm/prctl.h
  constexpr long kTileData = 18;               // the state component XTILEDATA
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0) return "";
  #endif
  return "the system refused permission to use AMX tiles";
}

size_t thread_stack() {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
  size_t bytes = 0;
  (void)pthread_attr_getstacksize(&attributes, &bytes);
  pthread_attr_destroy(&attributes);
  return bytes;
}

std::vector<void*> symbols_of_addons(const char* name) {
  std::vector<std::string> files;
  const auto collect = [](dl_phdr_info* object, size_t, void* into) {
    const std::string file = object->dlpi_name == nullptr ? "" : object->dlpi_name;
    if (file.ends_with(".node")) static_cast<std::vector<std::string>*>(into)->push_back(file);
    return 0;
  };
  dl_iterate_phdr(collect, &files);
  return symbols_of_libraries(files, name);
}

// The addon is linked with -z nodelete.
void stay_loaded() {}

}  // namespace tenon
#endif
