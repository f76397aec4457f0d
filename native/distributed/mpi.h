// MPI, found while the program runs: tenon is compiled without any MPI, and serves every one whose binary
// interface it knows.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "distributed/transport.h"

namespace tenon {

struct MpiLibrary {
  std::string file;
  std::string abi;      // openmpi, mpich or standard
  std::string version;  // as the library describes itself
};

struct Mpi : MpiLibrary {
  std::unique_ptr<Transport> transport;
  std::string host;  // as the library calls this machine
};

// Loads a library to see what it is, and does not initialize it. Throws NoTransport.
MpiLibrary look_at_mpi(const std::string& file);

// Loads the first of these libraries that is there, and initializes it. Throws NoTransport, with what came
// of each.
Mpi start_mpi(const std::vector<std::string>& candidates);

}  // namespace tenon
