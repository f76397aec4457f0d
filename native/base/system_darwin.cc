#if defined(__APPLE__)
  #include <dlfcn.h>
  #include <mach-o/dyld.h>
  #include <pthread.h>
  #include <sys/mman.h>
  #include <sys/sysctl.h>
  #include <unistd.h>

  #include <cstdint>

  #include "base/system_posix.h"

namespace tenon {
namespace {
size_t mapped_bytes(size_t bytes) {
  const auto page = static_cast<size_t>(getpagesize());
  return (bytes + page - 1) / page * page;
}

// Reads a number that the kernel knows under this name.
template <class Number>
bool read_sysctl(const char* name, Number* value) {
  size_t bytes = sizeof *value;
  return sysctlbyname(name, value, &bytes, nullptr, 0) == 0;
}
}  // namespace

std::byte* map_pages(size_t bytes) {
  void* address = mmap(nullptr, mapped_bytes(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  return address == MAP_FAILED ? nullptr : static_cast<std::byte*>(address);
}

void unmap_pages(std::byte* pages, size_t bytes) { munmap(pages, mapped_bytes(bytes)); }

SystemMemory system_memory() {
  uint64_t bytes = 0;
  if (!read_sysctl("hw.memsize", &bytes)) return {};
  return {static_cast<double>(bytes), 0};
}

// Of processors with cores of two kinds, only the fast ones: a loop waits for its slowest block.
Processors usable_processors() {
  Processors found;
  (void)read_sysctl("hw.activecpu", &found.cpus);
  if (!read_sysctl("hw.perflevel0.physicalcpu", &found.cores))
    (void)read_sysctl("hw.physicalcpu", &found.cores);
  return found;
}

std::string system_cpu_name() {
  char text[256] = {};
  size_t bytes = sizeof text - 1;
  return sysctlbyname("machdep.cpu.brand_string", text, &bytes, nullptr, 0) == 0 ? text : "";
}

std::string request_amx() { return "tenon asks for AMX tiles on Linux only"; }

size_t thread_stack() { return pthread_get_stacksize_np(pthread_self()); }

std::vector<void*> symbols_of_addons(const char* name) {
  std::vector<std::string> files;
  for (uint32_t i = 0; i < _dyld_image_count(); ++i) {
    const char* file = _dyld_get_image_name(i);
    if (file != nullptr && std::string(file).ends_with(".node")) files.emplace_back(file);
  }
  return symbols_of_libraries(files, name);
}

// Loads the file that this function is in a second time, and never closes it.
void stay_loaded() {
  Dl_info self = {};
  if (dladdr(reinterpret_cast<const void*>(&stay_loaded), &self) != 0 && self.dli_fname != nullptr)
    (void)dlopen(self.dli_fname, RTLD_LAZY | RTLD_NODELETE);
}

}  // namespace tenon
#endif
