// Which instruction set the kernels of a program run on.
#pragma once

#include <string>

#include "base/cpu.h"

namespace tenon {

struct Dispatch {
  Target target = Target::baseline;
  std::string reason;  // for people: "best of this processor", "TENON_ISA"
};

// The best target of this machine, or the one that `wanted` names (empty: none). Throws
// std::invalid_argument for a name that is unknown, not available here, or `ref` (a property of a program,
// not of the process).
Dispatch choose_target(const std::string& wanted);

// choose_target of TENON_ISA, once per process.
const Dispatch& dispatch();

}  // namespace tenon
