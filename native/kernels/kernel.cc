#include "kernels/kernel.h"

#include <map>
#include <memory>

namespace tenon {
namespace {
// Heap-allocated and never freed: the executor may outlive static destruction.
std::map<std::string, Kernel>& registry() {
  static auto* kernels = new std::map<std::string, Kernel>();
  return *kernels;
}
}  // namespace

const char* name_of(Target target) {
  static const char* names[] = {"baseline", "avx2", "avx512", "neon", "ref"};
  return names[static_cast<int>(target)];
}

const char* name_of(DType dtype) {
  static const char* names[] = {"f32", "bf16", "f64", "u8", "i32"};
  return names[static_cast<int>(dtype)];
}

const Kernel* find_kernel(const std::string& name) {
  const auto found = registry().find(name);
  return found == registry().end() ? nullptr : &found->second;
}

std::vector<const Kernel*> all_kernels() {
  std::vector<const Kernel*> kernels;
  for (const auto& entry : registry()) kernels.push_back(&entry.second);
  return kernels;
}

KernelRegistrar::KernelRegistrar(const char* name, Target target, PrepareFn prepare, RunFn run,
                                 AttrList attrs, PackFn pack) {
  const bool first = find_kernel(name) == nullptr;
  Kernel& kernel = registry()[name];
  if (!first && !same_attrs(kernel.attrs, attrs))
    throw std::logic_error(std::string(name) + ": its targets declare different attributes");
  kernel.name = name;
  kernel.attrs = attrs;
  kernel.prepare[static_cast<int>(target)] = prepare;
  kernel.run[static_cast<int>(target)] = run;
  kernel.pack[static_cast<int>(target)] = pack;
}

void require(bool ok, const char* message) {
  if (!ok) throw std::invalid_argument(message);
}

void require_same_dims(const TensorView& a, const TensorView& b, const char* message) {
  bool same = a.rank == b.rank;
  for (int i = 0; same && i < a.rank; ++i) same = a.dims[i] == b.dims[i];
  require(same, message);
}

void require_operands(const Call& call, int operands) {
  require(call.count == operands, "wrong number of operands");
}

}  // namespace tenon
