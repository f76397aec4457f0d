// Operations that a thread other than JavaScript's has submitted, and waits for.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "distributed/communicator.h"

namespace tenon {

class Pending {
 public:
  void submit(const std::shared_ptr<Operation>& operation);

  // Waits for all that were submitted. Throws what the first of them failed with.
  void wait();

 private:
  struct Gate {
    std::mutex mutex;
    std::condition_variable opened;
    size_t open = 0;  // operations under way
  };

  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::vector<std::shared_ptr<Operation>> operations_;
};

}  // namespace tenon
