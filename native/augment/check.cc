// What makes a program safe to walk: every number is looked at once, before any image goes through it.
#include <cmath>
#include <string>

#include "augment/program.h"
#include "augment/program_format.h"
#include "kernels/kernel.h"

namespace tenon::augment {
namespace {

constexpr int kMaxDepth = 16;
constexpr int64_t kMaxNumbers = 1 << 16;
constexpr double kMaxSteps = 4096;
constexpr int64_t kMaxBytes = int64_t{1} << 31;

[[noreturn]] void fail(const std::string& what) { throw std::invalid_argument("augment_images: " + what); }

bool is_whole(double value, double least, double most) {
  return value >= least && value <= most && std::floor(value) == value;
}

class Checker {
 public:
  Checker(const Program& program, int64_t c) : at_(program.numbers), end_(at_ + program.count), c_(c) {
    if (program.count > kMaxNumbers) fail("the program is too long");
  }

  Needs run(Size size) {
    double steps = 0;
    grow(size);
    while (at_ < end_) {
      if (!is_whole(next(), 1, kMaxPlaces - 1)) fail("a place must be a whole number from 1 to 4095");
      steps += node(size, 0);
    }
    if (!(steps <= kMaxSteps)) fail("the program has too many steps");
    if (resamples_) needs_.rows = static_cast<size_t>(upright_bytes(widest_, c_, across_, down_));
    needs_.out = size;
    needs_.steps = steps;
    return needs_;
  }

 private:
  double next() {
    if (at_ == end_) fail("the program ends in the middle of a node");
    return *at_++;
  }

  // Returns the most operations that the node stands for, and the size of its result.
  double node(Size& size, int depth) {
    if (depth > kMaxDepth) fail("the program is nested too deeply");
    const double kind = next(), p = next();
    if (!(p >= 0 && p <= 1)) fail("a probability must be from 0 to 1");
    const Size before = size;
    const double steps = is_whole(kind, 0, operation_count() - 1)
                             ? leaf(operation(static_cast<int>(kind)), size)
                             : group(kind, size, depth);
    if (p < 1 && size != before) fail("an operation that changes the size must always happen");
    return steps;
  }

  double leaf(const Operation& op, Size& size) {
    double fixed[kMaxParameters];
    for (int i = 0; i < op.parameters; ++i) {
      const double low = next(), high = next(), draw = next();
      if (!is_whole(draw, kFixed, kSigned)) fail("no such way to draw a parameter");
      const auto [least, most] = op.ranges[i];
      const double lowest = draw == kSigned ? -high : low;
      if (!(low <= high && lowest >= least && high <= most) || (draw == kSigned && low < 0))
        fail(std::string(op.name) + ": parameter " + std::to_string(i) + " is out of range");
      if (draw == kWhole && (std::floor(low) != low || std::floor(high) != high))
        fail(std::string(op.name) + ": parameter " + std::to_string(i) + " must be whole");
      if (i < op.fixed && (draw != kFixed || std::floor(low) != low))
        fail(std::string(op.name) + ": parameter " + std::to_string(i) + " must be one whole number");
      fixed[i] = low;
    }
    if (op.fits != nullptr && !op.fits(size, fixed)) fail(std::string(op.name) + ": does not fit the image");
    if (op.scratch != nullptr) needs_.scratch = std::max(needs_.scratch, op.scratch(size, c_));
    needs_.field = needs_.field || op.field;
    resamples_ = resamples_ || op.nearest >= 0;
    if (op.averages) {
      down_ = std::max(down_, averaged_taps(size.h, static_cast<int64_t>(fixed[0])));
      across_ = std::max(across_, averaged_taps(size.w, static_cast<int64_t>(fixed[1])));
    }
    if (op.resizes) size = {static_cast<int64_t>(fixed[0]), static_cast<int64_t>(fixed[1])};
    grow(size);
    return 1;
  }

  double group(double kind, Size& size, int depth) {
    if (kind != kSequence && kind != kOneOf && kind != kSomeOf) fail("no such operation");
    const double length = next(), count = next();
    if (!is_whole(length, 1, static_cast<double>(end_ - at_))) fail("a length is wrong");
    if (!is_whole(count, 1, length)) fail("a count is wrong");
    const double* end = at_ + static_cast<int64_t>(length);
    const int64_t nodes = static_cast<int64_t>(count);
    const double steps = kind == kSequence ? all(nodes, size, depth)
                         : kind == kOneOf  ? one(nodes, size, depth)
                                           : some(nodes, size, depth);
    if (at_ != end) fail("a length is wrong");
    return steps;
  }

  double all(int64_t count, Size& size, int depth) {
    double steps = 0;
    for (int64_t i = 0; i < count; ++i) steps += node(size, depth + 1);
    return steps;
  }

  double one(int64_t count, Size& size, int depth) {
    double total = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double weight = next();
      if (!(weight >= 0 && weight <= 1e9)) fail("a weight is out of range");
      total += weight;
    }
    if (!(total > 0)) fail("all weights are 0");
    return alternatives(count, size, depth);
  }

  double some(int64_t count, Size& size, int depth) {
    const double least = next(), most = next(), replace = next();
    if (replace != 0 && replace != 1) fail("replace must be 0 or 1");
    const double limit = replace == 1 ? kMaxSteps : static_cast<double>(count);
    if (!is_whole(most, 0, limit) || !is_whole(least, 0, most)) fail("a number of operations is wrong");
    const Size before = size;
    const double steps = alternatives(count, size, depth);
    if (size != before) fail("an operation that changes the size must always happen");
    return most * steps;
  }

  // The most steps of any of them; the size must be the same behind each.
  double alternatives(int64_t count, Size& size, int depth) {
    const Size before = size;
    double steps = 0;
    for (int64_t i = 0; i < count; ++i) {
      Size after = before;
      steps = std::max(steps, node(after, depth + 1));
      if (i > 0 && after != size) fail("the size depends on which operation is drawn");
      size = after;
    }
    return steps;
  }

  void grow(const Size& size) {
    if (size.h < 1 || size.w < 1 || size.h > kMaxSide || size.w > kMaxSide)
      fail("sides must be from 1 to " + std::to_string(kMaxSide));
    if (c_ < 1 || c_ > kMaxBytes / (size.h * size.w)) fail("an image is too large");
    needs_.pixels = std::max(needs_.pixels, size.h * size.w);
    widest_ = std::max(widest_, size.w);
  }

  const double* at_;
  const double* end_;
  int64_t c_;
  // The widest image, and from how many rows and columns a pixel is made at most.
  int64_t widest_ = 0, across_ = 2, down_ = 2;
  bool resamples_ = false;
  Needs needs_{};
};

}  // namespace

Needs check(const Program& program, const Size& in, int64_t c) { return Checker(program, c).run(in); }

}  // namespace tenon::augment
