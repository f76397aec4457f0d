#if defined(_WIN32)
  #define WIN32_LEAN_AND_MEAN
  #include <process.h>
  #include <windows.h>

  #include <tlhelp32.h>

  #include <bit>
  #include <cerrno>
  #include <cstdint>
  #include <memory>
  #include <system_error>
  #include <vector>

  #include "base/system.h"

namespace tenon {
namespace {
using Body = std::function<void()>;

unsigned __stdcall run_body(void* held) {
  const std::unique_ptr<Body> body(static_cast<Body*>(held));
  (*body)();
  return 0;
}

// Cores of which the process may use at least one processor.
int count_cores(DWORD_PTR allowed) {
  DWORD bytes = 0;
  GetLogicalProcessorInformation(nullptr, &bytes);
  std::vector<SYSTEM_LOGICAL_PROCESSOR_INFORMATION> rows(bytes /
                                                         sizeof(SYSTEM_LOGICAL_PROCESSOR_INFORMATION));
  if (rows.empty() || !GetLogicalProcessorInformation(rows.data(), &bytes)) return 0;
  int cores = 0;
  for (const SYSTEM_LOGICAL_PROCESSOR_INFORMATION& row : rows) {
    if (row.Relationship == RelationProcessorCore && (row.ProcessorMask & allowed) != 0) ++cores;
  }
  return cores;
}
}  // namespace

// Windows has large pages for privileged processes only.
std::byte* map_pages(size_t bytes) {
  return static_cast<std::byte*>(VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
}

void unmap_pages(std::byte* pages, size_t) { VirtualFree(pages, 0, MEM_RELEASE); }

// What Windows calls page file is physical memory and the page files.
SystemMemory system_memory() {
  MEMORYSTATUSEX status = {};
  status.dwLength = sizeof status;
  if (!GlobalMemoryStatusEx(&status)) return {};
  const auto physical = static_cast<double>(status.ullTotalPhys);
  return {physical, std::max(0.0, static_cast<double>(status.ullTotalPageFile) - physical)};
}

// Of this process's processor group, which has at most 64 processors.
Processors usable_processors() {
  DWORD_PTR allowed = 0, present = 0;
  if (!GetProcessAffinityMask(GetCurrentProcess(), &allowed, &present)) return {};
  return {std::popcount(static_cast<uint64_t>(allowed)), count_cores(allowed)};
}

std::string system_cpu_name() { return ""; }

std::string request_amx() { return "tenon asks for AMX tiles on Linux only"; }

void start_thread(Body body) {
  auto held = std::make_unique<Body>(std::move(body));
  const uintptr_t thread = _beginthreadex(nullptr, static_cast<unsigned>(kThreadStack), run_body, held.get(),
                                          STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr);
  if (thread == 0) throw std::system_error(errno, std::generic_category(), "_beginthreadex");
  (void)held.release();  // run_body owns it now
  CloseHandle(reinterpret_cast<HANDLE>(thread));
}

size_t thread_stack() {
  ULONG_PTR low = 0, high = 0;
  GetCurrentThreadStackLimits(&low, &high);
  return high - low;
}

// From the system: process.env changes its variables, and not the copy that getenv reads.
std::string environment_variable(const char* name) {
  std::string value(128, '\0');
  for (;;) {
    const DWORD length = GetEnvironmentVariableA(name, value.data(), static_cast<DWORD>(value.size()));
    const bool whole = length < value.size();  // else it is the room that the value needs
    value.resize(length);
    if (whole) return value;
  }
}

std::vector<void*> symbols_of_addons(const char* name) {
  std::vector<void*> found;
  const HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPMODULE, GetCurrentProcessId());
  if (snapshot == INVALID_HANDLE_VALUE) return found;
  MODULEENTRY32W module = {};
  module.dwSize = sizeof module;
  for (BOOL more = Module32FirstW(snapshot, &module); more; more = Module32NextW(snapshot, &module)) {
    if (!std::wstring(module.szModule).ends_with(L".node")) continue;
    void* symbol = reinterpret_cast<void*>(GetProcAddress(module.hModule, name));
    if (symbol != nullptr) found.push_back(symbol);
  }
  CloseHandle(snapshot);
  return found;
}

void* open_library(const std::string& file, std::string* problem) {
  const HMODULE library = LoadLibraryA(file.c_str());
  if (library == nullptr) *problem = "LoadLibrary failed with error " + std::to_string(GetLastError());
  return reinterpret_cast<void*>(library);
}

void* symbol_of(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(reinterpret_cast<HMODULE>(library), name));
}

std::string library_file(const void* address) {
  HMODULE library = nullptr;
  constexpr DWORD kFlags =
      GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
  if (!GetModuleHandleExA(kFlags, static_cast<LPCSTR>(address), &library)) return "";
  std::string file(MAX_PATH, '\0');
  file.resize(GetModuleFileNameA(library, file.data(), static_cast<DWORD>(file.size())));
  return file;
}

// Windows has no handlers that a library would replace.
std::function<void()> keep_signal_handlers() {
  return [] {};
}

void stay_loaded() {
  HMODULE self = nullptr;
  (void)GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                           reinterpret_cast<LPCWSTR>(&stay_loaded), &self);
}

}  // namespace tenon
#endif
