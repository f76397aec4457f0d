// How the processor treats denormal numbers: the word that holds it, one per thread.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
  #include <xmmintrin.h>
#endif

namespace tenon {

#if defined(__x86_64__)
inline constexpr uint64_t kFlushDenormals = 0x8040;  // flush to zero, denormals are zero
inline uint64_t float_mode() { return _mm_getcsr(); }
inline void set_float_mode(uint64_t mode) { _mm_setcsr(static_cast<unsigned>(mode)); }
#elif defined(__aarch64__)
inline constexpr uint64_t kFlushDenormals = uint64_t{1} << 24;
inline uint64_t float_mode() {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
inline void set_float_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
inline constexpr uint64_t kFlushDenormals = 0;
inline uint64_t float_mode() { return 0; }
inline void set_float_mode(uint64_t) {}
#endif

// Gives this thread another mode for a while.
class FloatMode {
 public:
  explicit FloatMode(uint64_t mode) : before_(float_mode()) { set_float_mode(mode); }
  ~FloatMode() { set_float_mode(before_); }
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
  const uint64_t before_;
};

}  // namespace tenon
