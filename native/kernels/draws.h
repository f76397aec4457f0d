// Where a kernel's random draws come from: the attributes and runtime scalars that all of them share. A
// kernel that draws declares the attributes "key[2]", "ordinal", "perExample" first, in this order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/checks.h"

namespace tenon {

// Draw i is word (i + example * perExample) of the stream (key, ordinal, step): examples keep their draws
// whatever batch they come in, where `example` counts those of the batches before.
struct Draws {
  uint32_t key0, key1, ordinal, step;
  uint64_t first;

  Draws(const Call& c, const TensorView& step, const TensorView& example)
      : key0(word_of(c.attrs[0])),
        key1(word_of(c.attrs[1])),
        ordinal(word_of(c.attrs[2])),
        step(word_of(scalar(step))),
        first(uint64_t{word_of(scalar(example))} * static_cast<uint64_t>(c.attr(3))) {}
};

inline void require_draws(const Call& c, const TensorView& step, const TensorView& example) {
  require_scalar(step, "draws: step must be a runtime scalar");
  require_scalar(example, "draws: example must be a runtime scalar");
  require_words(c, 0, 3, "draws: keys and ordinal must be 32-bit words");
  require(integer_attr(c, 3, "draws: perExample must be an integer") >= 0,
          "draws: perExample must be at least 0");
}

// Which uniform draws are below p.
struct Threshold {
  int32_t limit;  // u < p exactly when the 24 bits of u are below it; signed: every target can compare that
  double p;

  explicit Threshold(double given) : p(given) {
    const double wanted = std::ceil(p * 16777216.0);
    limit = p <= 0 ? 0 : wanted <= 16777216.0 ? static_cast<int32_t>(wanted) : 16777216;  // NaN keeps nothing
  }

  // What is kept is multiplied by this.
  double scale(bool inverted) const {
    if (limit == 16777216) return 0;
    return inverted ? 1 / (1 - std::max(p, 0.0)) : 1;
  }
};

}  // namespace tenon
