// Fractional max pooling: the sequences against what they must be, also at extreme extents, and the kernels
// on every target against the float64 reference.
#include "base/fractional_geom.h"
#include "base/philox.h"
#include "test/check.h"

using namespace tenon;
using namespace tenon::test;

namespace {

constexpr RegionForm kForms[] = {RegionForm::disjoint, RegionForm::overlapping, RegionForm::windows};
constexpr RegionSequence kSequences[] = {RegionSequence::middle, RegionSequence::pseudorandom,
                                         RegionSequence::random};

// Regions are in order, inside the input, reach its end, and their steps are the two numbers around alpha.
void check_axis(int64_t in, int64_t out, RegionForm form, int64_t kernel, uint32_t salt) {
  const FractionalAxis axis(in, out, form, static_cast<double>(kernel));
  for (const RegionSequence sequence : kSequences) {
    const std::string what = std::to_string(in) + " to " + std::to_string(out) + " form " +
                             std::to_string(static_cast<int>(form)) + " kernel " + std::to_string(kernel) +
                             " sequence " + std::to_string(static_cast<int>(sequence));
    std::vector<int32_t> at(static_cast<size_t>(axis.length()), -1);
    axis.draw(
        sequence,
        [&](int64_t i) {
          CHECK_THAT(i >= 0 && i < axis.draws(sequence), what);
          // The extreme words come up too.
          return salt == 0 ? 0u : salt == 1 ? ~0u : philox(salt, 1, static_cast<uint32_t>(i), 0, 0, 0).v[0];
        },
        at.data());
    const int64_t first = axis.begin(at.data(), 0);
    bool good =
        axis.end(at.data(), out - 1) == in && (first == 0 || (out == 1 && form == RegionForm::windows));
    int64_t shortest = in, longest = 0;
    for (int64_t o = 0; o < out; ++o) {
      const int64_t begin = axis.begin(at.data(), o), size = axis.end(at.data(), o) - begin;
      good = good && begin >= 0 && size >= 1 && size <= axis.largest() && begin + size <= in;
      if (o > 0) {
        const int64_t step = begin - axis.begin(at.data(), o - 1);
        shortest = std::min(shortest, step);
        longest = std::max(longest, step);
      }
    }
    CHECK_THAT(good, what);
    if (out > 1) CHECK_THAT(shortest >= 1 && longest - shortest <= 1, what);
    for (const int64_t position : {int64_t{0}, in / 2, in - 1}) {
      const auto [from, to] = axis.holding(at.data(), position);
      int64_t expected = 0;
      for (int64_t o = 0; o < out; ++o)
        expected += axis.begin(at.data(), o) <= position && position < axis.end(at.data(), o);
      CHECK_THAT(to - from == expected, what);
    }
  }
}

void test_axes() {
  for (const uint32_t salt : {0u, 1u, 2u, 3u}) {
    for (int64_t in = 1; in <= 12; ++in) {
      for (int64_t out = 1; out <= in; ++out) {
        check_axis(in, out, RegionForm::disjoint, 0, salt);
        if (out < in) check_axis(in, out, RegionForm::overlapping, 0, salt);
        for (int64_t kernel = 1; kernel <= in - out + 1; ++kernel)
          check_axis(in, out, RegionForm::windows, kernel, salt);
      }
    }
    for (const int64_t in : {int64_t{65535}, int64_t{1} << 24, int64_t{INT32_MAX}}) {
      check_axis(in, 1000, RegionForm::disjoint, 0, salt);
      check_axis(in, 1000, RegionForm::overlapping, 0, salt);
      check_axis(in, 1000, RegionForm::windows, 7, salt);
      check_axis(in, 1, RegionForm::windows, in, salt);
    }
  }
  const int64_t huge = INT32_MAX;
  const FractionalAxis axis(huge, huge, RegionForm::windows, 1);  // too long to draw here
  CHECK(axis.length() == huge && axis.largest() == 1);
}

struct Case {
  Dims x;
  int64_t out_h, out_w;
  RegionForm form;
  int64_t kh, kw;
  RegionSequence sequence;

  Dims y() const { return {x[0], out_h, out_w, x[3]}; }
  std::vector<double> attrs() const {
    return {123456789.0,
            4294967295.0,
            3.0,
            0.0,
            static_cast<double>(sequence),
            static_cast<double>(form),
            static_cast<double>(kh),
            static_cast<double>(kw)};
  }
  DType tap() const {
    const FractionalAxis h(x[1], out_h, form, static_cast<double>(kh)),
        w(x[2], out_w, form, static_cast<double>(kw));
    return h.largest() * w.largest() <= 256 ? DType::u8 : DType::i32;
  }
  std::string describe(Target target) const {
    std::string text = std::string(name_of(target)) + " [";
    for (const int64_t dim : x) text += std::to_string(dim) + " ";
    for (const double v : attrs()) text += " " + std::to_string(static_cast<int64_t>(v));
    return text + "] to " + std::to_string(out_h) + "x" + std::to_string(out_w);
  }
};

// Small integers: many ties, and every sum exact.
void test_case(const Case& c) {
  const int64_t n = numel_of(c.x), m = numel_of(c.y());
  auto values = random_integers(n, 11, -3, 3);
  for (int64_t i = 0; i < n; i += 37) values[static_cast<size_t>(i)] = NAN;
  for (int64_t i = 5; i < n; i += 41) values[static_cast<size_t>(i)] = -INFINITY;
  const auto gradient = random_integers(m, 12, -8, 8);
  const Tensor step(DType::f64, {}, {77.0}), first(DType::f64, {}, {0.0});
  const Tensor x(Target::ref, c.x, values), y(Target::ref, c.y()), tap(c.tap(), c.y());
  const Tensor dy(Target::ref, c.y(), gradient), dx(Target::ref, c.x);
  run_kernel("fractional_max_pool2d", Target::ref, {x, step, first, y, tap}, c.attrs());
  run_kernel("fractional_max_pool2d_backward", Target::ref, {dy, tap, step, first, dx}, c.attrs());
  for_each_target([&](Target target) {
    const std::string what = c.describe(target);
    const Tensor tx(target, c.x, values), ty(target, c.y()), ttap(c.tap(), c.y());
    const Tensor tdy(target, c.y(), gradient), tdx(target, c.x);
    run_kernel("fractional_max_pool2d", target, {tx, step, first, ty, ttap}, c.attrs());
    close(ty, y.values(), 0, 0, what + " y");
    close(ttap, tap.values(), 0, 0, what + " tap");
    run_kernel("fractional_max_pool2d_backward", target, {tdy, ttap, step, first, tdx}, c.attrs());
    close(tdx, dx.values(), 0, 0, what + " dx");
  });
}

void test_threads() {
  for_each_target([](Target target) {
    for (const RegionForm form : kForms) {
      const int64_t kernel = form == RegionForm::windows ? 3 : 0;
      const Case c{{3, 40, 41, 24}, 27, 29, form, kernel, kernel, RegionSequence::random};
      const Tensor step(DType::f64, {}, {5.0}), first(DType::f64, {}, {0.0});
      const Tensor x(target, c.x, random_values(numel_of(c.x), 1)), y(target, c.y()), tap(c.tap(), c.y());
      const Tensor dy(target, c.y(), random_values(numel_of(c.y()), 2)), dx(target, c.x);
      check_threads("fractional_max_pool2d", target, {x, step, first, y, tap}, c.attrs(), y);
      check_threads("fractional_max_pool2d", target, {x, step, first, y, tap}, c.attrs(), tap);
      check_threads("fractional_max_pool2d_backward", target, {dy, tap, step, first, dx}, c.attrs(), dx);
    }
  });
}

void test_rejects() {
  for_each_target([](Target target) {
    const Case c{{2, 6, 6, 5}, 4, 4, RegionForm::windows, 2, 2, RegionSequence::random};
    const Tensor step(DType::f64, {}, {0.0}), first(DType::f64, {}, {0.0}), x(target, c.x), y(target, c.y()),
        tap(DType::u8, c.y()), wide(DType::i32, c.y()), flat(target, {6, 60});
    const char* forward = "fractional_max_pool2d";
    CHECK(!rejects(forward, target, {x, step, first, y, tap}, c.attrs()));
    CHECK(!rejects("fractional_max_pool2d_backward", target, {y, tap, step, first, x}, c.attrs()));
    CHECK(rejects("fractional_max_pool2d_backward", target, {x, tap, step, first, y}, c.attrs()));
    CHECK(rejects(forward, target, {x, step, first, y, wide}, c.attrs()));
    CHECK(rejects(forward, target, {x, x, first, y, tap}, c.attrs()));
    CHECK(rejects(forward, target, {y, step, first, x, tap}, c.attrs()));
    CHECK(rejects(forward, target, {flat, step, first, y, tap}, c.attrs()));
    CHECK(rejects(forward, target, {x, step, y}, c.attrs()));
    for (size_t i = 0; i < 8; ++i) {
      for (const double bad : {-1.0, 0.5, 7e10, 1e300, -1e300, double(NAN), double(INFINITY)}) {
        if (i == 3 && bad == 7e10) continue;  // an example may take many draws
        auto attrs = c.attrs();
        attrs[i] = bad;
        CHECK_THAT(rejects(forward, target, {x, step, first, y, tap}, attrs), std::to_string(i));
      }
    }
    for (const double kernel : {0.0, 4.0}) {
      auto attrs = c.attrs();
      attrs[6] = kernel;
      CHECK(rejects(forward, target, {x, step, first, y, tap}, attrs));
    }
  });
}

}  // namespace

int main() {
  test_axes();
  for (const RegionSequence sequence : kSequences) {
    for (const int64_t channels : {0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 33}) {
      test_case({{2, 9, 11, channels}, 6, 8, RegionForm::disjoint, 0, 0, sequence});
      test_case({{2, 9, 11, channels}, 6, 8, RegionForm::overlapping, 0, 0, sequence});
      test_case({{1, 9, 11, channels}, 6, 8, RegionForm::windows, 3, 2, sequence});
    }
    test_case({{0, 9, 11, 3}, 6, 8, RegionForm::disjoint, 0, 0, sequence});
    test_case({{2, 1, 1, 5}, 1, 1, RegionForm::disjoint, 0, 0, sequence});
    test_case({{2, 5, 6, 5}, 5, 6, RegionForm::disjoint, 0, 0, sequence});
    test_case({{1, 9, 9, 5}, 3, 2, RegionForm::windows, 1, 2, sequence});        // leaves some out
    test_case({{1, 20, 20, 3}, 1, 1, RegionForm::overlapping, 0, 0, sequence});  // 400 taps: i32
    test_case({{1, 40, 41, 3}, 2, 3, RegionForm::windows, 18, 17, sequence});
  }
  test_threads();
  test_rejects();
  return report();
}
