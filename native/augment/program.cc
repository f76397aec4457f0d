#include "augment/program.h"

#include <cmath>
#include <cstring>

#include "augment/program_format.h"

namespace tenon::augment {
namespace {

double drawn(const double* parameter, Draws& draws) {
  const double low = parameter[0], high = parameter[1];
  switch (static_cast<int>(parameter[2])) {
    case kUniform:
      return draws.uniform(low, high);
    case kWhole:
      return low + static_cast<double>(draws.below(static_cast<int64_t>(high - low) + 1));
    case kSigned: {
      const double magnitude = draws.uniform(low, high);
      return draws.chance(0.5) ? magnitude : -magnitude;
    }
    default:
      return low;
  }
}

// An image on its way. Geometric operations wait in the chain until something needs the pixels.
class Walk {
 public:
  Walk(const uint8_t* source, const Size& in, int64_t c, const Memory& memory)
      : memory_(memory), pixels_(source), size_(in), c_(c) {}

  void node(const double* at, Draws& draws) {
    const double p = at[kChance];
    if (p < 1 && !draws.chance(p)) return;
    const int kind = static_cast<int>(at[0]);
    if (kind >= 0) return apply(operation(kind), at + kParameters, draws);
    const int64_t count = static_cast<int64_t>(at[kCount]);
    if (kind == kSequence) return all(at + kChildren, count, draws);
    if (kind == kOneOf) return one(at + kChildren, count, draws);
    some(at + kChildren, count, draws);
  }

  void finish(uint8_t* result) {
    if (chain_.empty()) {
      std::memcpy(result, pixels_, static_cast<size_t>(size_.h * size_.w * c_));
    } else {
      chain_.resample({pixels_, size_, c_}, memory_.rows, result);
    }
  }

 private:
  void all(const double* nodes, int64_t count, Draws& draws) {
    for (int64_t i = 0; i < count; ++i, nodes += node_length(nodes)) node(nodes, draws);
  }

  void one(const double* weights, int64_t count, Draws& draws) {
    double total = 0;
    for (int64_t i = 0; i < count; ++i) total += weights[i];
    double left = draws.uniform() * total;
    int64_t chosen = 0;
    for (int64_t i = 0; i < count; ++i) {
      if (weights[i] == 0) continue;
      chosen = i;
      if (left < weights[i]) break;
      left -= weights[i];
    }
    node(child(weights + count, chosen), draws);
  }

  void some(const double* at, int64_t count, Draws& draws) {
    const int64_t least = static_cast<int64_t>(at[kLeast]), most = static_cast<int64_t>(at[kMost]);
    const int64_t wanted = least + (most > least ? draws.below(most - least + 1) : 0);
    const double* nodes = at + kSomeNodes;
    if (at[kReplace] != 0) {
      for (int64_t i = 0; i < wanted; ++i) node(child(nodes, draws.below(count)), draws);
      return;
    }
    // Each of the nodes that are left is chosen with the same probability.
    int64_t left = wanted;
    for (int64_t i = 0; i < count && left > 0; ++i, nodes += node_length(nodes)) {
      if (draws.below(count - i) >= left) continue;
      --left;
      node(nodes, draws);
    }
  }

  void apply(const Operation& op, const double* parameters, Draws& draws) {
    double values[kMaxParameters];
    for (int i = 0; i < op.parameters; ++i) values[i] = drawn(parameters + kPerParameter * i, draws);
    if (op.frame == nullptr) {
      settle();
      own();
      return op.apply({memory_.images[held_], size_.h, size_.w, c_}, memory_.workspace, values, draws);
    }
    // There is memory for one field.
    if (op.field && chain_.has_field()) settle();
    const Size in = chain_.empty() ? size_ : chain_.out();
    const Frame frame = op.frame(in, memory_.workspace, values, draws);
    if (!chain_.takes(frame)) settle();
    chain_.add(frame);
  }

  // Resamples what waits in the chain.
  void settle() {
    if (chain_.empty()) return;
    const int to = held_ == 0 ? 1 : 0;
    chain_.resample({pixels_, size_, c_}, memory_.rows, memory_.images[to]);
    size_ = chain_.out();
    chain_.clear();
    hold(to);
  }

  // Copies an image that is not in memory of this walk.
  void own() {
    if (held_ >= 0) return;
    std::memcpy(memory_.images[0], pixels_, static_cast<size_t>(size_.h * size_.w * c_));
    hold(0);
  }

  void hold(int image) {
    held_ = image;
    pixels_ = memory_.images[image];
  }

  const Memory& memory_;
  const uint8_t* pixels_;
  Size size_;
  int64_t c_;
  int held_ = -1;  // which image of the memory `pixels_` is
  Chain chain_;
};

}  // namespace

void walk(const Program& program, const Stream& stream, const uint8_t* source, const Size& in, int64_t c,
          const Memory& memory, uint8_t* result) {
  Walk image(source, in, c, memory);
  const double *at = program.numbers, *end = at + program.count;
  while (at < end) {
    Draws draws(stream, static_cast<uint32_t>(*at++));
    image.node(at, draws);
    at += node_length(at);
  }
  image.finish(result);
}

}  // namespace tenon::augment
