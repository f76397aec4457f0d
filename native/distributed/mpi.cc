#include "distributed/mpi.h"

#include <array>
#include <utility>

#include "base/system.h"

namespace tenon {
namespace {

// The longest texts of any library: a library fills in as much as it likes.
constexpr size_t kText = 8192;

// Where a binary interface keeps what tenon needs of it.
struct Layout {
  int funneled;        // MPI_THREAD_FUNNELED
  int any_source;      // MPI_ANY_SOURCE
  size_t source, tag;  // places in the status, which is an array of ints at its beginning
};
constexpr Layout kOpenMpi = {1, -1, 0, 1};
constexpr Layout kMpich = {1, -2, 2, 3};
constexpr Layout kStandard = {1024, -1, 0, 1};

// Larger than the status of any library.
struct alignas(16) Status {
  std::array<int, 32> fields = {};
};

template <class Handle>
struct Handles {
  Handle world, byte, errors_return;
};

// Handles are integers in MPICH, and pointers or of their size elsewhere.
template <class Handle>
Handle& handle_of(Request& request);
template <>
int& handle_of<int>(Request& request) {
  return request.handle.integer;
}
template <>
void*& handle_of<void*>(Request& request) {
  return request.handle.pointer;
}

template <class Handle>
struct Calls {
  int (*init_thread)(int*, char***, int, int*);
  int (*initialized)(int*);
  int (*finalized)(int*);
  int (*finalize)();
  int (*abort)(Handle, int);
  int (*comm_rank)(Handle, int*);
  int (*comm_size)(Handle, int*);
  int (*comm_set_errhandler)(Handle, Handle);
  int (*error_string)(int, char*, int*);
  int (*get_processor_name)(char*, int*);
  int (*isend)(const void*, int, Handle, int, int, Handle, Handle*);
  int (*irecv)(void*, int, Handle, int, int, Handle, Handle*);
  int (*test)(Handle*, int*, Status*);
  int (*iprobe)(int, int, Handle, int*, Status*);
  int (*get_count)(const Status*, Handle, int*);
};

template <class Function>
void find_call(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(symbol_of(library, name));
  if (*function == nullptr) throw NoTransport(std::string("it has no ") + name);
}

template <class Handle>
Calls<Handle> find_calls(void* library) {
  Calls<Handle> calls;
  find_call(library, "MPI_Init_thread", &calls.init_thread);
  find_call(library, "MPI_Initialized", &calls.initialized);
  find_call(library, "MPI_Finalized", &calls.finalized);
  find_call(library, "MPI_Finalize", &calls.finalize);
  find_call(library, "MPI_Abort", &calls.abort);
  find_call(library, "MPI_Comm_rank", &calls.comm_rank);
  find_call(library, "MPI_Comm_size", &calls.comm_size);
  find_call(library, "MPI_Comm_set_errhandler", &calls.comm_set_errhandler);
  find_call(library, "MPI_Error_string", &calls.error_string);
  find_call(library, "MPI_Get_processor_name", &calls.get_processor_name);
  find_call(library, "MPI_Isend", &calls.isend);
  find_call(library, "MPI_Irecv", &calls.irecv);
  find_call(library, "MPI_Test", &calls.test);
  find_call(library, "MPI_Iprobe", &calls.iprobe);
  find_call(library, "MPI_Get_count", &calls.get_count);
  return calls;
}

template <class Handle>
class MpiTransport : public Transport {
 public:
  MpiTransport(const Calls<Handle>& calls, const Handles<Handle>& handles, const Layout& layout)
      : calls_(calls), handles_(handles), layout_(layout) {}

  void initialize() {
    require_fresh();
    // UCX takes SIGSEGV, with which V8 catches faults of WebAssembly, and Open MPI several more.
    const std::function<void()> put_back = keep_signal_handlers();
    int provided = 0;
    const int error = calls_.init_thread(nullptr, nullptr, layout_.funneled, &provided);
    put_back();
    check(error, "MPI_Init_thread");
    if (provided < layout_.funneled)
      throw Disconnected("MPI_Init_thread: this library allows no thread but the main one to call it");
    check(calls_.comm_set_errhandler(handles_.world, handles_.errors_return), "MPI_Comm_set_errhandler");
    check(calls_.comm_rank(handles_.world, &rank_), "MPI_Comm_rank");
    check(calls_.comm_size(handles_.world, &size_), "MPI_Comm_size");
  }

  std::string host() {
    std::vector<char> text(kText);
    int length = 0;
    check(calls_.get_processor_name(text.data(), &length), "MPI_Get_processor_name");
    return text.data();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  Request send(const std::byte* data, int bytes, int peer, int tag) override {
    Request request;
    request.peer = peer, request.bytes = bytes;
    check(calls_.isend(data, bytes, handles_.byte, peer, tag, handles_.world, &handle_of<Handle>(request)),
          "MPI_Isend");
    return request;
  }

  Request receive(std::byte* data, int bytes, int peer, int tag) override {
    Request request;
    request.peer = peer, request.bytes = bytes, request.receives = true;
    check(calls_.irecv(data, bytes, handles_.byte, peer, tag, handles_.world, &handle_of<Handle>(request)),
          "MPI_Irecv");
    return request;
  }

  bool test(Request* request) override {
    int done = 0;
    Status status;
    const int error = calls_.test(&handle_of<Handle>(*request), &done, &status);
    if (error != 0) throw Disconnected(with_rank(*request) + text_of(error));
    if (done == 0) return false;
    if (request->receives) check_count(*request, status);
    return true;
  }

  bool waits(int tag, Waiting* message) override {
    int there = 0;
    Status status;
    check(calls_.iprobe(layout_.any_source, tag, handles_.world, &there, &status), "MPI_Iprobe");
    if (there == 0) return false;
    *message = {status.fields[layout_.source], status.fields[layout_.tag]};
    return true;
  }

  void finalize() override { check(calls_.finalize(), "MPI_Finalize"); }
  void abort() noexcept override { (void)calls_.abort(handles_.world, 1); }

 private:
  static constexpr int kSuccess = 0;

  void require_fresh() {
    int initialized = 0, finalized = 0;
    check(calls_.initialized(&initialized), "MPI_Initialized");
    check(calls_.finalized(&finalized), "MPI_Finalized");
    if (finalized != 0) throw Disconnected("MPI was finalized in this process; it starts only once");
    if (initialized != 0) throw Disconnected("something else in this process has initialized MPI");
  }

  void check_count(const Request& request, const Status& status) {
    int bytes = 0;
    check(calls_.get_count(&status, handles_.byte, &bytes), "MPI_Get_count");
    if (bytes == request.bytes) return;
    throw Disconnected(with_rank(request) + std::to_string(bytes) + " bytes came, where " +
                       std::to_string(request.bytes) + " were expected: the ranks disagree on sizes");
  }

  static std::string with_rank(const Request& request) {
    return std::string(request.receives ? "from" : "to") + " rank " + std::to_string(request.peer) + ": ";
  }

  std::string text_of(int error) {
    std::vector<char> text(kText);
    int length = 0;
    if (calls_.error_string(error, text.data(), &length) != kSuccess)
      return "MPI error " + std::to_string(error);
    return text.data();
  }

  void check(int error, const char* call) {
    if (error != kSuccess) throw Disconnected(std::string(call) + ": " + text_of(error));
  }

  const Calls<Handle> calls_;
  const Handles<Handle> handles_;
  const Layout layout_;
  int rank_ = 0, size_ = 1;
};

template <class Handle>
Mpi start(void* library, const Handles<Handle>& handles, const Layout& layout) {
  auto transport = std::make_unique<MpiTransport<Handle>>(find_calls<Handle>(library), handles, layout);
  transport->initialize();
  Mpi mpi;
  mpi.host = transport->host();
  mpi.transport = std::move(transport);
  return mpi;
}

void* required(void* library, const char* name) {
  void* symbol = symbol_of(library, name);
  if (symbol == nullptr) throw NoTransport(std::string("it has no ") + name);
  return symbol;
}

std::string version_of(void* library) {
  int (*get_version)(char*, int*) = nullptr;
  find_call(library, "MPI_Get_library_version", &get_version);
  std::vector<char> text(kText);
  int length = 0;
  if (get_version(text.data(), &length) != 0) throw NoTransport("it does not say its version");
  return text.data();
}

// A library without the standard interface may have the call, and then says -1.
bool has_standard_abi(void* library) {
  const auto get = reinterpret_cast<int (*)(int*, int*)>(symbol_of(library, "MPI_Abi_get_version"));
  int major = -1, minor = -1;
  return get != nullptr && get(&major, &minor) == 0 && major == 1;
}

// MPICH and those that agreed to keep its binary interface.
bool has_mpich_abi(const std::string& version) {
  for (const char* name : {"MPICH", "Intel(R) MPI", "CRAY MPICH", "MVAPICH", "ParaStation"}) {
    if (version.find(name) != std::string::npos) return true;
  }
  return false;
}

void* number(uintptr_t value) { return reinterpret_cast<void*>(value); }

MpiLibrary identify(void* library) {
  MpiLibrary known;
  known.version = version_of(library);
  if (symbol_of(library, "ompi_mpi_comm_world") != nullptr) {
    known.abi = "openmpi";
  } else if (has_standard_abi(library)) {
    known.abi = "standard";
  } else if (has_mpich_abi(known.version)) {
    known.abi = "mpich";
  } else {
    throw NoTransport("tenon does not know the binary interface of " +
                      known.version.substr(0, known.version.find('\n')));
  }
  known.file = library_file(required(library, "MPI_Init_thread"));
  return known;
}

Mpi start_as(const std::string& abi, void* library) {
  if (abi == "openmpi")
    return start<void*>(library,
                        {required(library, "ompi_mpi_comm_world"), required(library, "ompi_mpi_byte"),
                         required(library, "ompi_mpi_errors_return")},
                        kOpenMpi);
  if (abi == "standard")
    return start<void*>(library, {number(0x101), number(0x247), number(0x143)}, kStandard);
  return start<int>(library, {0x44000000, 0x4c00010d, 0x54000001}, kMpich);
}

Mpi start_library(void* library) {
  const MpiLibrary known = identify(library);
  Mpi mpi = start_as(known.abi, library);
  static_cast<MpiLibrary&>(mpi) = known;
  return mpi;
}

}  // namespace

MpiLibrary look_at_mpi(const std::string& file) {
  std::string problem;
  void* library = open_library(file, &problem);
  if (library == nullptr) throw NoTransport(problem);
  return identify(library);
}

Mpi start_mpi(const std::vector<std::string>& candidates) {
  std::string tried;
  for (const std::string& file : candidates) {
    std::string problem;
    if (void* library = open_library(file, &problem)) {
      try {
        return start_library(library);
      } catch (const NoTransport& error) {
        problem = error.what();
      }
    }
    tried += "\n  " + file + ": " + problem;
  }
  throw NoTransport("no MPI library can be used. Tried:" + tried);
}

}  // namespace tenon
