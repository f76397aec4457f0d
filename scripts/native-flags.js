'use strict';

// What the addon is compiled with, besides C++20, -O3 and hidden symbols, for which each build has its own
// words: CMakeLists.txt and native/binding.gyp ask scripts/native-sources.js for it, scripts/package uses it.

const compileFlags = [
  // Not -ffast-math: infinities and NaN keep their meaning, and nothing is reassociated. Kernels
  // write fma themselves.
  '-fno-math-errno',
  '-fno-trapping-math',
  '-ffp-contract=off',
  '-Wall',
  '-Wextra',
  // psabi: vectors passed by value differ by target, and never leave a file here. maybe-uninitialized: false
  // alarms from GCC 12's own AVX-512 headers (GCC bug 105593). restrict: false alarms of GCC 12 in "text" +
  // std::string (GCC bug 105651). Clang does not know the last two, and is told not to mind.
  '-Wno-unknown-warning-option',
  '-Wno-psabi',
  '-Wno-maybe-uninitialized',
  '-Wno-restrict',
];

module.exports = { compileFlags };
