// Compiles a kernel file once per instruction set. A kernel file looks like this:
//
//   #define TENON_KERNEL_FILE "kernels/relu.cc"
//   #include "kernels/for_each_target.h"
//   #ifdef TENON_TARGET
//   ... code in namespace tenon::<target>, with vec.h's V, real, W at hand ...
//   TENON_KERNEL(relu, prepare, run)
//   #endif
//
// Every header is included before the first target pragma opens: code for a newer processor must not leak
// into shared inline functions (a weak std::vector symbol built with AVX-512 would crash older machines). A
// file whose reference is written separately (native/ref) defines TENON_NO_REF first.
//
// TENON_WITHOUT_AVX512 leaves that set out of the whole build, TENON_WITHOUT_AVX2 both: builds that only test
// need not compile what their machine cannot run.
#ifndef TENON_TARGET

  #ifndef TENON_KERNEL_FILE
    #error "define TENON_KERNEL_FILE before including for_each_target.h"
  #endif

  #include <algorithm>
  #include <bit>
  #include <cmath>
  #include <cstdint>
  #include <cstring>
  #include <limits>
  #include <type_traits>
  #include <utility>
  #if defined(__x86_64__)
    #include <immintrin.h>
  #elif defined(__aarch64__)
    #include <arm_neon.h>
  #endif

  #include "base/bf16.h"
  #include "base/parallel.h"
  #include "base/philox.h"
  #include "base/tensor.h"
  #include "kernels/kernel.h"

  #include "kernels/pragmas.h"

  // Registers prepare and run of this file's kernel for the target being compiled. A fourth argument names
  // the kernel's attributes (AttrNames).
  #define TENON_KERNEL(name, prepare, run, ...)                                                   \
    static const ::tenon::KernelRegistrar TENON_CONCAT(registrar_, name)(#name, kTarget, prepare, \
                                                                         run __VA_OPT__(, ) __VA_ARGS__);

  // The kTable that this file defines for a target, for files whose functions are called through a table.
  #if defined(__x86_64__)
    #if defined(TENON_WITHOUT_AVX2)
      #define TENON_TABLE(target) (static_cast<void>(target), baseline::kTable)
    #elif defined(TENON_WITHOUT_AVX512)
      #define TENON_TABLE(target) ((target) == Target::avx2 ? avx2::kTable : baseline::kTable)
    #else
      #define TENON_TABLE(target)                    \
        ((target) == Target::avx512 ? avx512::kTable \
         : (target) == Target::avx2 ? avx2::kTable   \
                                    : baseline::kTable)
    #endif
  #elif defined(__aarch64__)
    #define TENON_TABLE(target) (static_cast<void>(target), neon::kTable)
  #else
    #define TENON_TABLE(target) (static_cast<void>(target), baseline::kTable)
  #endif

  #if defined(__x86_64__)
    #define TENON_TARGET baseline
    #include "kernels/target.h"
    #undef TENON_TARGET

    #ifndef TENON_WITHOUT_AVX2
      #define TENON_TARGET avx2
      #define TENON_IS_AVX2 1
TENON_PUSH_TARGET("avx2,fma,f16c,bmi,bmi2")
      #include "kernels/target.h"
TENON_POP_TARGET
      #undef TENON_IS_AVX2
      #undef TENON_TARGET
    #endif

    #if !defined(TENON_WITHOUT_AVX512) && !defined(TENON_WITHOUT_AVX2)
      #define TENON_TARGET avx512
      #define TENON_IS_AVX512 1
TENON_PUSH_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,bmi,bmi2")
      #include "kernels/target.h"
TENON_POP_TARGET
      #undef TENON_IS_AVX512
      #undef TENON_TARGET
    #endif
  #elif defined(__aarch64__)
    #define TENON_TARGET neon
    #define TENON_IS_NEON 1
    #include "kernels/target.h"
    #undef TENON_IS_NEON
    #undef TENON_TARGET
  #else  // any other processor: the compiler's own vectors
    #define TENON_TARGET baseline
    #include "kernels/target.h"
    #undef TENON_TARGET
  #endif

  #ifndef TENON_NO_REF
    #define TENON_TARGET ref
    #define TENON_IS_REF 1
    #include "kernels/target.h"
    #undef TENON_IS_REF
    #undef TENON_TARGET
  #endif

#endif  // TENON_TARGET
