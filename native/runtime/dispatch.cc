#include "runtime/dispatch.h"

#include <stdexcept>

#include "base/system.h"
#include "kernels/kernel.h"

namespace tenon {
namespace {
// Best first. `ref` is never chosen.
constexpr Target kByPreference[] = {Target::avx512, Target::avx2, Target::neon, Target::baseline};

std::string available() {
  std::string names;
  for (const Target target : kByPreference) {
    if (!target_supported(target)) continue;
    names += (names.empty() ? "" : ", ") + std::string(name_of(target));
  }
  return names;
}
}  // namespace

Dispatch choose_target(const std::string& wanted) {
  for (const Target target : kByPreference) {
    if (wanted.empty() && target_supported(target)) return {target, "the best this processor has"};
    if (wanted != name_of(target)) continue;
    if (target_supported(target)) return {target, "TENON_ISA=" + wanted};
    throw std::invalid_argument("TENON_ISA=" + wanted + ": not available on this machine, which has " +
                                available());
  }
  throw std::invalid_argument("TENON_ISA=" + wanted + ": expected one of " + available());
}

const Dispatch& dispatch() {
  static const auto* chosen = new Dispatch(choose_target(environment_variable("TENON_ISA")));
  return *chosen;
}

}  // namespace tenon
