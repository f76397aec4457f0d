#include "runtime/prediction_share.h"

#include <algorithm>
#include <locale>
#include <sstream>
#include <stdexcept>

namespace tenon {

void PredictionShare::set(double share) {
  if (!(share > 0 && share <= 1))
    throw std::invalid_argument("prediction share: expected a number above 0 and at most 1");
  share_.store(share, std::memory_order_relaxed);
}

void PredictionShare::earn(uint64_t nanoseconds) {
  const double share = get();
  if (share >= 1) return;
  const double earned = static_cast<double>(nanoseconds) * share / (1 - share);
  credit_ = std::min(credit_ + earned, std::max(kBurst, earned));
}

void PredictionShare::spend(uint64_t nanoseconds) {
  if (get() < 1) credit_ -= static_cast<double>(nanoseconds);
}

double parse_prediction_share(const std::string& text) {
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  double share = 0;
  if (!(stream >> std::noskipws >> share) || !stream.eof() || !(share > 0 && share <= 1)) {
    throw std::invalid_argument("TENON_PREDICTION_SHARE=" + text +
                                ": expected a number above 0 and at most 1");
  }
  return share;
}

}  // namespace tenon
