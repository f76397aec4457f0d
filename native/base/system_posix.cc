// What Linux and macOS share.
#if !defined(_WIN32)
  #include <dlfcn.h>
  #include <pthread.h>
  #include <signal.h>

  #include <cstdlib>
  #include <memory>
  #include <system_error>
  #include <utility>

  #include "base/system_posix.h"

namespace tenon {
namespace {
using Body = std::function<void()>;

class ThreadAttributes {
 public:
  ThreadAttributes() { pthread_attr_init(&attributes_); }
  ~ThreadAttributes() { pthread_attr_destroy(&attributes_); }
  ThreadAttributes(const ThreadAttributes&) = delete;
  ThreadAttributes& operator=(const ThreadAttributes&) = delete;
  pthread_attr_t* operator&() { return &attributes_; }

 private:
  pthread_attr_t attributes_;
};

void* run_body(void* held) {
  const std::unique_ptr<Body> body(static_cast<Body*>(held));
  (*body)();
  return nullptr;
}
}  // namespace

void start_thread(Body body) {
  auto held = std::make_unique<Body>(std::move(body));
  ThreadAttributes attributes;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kThreadStack);
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, run_body, held.get());
  if (error != 0) throw std::system_error(error, std::generic_category(), "pthread_create");
  (void)held.release();  // run_body owns it now
}

std::vector<void*> symbols_of_libraries(const std::vector<std::string>& files, const char* name) {
  std::vector<void*> found;
  for (const std::string& file : files) {
    void* library = dlopen(file.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (library == nullptr) continue;
    void* symbol = dlsym(library, name);
    if (symbol != nullptr) found.push_back(symbol);
    dlclose(library);  // an addon stays loaded
  }
  return found;
}

void* open_library(const std::string& file, std::string* problem) {
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    const char* text = dlerror();
    *problem = text == nullptr ? "it does not load" : text;
  }
  return library;
}

void* symbol_of(void* library, const char* name) { return dlsym(library, name); }

std::string library_file(const void* address) {
  Dl_info info = {};
  if (dladdr(const_cast<void*>(address), &info) == 0 || info.dli_fname == nullptr) return "";
  return info.dli_fname;
}

std::function<void()> keep_signal_handlers() {
  std::vector<std::pair<int, struct sigaction>> kept;
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action = {};
    if (sigaction(number, nullptr, &action) == 0) kept.emplace_back(number, action);
  }
  // The system refuses this for SIGKILL, SIGSTOP and the C library's own signals, which nobody can change.
  return [kept] {
    for (const auto& [number, action] : kept) (void)sigaction(number, &action, nullptr);
  };
}

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace tenon
#endif
