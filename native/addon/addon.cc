// The addon's entry, and the doors that are about the process: start, info, threads, the
// share of predictions.
#include <algorithm>
#include <atomic>
#include <memory>

#include "addon/values.h"
#include "augment/operations.h"
#include "base/cgroup.h"
#include "base/cpu.h"
#include "base/parallel.h"
#include "base/system.h"
#include "kernels/gemm_bf16.h"
#include "runtime/dispatch.h"

namespace {
// The first copy of tenon that uses this addon, once there is one. Never freed: other copies may
// be reading it.
std::atomic<const char*> owner{nullptr};
}  // namespace

#if defined(_WIN32)
  #define TENON_EXPORT __declspec(dllexport)
#else
  #define TENON_EXPORT __attribute__((visibility("default")))
#endif

// What other copies ask, which have an addon of their own or this one: its owner, or null.
extern "C" TENON_EXPORT const char* tenon_owner() { return owner.load(); }

namespace tenon::addon {
namespace {

#if defined(__clang__)
constexpr const char* kCompiler = "Clang " __clang_version__;
#else
constexpr const char* kCompiler = "GCC " __VERSION__;
#endif
#if defined(__x86_64__)
constexpr const char* kArchitecture = "x64";
#elif defined(__aarch64__)
constexpr const char* kArchitecture = "arm64";
#else
constexpr const char* kArchitecture = "other";
#endif
#if defined(NDEBUG)
constexpr const char* kBuildType = "release";
#else
constexpr const char* kBuildType = "debug";
#endif

// Where the number of threads and the share of predictions come from. Only JavaScript threads write it.
struct Reasons {
  std::mutex mutex;
  std::string threads, prediction_share;
  bool threads_chosen = false;  // by a variable or by the program
};

Reasons& reasons() {
  static auto* made = new Reasons();
  return *made;
}

void choose_prediction_share(const std::string& variable) {
  if (variable.empty()) {
    reasons().prediction_share = "default";
    return;
  }
  Executor::get().set_prediction_share(parse_prediction_share(variable));
  reasons().prediction_share = "TENON_PREDICTION_SHARE";
}

// Reads TENON_ISA, TENON_BF16, TENON_PREDICTION_SHARE and the thread variables, once per process. Throws
// ERR_TENON_OPTION at every call until all of them are valid.
Napi::Value start(const Napi::CallbackInfo& info) {
  try {
    choose_bf16_path(dispatch().target, environment_variable("TENON_BF16"));
    const std::lock_guard lock(reasons().mutex);
    if (reasons().prediction_share.empty())
      choose_prediction_share(environment_variable("TENON_PREDICTION_SHARE"));
    if (reasons().threads.empty()) {
      const CpuBudget budget = default_threads();
      Executor::get().set_threads(budget.threads);
      reasons().threads = budget.reason;
      reasons().threads_chosen = budget.chosen;
    }
  } catch (const std::invalid_argument& error) {
    throw_error(info.Env(), "ERR_TENON_OPTION", error.what());
  }
  return info.Env().Undefined();
}

int checked_threads(const Napi::CallbackInfo& info) {
  const size_t threads = size_from(info.Env(), info[0], "threads");
  if (threads < 1 || threads > 1024) {
    throw_error(info.Env(), "ERR_TENON_OPTION", "threads: expected a whole number from 1 to 1024");
  }
  return static_cast<int>(threads);
}

Napi::Value set_threads(const Napi::CallbackInfo& info) {
  const int threads = checked_threads(info);
  const std::lock_guard lock(reasons().mutex);
  Executor::get().set_threads(threads);
  reasons().threads = "set by the program";
  reasons().threads_chosen = true;
  return info.Env().Undefined();
}

// proposeThreads(threads, reason): replaces the default, but nothing that somebody chose.
Napi::Value propose_threads(const Napi::CallbackInfo& info) {
  const int threads = checked_threads(info);
  const std::string reason = info[1].ToString().Utf8Value();
  const std::lock_guard lock(reasons().mutex);
  if (reasons().threads_chosen) return info.Env().Undefined();
  Executor::get().set_threads(threads);
  reasons().threads = reason;
  return info.Env().Undefined();
}

// coresOf(cpus): how many physical cores are behind these CPUs.
Napi::Value cores_of(const Napi::CallbackInfo& info) {
  std::vector<int> cpus;
  for (const double cpu : doubles_from(info.Env(), info[0], "cpus")) cpus.push_back(static_cast<int>(cpu));
  return Napi::Number::New(info.Env(), physical_cores(cpus));
}

// cpuQuota(): CPUs that the cgroup of this process allows, or Infinity.
Napi::Value cpu_quota(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), cgroup_cpu_quota());
}

Napi::Value set_prediction_share(const Napi::CallbackInfo& info) {
  const double share = number_from(info.Env(), info[0], "share");
  const std::lock_guard lock(reasons().mutex);
  try {
    Executor::get().set_prediction_share(share);
  } catch (const std::invalid_argument& error) {
    throw_error(info.Env(), "ERR_TENON_OPTION", error.what());
  }
  reasons().prediction_share = "set by the program";
  return info.Env().Undefined();
}

// Takes the process for this addon, on behalf of a copy of tenon, which the text describes. Returns "", or
// the copy that has taken it with another addon. Copies of one version may share an addon, as package
// managers install one for each set of peer dependencies: what belongs to the process is in the addon, and so
// is the memory behind their tensors.
std::string claim_process(const std::string& copy) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (owner.load() != nullptr) return "";
  auto text = std::make_unique<char[]>(copy.size() + 1);
  std::copy(copy.begin(), copy.end(), text.get());
  // First this, then the look at others: of two copies that come at once, at least one sees the other.
  owner.store(text.release());
  for (void* symbol : symbols_of_addons("tenon_owner")) {
    const auto owner_of = reinterpret_cast<const char* (*)()>(symbol);
    if (owner_of == &tenon_owner) continue;
    if (const char* taken = owner_of()) {
      owner.store(nullptr);
      return taken;
    }
  }
  return "";
}

Napi::Value claim(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), claim_process(info[0].ToString().Utf8Value()));
}

Napi::Object memory_info(Napi::Env env) {
  Napi::Object memory = Napi::Object::New(env);
  memory.Set("buffers", static_cast<double>(live_bytes(MemoryKind::buffer)));
  memory.Set("arenas", static_cast<double>(live_bytes(MemoryKind::arena)));
  memory.Set("staging", static_cast<double>(live_bytes(MemoryKind::staging)));
  memory.Set("derived", static_cast<double>(live_bytes(MemoryKind::derived)));
  memory.Set("programs", static_cast<double>(Program::live()));
  memory.Set("limit", static_cast<double>(memory_limit()));
  return memory;
}

Napi::Value info_door(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
  const std::vector<std::string> names = cpu_feature_names();
  Napi::Array features = Napi::Array::New(env, names.size());
  for (size_t i = 0; i < names.size(); ++i) features.Set(static_cast<uint32_t>(i), names[i]);
  result.Set("isa", name_of(dispatch().target));
  result.Set("isaReason", dispatch().reason);
  const Bf16Choice& choice = bf16_path(dispatch().target);
  Napi::Object bf16 = Napi::Object::New(env);
  bf16.Set("path", choice.stores ? name_of(choice.path) : "fp32");
  bf16.Set("reason", choice.reason);
  result.Set("bf16", bf16);
  result.Set("features", features);
  result.Set("cpu", cpu_brand());
  result.Set("threads", Executor::get().threads());
  result.Set("threadPool", thread_pool());
  result.Set("predictionShare", Executor::get().prediction_share());
  {
    const std::lock_guard lock(reasons().mutex);
    result.Set("threadsReason", reasons().threads);
    result.Set("threadsChosen", reasons().threads_chosen);
    result.Set("predictionShareReason", reasons().prediction_share);
  }
  result.Set("memory", memory_info(env));
  result.Set("compiler", kCompiler);
  result.Set("build", std::string(kBuildType) + ", " + kArchitecture);
  return result;
}

// The names of the operations of augment_images, by opcode.
Napi::Value augmentations(const Napi::CallbackInfo& info) {
  const int count = augment::operation_count();
  Napi::Array names = Napi::Array::New(info.Env(), static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) names.Set(static_cast<uint32_t>(i), augment::operation(i).name);
  return names;
}

}  // namespace

void export_system(Napi::Env env, Napi::Object exports) {
  exports.Set("version", TENON_VERSION);
  export_function(env, exports, "claim", claim);
  export_function(env, exports, "start", start);
  export_function(env, exports, "info", info_door);
  export_function(env, exports, "augmentations", augmentations);
  export_function(env, exports, "setThreads", set_threads);
  export_function(env, exports, "proposeThreads", propose_threads);
  export_function(env, exports, "coresOf", cores_of);
  export_function(env, exports, "cpuQuota", cpu_quota);
  export_function(env, exports, "setPredictionShare", set_prediction_share);
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  stay_loaded();
  try {
    Environment::create(env);
    export_system(env, exports);
    export_buffers(env, exports);
    export_programs(env, exports);
    export_distributed(env, exports);
  } catch (const std::bad_alloc&) {
    throw_error(env, "ERR_TENON_MEMORY", "out of memory");
  }
  return exports;
}

NODE_API_MODULE(tenon, initialize)

}  // namespace tenon::addon
