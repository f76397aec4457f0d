// Opening and closing a target: code between TENON_PUSH_TARGET("features") and TENON_POP_TARGET is compiled
// for processors that have them. Every header is included before.
#pragma once

#define TENON_STRINGIZE_(x) #x
#define TENON_STRINGIZE(x) TENON_STRINGIZE_(x)
#define TENON_CONCAT_(a, b) a##b
#define TENON_CONCAT(a, b) TENON_CONCAT_(a, b)

#if defined(__clang__)
  #define TENON_PUSH_TARGET(features) \
    _Pragma(TENON_STRINGIZE(clang attribute push(__attribute__((target(features))), apply_to = function)))
  #define TENON_POP_TARGET _Pragma("clang attribute pop")
#else
  #define TENON_PUSH_TARGET(features) \
    _Pragma("GCC push_options") _Pragma(TENON_STRINGIZE(GCC target(features)))
  #define TENON_POP_TARGET _Pragma("GCC pop_options")
#endif
