// How much of the executor's time predictions may take while training waits for it. Training earns them
// credit, share / (1 - share) of what it takes itself; a prediction may start while there is credit, and then
// costs what it takes. It may overdraw, so that one that comes alone is answered after the kernel that runs,
// however long it takes. Credit that nobody uses is kept up to kBurst, or up to what the last kernel earned.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace tenon {

class PredictionShare {
 public:
  static constexpr double kDefault = 0.5;
  static constexpr double kBurst = 5e6;  // nanoseconds

  // From 0 (not included) to 1, which lets every prediction go first. Any
  // thread; throws std::invalid_argument.
  void set(double share);
  double get() const { return share_.load(std::memory_order_relaxed); }

  // The executor's place only.
  bool allows() const { return credit_ > 0 || get() >= 1; }
  void earn(uint64_t nanoseconds);
  void spend(uint64_t nanoseconds);

 private:
  std::atomic<double> share_{kDefault};
  double credit_ = kBurst;  // nanoseconds
};

// The share that TENON_PREDICTION_SHARE=text names, in full; throws std::invalid_argument.
double parse_prediction_share(const std::string& text);

}  // namespace tenon
