// What tenon asks of the operating system, which no other file of the addon calls by itself. system_linux.cc,
// system_darwin.cc and system_windows.cc implement it; system_posix.cc has what Linux and macOS share.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace tenon {

// Zeroed pages that hold `bytes`, on huge pages where the system has them; null when it refuses.
std::byte* map_pages(size_t bytes);

// Returns the pages to the system. `bytes` as map_pages was given them.
void unmap_pages(std::byte* pages, size_t bytes);

// Bytes of the machine.
struct SystemMemory {
  double physical = std::numeric_limits<double>::infinity();  // also when the system does not say
  double swap = 0;
};

SystemMemory system_memory();

struct Processors {
  int cpus = 0;   // that this thread may run on
  int cores = 0;  // physical cores behind them
};

// A number is 0 when the system does not say.
Processors usable_processors();

// The processor's name, where the processor itself does not tell it; "" when the system does not know.
std::string system_cpu_name();

// Permission to use the AMX tiles of this processor, for the whole process. Empty, or why there is none.
std::string request_amx();

// Bytes of stack of every thread that tenon starts. By default a thread may have as little as 128 KiB (musl),
// and kernels keep blocks of data on their stack.
inline constexpr size_t kThreadStack = size_t{2} << 20;

// Runs the body, which must not throw, on a thread of its own, which nobody joins. Throws std::system_error
// when the system refuses a thread.
void start_thread(std::function<void()> body);

// Bytes of stack of the calling thread; 0 when the system does not say.
size_t thread_stack();

// The value of an environment variable, as process.env has it now; "" when it is not set.
std::string environment_variable(const char* name);

// The addresses of this symbol in all addons (files *.node) that the process has loaded.
std::vector<void*> symbols_of_addons(const char* name);

// Loads a library, named by its path or as the system's loader knows it, for as long as the process runs;
// others may use its symbols. Null where that fails, and `problem` says why.
void* open_library(const std::string& file, std::string* problem);

// The address of a symbol of a library, or null.
void* symbol_of(void* library, const char* name);

// The file of the library that has this address; "" when the system does not say.
std::string library_file(const void* address);

// Returns a function that puts the signal handlers back that the process has now.
std::function<void()> keep_signal_handlers();

// Keeps this code mapped until the process ends: the executor's thread outlives the environment (a worker
// thread, say) that loaded the addon.
void stay_loaded();

}  // namespace tenon
