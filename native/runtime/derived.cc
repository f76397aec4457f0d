#include "runtime/derived.h"

#include <map>
#include <mutex>
#include <utility>

namespace tenon {
namespace {
constexpr uint64_t kNever = ~uint64_t{0};

struct Registry {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<Derived>> alive;
};

// Heap-allocated and never freed: the executor may drop a program after static destruction.
Registry& registry() {
  static auto* made = new Registry();
  return *made;
}

class Key {
 public:
  template <class T>
  void add(const T& value) {
    const auto* bytes = reinterpret_cast<const char*>(&value);
    text.append(bytes, sizeof value);
  }
  void add_view(const TensorView& view) {
    add(view.data);  // names the buffer as well: a source lives as long as what is derived from it
    add(view.dtype);
    add(view.rank);
    for (int i = 0; i < view.rank; ++i) add(view.dims[i]);
  }
  std::string text;
};

// Equal for recipes whose values are equal. Packing looks at one operand only.
std::string key_of(const Derived::Recipe& recipe) {
  Key key;
  key.add(recipe.kernel);
  key.add(recipe.target);
  for (const double attr : recipe.attrs) key.add(attr);
  key.add(recipe.packing.operand);
  key.add(recipe.packing.bytes);
  key.add(recipe.packing.layout);
  if (recipe.packing.operand >= 0) {
    key.add_view(recipe.tensors[static_cast<size_t>(recipe.packing.operand)]);
  } else {
    for (const TensorView& view : recipe.tensors) key.add_view(view);
  }
  return key.text;
}

}  // namespace

DerivedRef Derived::of(Recipe recipe) {
  const std::string key = key_of(recipe);
  // Declared before the lock, which its destructor takes: it is destroyed here if the registry has no room.
  DerivedRef made;
  const std::lock_guard lock(registry().mutex);
  const auto known = registry().alive.find(key);
  if (known != registry().alive.end()) {
    if (DerivedRef derived = known->second.lock()) return derived;
  }
  made = std::make_shared<Derived>(OnlyOf(), key, std::move(recipe));
  registry().alive[key] = made;
  return made;
}

Derived::Derived(OnlyOf, const std::string& key, Recipe recipe) : key_(key), recipe_(std::move(recipe)) {
  const auto add = [this](size_t bytes) {
    results_.push_back(std::make_shared<Buffer>(bytes, MemoryKind::derived));
    return results_.back()->memory.data();
  };
  if (recipe_.packing.operand >= 0) add(recipe_.packing.bytes);
  const size_t inputs = recipe_.tensors.size() - static_cast<size_t>(recipe_.results);
  for (size_t i = inputs; i < recipe_.tensors.size(); ++i)
    recipe_.tensors[i].data = add(recipe_.tensors[i].bytes());
  seen_.assign(recipe_.sources.size(), kNever);
}

Derived::~Derived() {
  const std::lock_guard lock(registry().mutex);
  const auto found = registry().alive.find(key_);
  if (found != registry().alive.end() && found->second.expired()) registry().alive.erase(found);
}

size_t Derived::bytes() const {
  size_t sum = 0;
  for (const BufferRef& result : results_) sum += result->memory.bytes();
  return sum;
}

bool Derived::stale() const {
  for (size_t i = 0; i < seen_.size(); ++i) {
    if (seen_[i] != recipe_.sources[i]->version.load(std::memory_order_relaxed)) return true;
  }
  return false;
}

void Derived::update(std::byte* workspace, RunState* state) {
  if (!stale()) return;
  const int target = static_cast<int>(recipe_.target);
  Call call = {recipe_.tensors.data(), static_cast<int>(recipe_.tensors.size()), recipe_.attrs.data(),
               static_cast<int>(recipe_.attrs.size())};
  call.workspace = workspace;
  call.run = state;
  if (recipe_.packing.operand >= 0) {
    recipe_.kernel->pack[target](call, results_[0]->memory.data());
  } else {
    recipe_.kernel->run[target](call);
  }
  if (state->faulted()) return;  // reported by this run, and by every later one that needs the values
  for (size_t i = 0; i < seen_.size(); ++i)
    seen_[i] = recipe_.sources[i]->version.load(std::memory_order_relaxed);
  for (const BufferRef& result : results_) result->changed();
}

}  // namespace tenon
