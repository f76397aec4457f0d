// What system_linux.cc and system_darwin.cc share.
#pragma once

#include "base/system.h"

namespace tenon {

// The addresses of a symbol in those of these libraries that the process has loaded.
std::vector<void*> symbols_of_libraries(const std::vector<std::string>& files, const char* name);

}  // namespace tenon
