// Phases of the adjoint of a convolution against the definition, in both orders of the taps.
#include "ops/tap_axis.h"

#include "test/check.h"

namespace tenon::test {
namespace {

struct Meeting {  // of an output position with a tap, and the input position there
  int64_t out, tap, in;
  auto operator<=>(const Meeting&) const = default;
};

// By the definition: dx[i] collects dy[o] w[r] where o * stride = i + padding - r * dilation.
std::vector<Meeting> by_definition(const TapAxis& a) {
  std::vector<Meeting> all;
  for (int64_t i = 0; i < a.out; ++i)
    for (int64_t r = 0; r < a.kernel; ++r) {
      const int64_t distance = i + a.padding - r * a.dilation;
      if (distance % a.stride == 0) all.push_back({i, r, distance / a.stride});
    }
  return all;
}

std::vector<Meeting> by_phases(const TapAxis& a, bool by_number) {
  std::vector<Meeting> all;
  for (int64_t index = 0; index < a.phases(); ++index) {
    const Phase p = by_number ? a.phase(index).by_number() : a.phase(index);
    CHECK(p.taps == 0 || (by_number ? p.tap_step > 0 : p.gap > 0));
    for (int64_t i = 0; i < p.count; ++i)
      for (int64_t j = 0; j < p.taps; ++j)
        all.push_back(
            {p.first + i * a.out_step(), p.tap0 + j * p.tap_step, i * a.in_step() + p.in0 + j * p.gap});
  }
  std::sort(all.begin(), all.end());
  return all;
}

void check_adjoint() {
  for (int64_t kernel = 1; kernel <= 5; ++kernel)
    for (int64_t stride = 1; stride <= 4; ++stride)
      for (int64_t padding = 0; padding <= 3; ++padding)
        for (int64_t dilation = 1; dilation <= 4; ++dilation)
          for (const int64_t out : {1, 2, 7, 12}) {
            const TapAxis axis = {0, out, kernel, stride, padding, dilation, true};
            const std::vector<Meeting> expected = by_definition(axis);
            CHECK(by_phases(axis, false) == expected);
            CHECK(by_phases(axis, true) == expected);
          }
}

void check_forward() {
  const TapAxis axis = {9, 4, 3, 2, 1, 2, false};
  const Phase p = axis.phase(0);
  CHECK(axis.phases() == 1 && p.count == 4 && p.taps == 3 && p.in0 == -1 && p.gap == 2);
  CHECK(p.by_number().tap0 == 0 && p.by_number().in0 == -1);
}

}  // namespace
}  // namespace tenon::test

int main() {
  using namespace tenon::test;
  check_adjoint();
  check_forward();
  return report();
}
