// What tests need of the operating system: pages that they may or may not touch, and environment variables.
#pragma once

#if defined(_WIN32)
  #define WIN32_LEAN_AND_MEAN
  #define NOMINMAX
  #include <windows.h>
  #undef far
  #undef near
#else
  #include <sys/mman.h>
  #include <unistd.h>
#endif

#include <cstddef>
#include <cstdlib>

namespace tenon::test {

#if defined(_WIN32)
inline size_t page_size() {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}
inline void* reserve_pages(size_t bytes) { return VirtualAlloc(nullptr, bytes, MEM_RESERVE, PAGE_NOACCESS); }
inline bool open_pages(void* begin, size_t bytes) {
  return VirtualAlloc(begin, bytes, MEM_COMMIT, PAGE_READWRITE) != nullptr;
}
inline void release_pages(void* begin, size_t) { VirtualFree(begin, 0, MEM_RELEASE); }
inline void set_variable(const char* name, const char* value) { SetEnvironmentVariableA(name, value); }
#else
inline size_t page_size() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
inline void* reserve_pages(size_t bytes) {
  void* begin = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
  return begin == MAP_FAILED ? nullptr : begin;
}
inline bool open_pages(void* begin, size_t bytes) {
  return mprotect(begin, bytes, PROT_READ | PROT_WRITE) == 0;
}
inline void release_pages(void* begin, size_t bytes) { munmap(begin, bytes); }
inline void set_variable(const char* name, const char* value) { setenv(name, value, 1); }
#endif

}  // namespace tenon::test
