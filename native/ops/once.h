// Registration of kernels that are compiled once and serve every target, the reference included.
#pragma once

#include "ops/heavy.h"

namespace tenon {

template <class, Target... T>
struct OnceFor {
  OnceFor(const char* name, PrepareFn prepare, RunFn run, AttrList attrs)
      : registrars{KernelRegistrar(name, T, prepare, run, attrs)...,
                   KernelRegistrar(name, Target::ref, prepare, run, attrs)} {}
  KernelRegistrar registrars[sizeof...(T) + 1];
};

using RegisterOnce = OnEveryTarget<OnceFor, void>;

}  // namespace tenon
