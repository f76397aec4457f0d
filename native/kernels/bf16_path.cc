// Which path computes bf16 products in this process, and why.
#include <stdexcept>

#include "base/system.h"
#include "kernels/gemm_bf16_paths.h"

namespace tenon {
namespace {

// Best first; the last one is never chosen unasked.
constexpr Bf16Path kByPreference[] = {Bf16Path::amx, Bf16Path::avx512bf16, Bf16Path::emulated,
                                      Bf16Path::amx_software};

// Why `path` cannot run with kernels of `target`; empty when it can.
std::string obstacle(Bf16Path path, Target target) {
  const CpuFeatures& cpu = cpu_features();
  if (path == Bf16Path::emulated || path == Bf16Path::amx_software) return "";
  if (target != Target::avx512)
    return std::string("kernels for ") + name_of(target) + " have no bf16 instructions";
  if (path == Bf16Path::avx512bf16) return cpu.avx512_bf16 ? "" : "the processor has no bf16 instructions";
  static const std::string refusal = cpu.amx_bf16 ? request_amx() : "the processor has no AMX tiles";
  return refusal;
}

std::string describe(Bf16Path path, const std::string& why_not_better) {
  if (path == Bf16Path::emulated)
    return why_not_better + "; precision bf16 computes as fp32, which is faster than emulating bf16";
  return why_not_better.empty() ? "the best this processor has" : why_not_better;
}

}  // namespace

const char* name_of(Bf16Path path) {
  static const char* names[] = {"emulated", "avx512bf16", "amx", "amx-software"};
  return names[static_cast<int>(path)];
}

Bf16Choice choose_bf16_path(Target target, const std::string& wanted) {
  std::string missing;
  for (const Bf16Path path : kByPreference) {
    const std::string problem = obstacle(path, target);
    if (wanted.empty() && problem.empty()) return {path, describe(path, missing), path != Bf16Path::emulated};
    missing = problem;
    if (wanted != name_of(path) && wanted != "best") continue;
    if (problem.empty()) return {path, "TENON_BF16=" + wanted, true};
    if (wanted == "best") continue;
    throw std::invalid_argument("TENON_BF16=" + wanted + ": not available: " + problem);
  }
  throw std::invalid_argument("TENON_BF16=" + wanted + ": expected amx, avx512bf16, emulated or best");
}

const Bf16Choice& bf16_path(Target target) {
  static const auto* of_target = [] {
    auto* all = new Bf16Choice[kTargets];
    const std::string forced = environment_variable("TENON_BF16");
    for (int t = 0; t < kTargets; ++t) {
      const auto each = static_cast<Target>(t);
      // Only the best instruction set can have what is asked for: that the process uses it is checked where
      // the addon starts. Others, which tests run, go without.
      try {
        all[t] = choose_bf16_path(each, forced);
      } catch (const std::invalid_argument& error) {
        all[t] = {Bf16Path::emulated, error.what(), true};
      }
    }
    return all;
  }();
  return of_target[static_cast<int>(target)];
}

}  // namespace tenon
