// What Linux and macOS share.
#if !defined(_WIN32)
  #include <dlfcn.h>
  #include <pthread.h>

  #include <cstdlib>
  #include <memory>
  #include <system_error>

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

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace tenon
#endif
