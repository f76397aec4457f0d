#include "base/cpu.h"

#include <cstring>

#if defined(__x86_64__)
  #include <cpuid.h>
#endif

#include "base/system.h"

namespace tenon {
namespace {

#if defined(__x86_64__)
struct Registers {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

// Zeros when the processor does not have the leaf.
Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r;
  if (__get_cpuid_max(leaf & 0x80000000u, nullptr) < leaf) return {};
  __cpuid_count(leaf, subleaf, r.a, r.b, r.c, r.d);
  return r;
}

// Which register files the system saves (XCR0): a processor's AVX is unusable where the system does not.
uint64_t saved_state() {
  constexpr uint32_t kOsxsave = 1u << 27;
  if ((cpuid(1, 0).c & kOsxsave) == 0) return 0;
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

bool has(uint32_t word, int bit) { return ((word >> bit) & 1) != 0; }

CpuFeatures detect() {
  constexpr uint64_t kYmm = 0x6, kZmm = 0xe6, kTiles = 0x60000;
  const uint64_t saved = saved_state();
  const Registers one = cpuid(1, 0), seven = cpuid(7, 0), more = cpuid(7, 1);
  CpuFeatures f;
  const bool fma = has(one.c, 12), avx = has(one.c, 28), f16c = has(one.c, 29);
  const bool bmi = has(seven.b, 3) && has(seven.b, 8);
  f.avx2 = (saved & kYmm) == kYmm && avx && fma && f16c && bmi && has(seven.b, 5);
  const bool fdq = has(seven.b, 16) && has(seven.b, 17), bwvl = has(seven.b, 30) && has(seven.b, 31);
  f.avx512 = f.avx2 && (saved & kZmm) == kZmm && fdq && bwvl;
  f.avx512_vnni = f.avx512 && has(seven.c, 11);
  f.avx512_bf16 = f.avx512 && has(more.a, 5);
  const bool tiles = (saved & kTiles) == kTiles;
  f.amx_tile = tiles && has(seven.d, 24);
  f.amx_bf16 = f.amx_tile && has(seven.d, 22);
  f.amx_int8 = f.amx_tile && has(seven.d, 25);
  return f;
}
#else
CpuFeatures detect() {
  CpuFeatures f;
  #if defined(__aarch64__)
  f.neon = true;
  #endif
  return f;
}
#endif

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const auto* features = new CpuFeatures(detect());
  return *features;
}

std::vector<std::string> cpu_feature_names() {
  const CpuFeatures& f = cpu_features();
  const std::pair<bool, const char*> all[] = {
      {f.avx2, "avx2"},
      {f.avx512, "avx512"},
      {f.avx512_vnni, "avx512_vnni"},
      {f.avx512_bf16, "avx512_bf16"},
      {f.amx_tile, "amx_tile"},
      {f.amx_bf16, "amx_bf16"},
      {f.amx_int8, "amx_int8"},
      {f.neon, "neon"},
  };
  std::vector<std::string> names;
  for (const auto& [present, name] : all) {
    if (present) names.emplace_back(name);
  }
  return names;
}

std::string cpu_brand() {
  std::string name;
#if defined(__x86_64__)
  char text[49] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    const Registers r = cpuid(0x80000002u + i, 0);
    std::memcpy(text + 16 * i, &r, 16);
  }
  name = trimmed(text);
#endif
  if (name.empty()) name = trimmed(system_cpu_name());
  return name.empty() ? "unknown" : name;
}

bool target_supported(Target target) {
  switch (target) {
#if defined(__x86_64__)
    case Target::baseline:
      return true;
  #if !defined(TENON_WITHOUT_AVX2)
    case Target::avx2:
      return cpu_features().avx2;
  #endif
  #if !defined(TENON_WITHOUT_AVX512) && !defined(TENON_WITHOUT_AVX2)
    case Target::avx512:
      return cpu_features().avx512;
  #endif
#elif defined(__aarch64__)
    case Target::neon:
      return cpu_features().neon;
#else
    case Target::baseline:
      return true;
#endif
    case Target::ref:
      return true;
    default:
      return false;
  }
}

}  // namespace tenon
