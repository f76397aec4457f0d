// inverted_residual against the three convolutions that it joins: the same bits on every target, and the f64
// reference close to them.
#include "test/check.h"

namespace tenon::test {
namespace {

struct Case {
  int64_t n, h, w, c, wide, out, kh = 3, kw = 3;
  int64_t sh = 1, sw = 1, ph = 1, pw = 1, dh = 1, dw = 1;
  bool expands = true, residual = false;
  int activations[3] = {2, 2, 0};
  int64_t below = -1;  // padding there, -1: as above

  int64_t padded_h() const { return h + ph + (below < 0 ? ph : below); }
  int64_t oh() const { return (padded_h() - dh * (kh - 1) - 1) / sh + 1; }
  int64_t ow() const { return (w + 2 * pw - dw * (kw - 1) - 1) / sw + 1; }
  std::vector<double> geometry() const {
    return {double(sh), double(sw), double(ph), double(padded_h() - h - ph),
            double(pw), double(pw), double(dh), double(dw)};
  }
  std::string name() const {
    std::string s;
    for (const int64_t v :
         {n, h, w, c, wide, out, kh, kw, sh, sw, ph, pw, dh, dw, int64_t{expands}, int64_t{residual}, below})
      s += std::to_string(v) + " ";
    return s;
  }
};

Dims panels(int64_t columns, int64_t depth, DType type) {
  return {(columns + 31) / 32, type == DType::bf16 ? (depth + 31) / 32 * 32 : depth, 32};
}

// All operands on one target, and what the joined call and the three convolutions make of them.
struct Problem {
  // `stored`: what images are.
  Problem(const Case& c, Target t, DType stored)
      : target(t),
        suffix(stored == DType::bf16 ? "_bf16" : ""),
        x(stored, {c.n, c.h, c.w, c.c}, random_values(c.n * c.h * c.w * c.c, 1)),
        widen(t, {c.wide, 1, 1, c.c}, random_values(c.wide * c.c, 2)),
        widen_bias(t, {c.wide}, random_values(c.wide, 3, -1, 4)),
        filters(t, {c.wide, c.kh, c.kw, 1}, random_values(c.wide * c.kh * c.kw, 4)),
        filter_bias(t, {c.wide}, random_values(c.wide, 5)),
        narrow(t, {c.out, 1, 1, c.wide}, random_values(c.out * c.wide, 6)),
        narrow_bias(t, {c.out}, random_values(c.out, 7)),
        residual(stored, {c.n, c.oh(), c.ow(), c.out}, random_values(c.n * c.oh() * c.ow() * c.out, 8)),
        wide(stored, {c.n, c.h, c.w, c.wide}),
        convolved(stored, {c.n, c.oh(), c.ow(), c.wide}),
        apart(stored, {c.n, c.oh(), c.ow(), c.out}),
        joined(stored, {c.n, c.oh(), c.ow(), c.out}),
        widen_panels(stored, panels(c.wide, c.c, stored)),
        narrow_panels(stored, panels(c.out, c.wide, stored)),
        filter_rows(t, {c.kh * c.kw, c.wide}) {
    run_kernel("pack_panels" + suffix, target, {widen, widen_panels});
    run_kernel("pack_panels" + suffix, target, {narrow, narrow_panels});
    const TensorView rows = make_view(filters.view.dtype, {c.wide, c.kh * c.kw}, filters.view.data);
    run_kernel("permute", target, {rows, filter_rows}, {1, 0});
  }

  std::vector<TensorView> views(const Case& c) const {
    std::vector<TensorView> v{x};
    if (c.expands) v.insert(v.end(), {widen_panels, widen_bias});
    v.insert(v.end(), {filter_rows, filter_bias, narrow_panels, narrow_bias});
    if (c.residual) v.push_back(residual);
    v.push_back(joined);
    return v;
  }
  std::vector<double> attrs(const Case& c) const {
    std::vector<double> a = c.geometry();
    a.insert(a.end(), {double(c.wide), double(c.kh), double(c.kw), double(c.expands), double(c.residual),
                       double(c.activations[0]), double(c.activations[1]), double(c.activations[2])});
    return a;
  }
  void convolve_apart(const Case& c) const {
    const std::vector<double> plain{1, 1, 0, 0, 0, 0, 1, 1, 1};
    const auto with = [](std::vector<double> geometry, double has_residual, double activation) {
      geometry.insert(geometry.end(), {1, has_residual, activation, 0});
      return geometry;
    };
    if (c.expands)
      run_kernel("conv2d" + suffix, target, {x, widen, widen_bias, wide}, with(plain, 0, c.activations[0]));
    std::vector<double> depthwise = c.geometry();
    depthwise.push_back(double(c.wide));
    run_kernel("conv2d" + suffix, target, {c.expands ? wide : x, filters, filter_bias, convolved},
               with(depthwise, 0, c.activations[1]));
    std::vector<TensorView> last{convolved, narrow, narrow_bias};
    if (c.residual) last.push_back(residual);
    last.push_back(apart);
    run_kernel("conv2d" + suffix, target, last, with(plain, c.residual, c.activations[2]));
  }

  Target target;
  std::string suffix;
  Tensor x, widen, widen_bias, filters, filter_bias, narrow, narrow_bias, residual;
  Tensor wide, convolved, apart, joined;
  Tensor widen_panels, narrow_panels, filter_rows;
};

void check_case(const Case& c) {
  std::vector<double> expected;
  const Problem reference(c, Target::ref, DType::f64);
  run_kernel("inverted_residual", Target::ref, reference.views(c), reference.attrs(c));
  reference.convolve_apart(c);
  close(reference.joined, reference.apart.values(), 1e-11, 0, c.name() + "reference");
  for_each_target([&](Target target) {
    if (target == Target::ref) return;
    const Problem narrow(c, target, DType::bf16);
    run_kernel("inverted_residual_bf16", target, narrow.views(c), narrow.attrs(c));
    narrow.convolve_apart(c);
    CHECK_THAT(same_bits(narrow.joined, narrow.apart), c.name() + name_of(target) + " bf16");
    check_threads("inverted_residual_bf16", target, narrow.views(c), narrow.attrs(c), narrow.joined);
    const Problem p(c, target, DType::f32);
    run_kernel("inverted_residual", target, p.views(c), p.attrs(c));
    p.convolve_apart(c);
    CHECK_THAT(same_bits(p.joined, p.apart), c.name() + name_of(target));
    const double terms = static_cast<double>(c.wide * 6);
    close(p.joined, reference.joined.values(), eps_of(target) * 16 * terms, 0, c.name() + name_of(target));
    check_threads("inverted_residual", target, p.views(c), p.attrs(c), p.joined);
  });
}

// pack_panels: rows become columns, and columns beyond the last row are zero.
void packing() {
  const int64_t columns = 37, depth = 5;
  for_each_target([&](Target target) {
    const Tensor w(target, {columns, 1, 1, depth}, random_values(columns * depth, 1));
    const Tensor packed(target, panels(columns, depth, real_of(target)));
    run_kernel("pack_panels", target, {w, packed});
    for (int64_t column = 0; column < 64; ++column)
      for (int64_t k = 0; k < depth; ++k) {
        const double value = packed.at((column / 32 * depth + k) * 32 + column % 32);
        CHECK(value == (column < columns ? w.at(column * depth + k) : 0));
      }
    CHECK(rejects("pack_panels", target, {w, Tensor(target, panels(columns + 32, depth, real_of(target)))}));
    CHECK(rejects("pack_panels", target, {w, Tensor(target, panels(columns, depth + 1, real_of(target)))}));
    CHECK(rejects("pack_panels", target,
                  {Tensor(target, {0, 5}), Tensor(target, panels(0, 5, real_of(target)))}));
  });
}

void bad_calls() {
  const Case c{1, 6, 6, 4, 24, 8, 3, 3, 1, 1, 1, 1, 1, 1, true, true};
  for_each_target([&](Target target) {
    const Problem p(c, target, real_of(target));
    const std::vector<TensorView> views = p.views(c);
    const std::vector<double> attrs = p.attrs(c);
    CHECK(!rejects("inverted_residual", target, views, attrs));
    for (size_t i = 0; i < views.size(); ++i) {
      for (int dim = 0; dim < views[i].rank; ++dim) {
        std::vector<TensorView> bad = views;
        bad[i].dims[dim] += 1;
        CHECK_THAT(rejects("inverted_residual", target, bad, attrs), std::to_string(i));
      }
      std::vector<TensorView> bad = views;
      bad[i].dtype = DType::bf16;
      CHECK_THAT(rejects("inverted_residual", target, bad, attrs), std::to_string(i));
      bad = views;
      bad.erase(bad.begin() + static_cast<int64_t>(i));
      CHECK_THAT(rejects("inverted_residual", target, bad, attrs), std::to_string(i));
    }
    for (size_t i = 0; i < attrs.size(); ++i) {
      for (const double value : {-1.0, 0.5, 1e9, std::nan("")}) {
        std::vector<double> bad = attrs;
        bad[i] = value;
        CHECK_THAT(rejects("inverted_residual", target, views, bad), std::to_string(i));
      }
    }
  });
}

void run_all() {
  packing();
  bad_calls();
  check_case({1, 7, 7, 5, 40, 9});
  check_case({0, 7, 7, 5, 40, 9});
  check_case({2, 14, 14, 16, 96, 24, 3, 3, 1, 1, 1, 1, 1, 1, true, true});
  check_case({1, 28, 28, 24, 144, 32, 5, 5, 2, 2, 2, 2});
  check_case({3, 5, 9, 33, 33, 17, 3, 3, 1, 1, 1, 1, 1, 1, false, false});
  check_case({1, 40, 37, 3, 32, 48, 3, 3, 2, 1, 1, 0});
  check_case({2, 9, 8, 4, 400, 16, 3, 2, 1, 2, 1, 1, 1, 1, true, true, {1, 3, 4}});  // two blocks of K
  check_case({1, 8, 8, 128, 512, 24});  // two blocks of K, and few channels behind them
  check_case({1, 1, 1, 7, 64, 20, 3, 3, 1, 1, 1, 1, 1, 1, true, true});  // fewer rows than bands
  check_case({1, 2, 50, 7, 70, 20, 3, 3, 1, 1, 1, 1, 1, 1, true, false, {0, 0, 2}});
  check_case({1, 20, 20, 6, 32, 8, 3, 3, 1, 1, 2, 2, 2, 2});  // dilated
  check_case({1, 20, 20, 6, 32, 8, 2, 2, 4, 3, 0, 0});        // rows that no output reads
  check_case({1, 6, 6, 6, 32, 8, 3, 3, 1, 1, 5, 1, 1, 1, true, false, {2, 2, 0}, 3});  // rows of padding only
  check_case({1, 112, 112, 4, 32, 8, 3, 3, 2, 2, 0, 0, 1, 1, true, false, {2, 2, 0}, 1});
  check_case({2, 7, 7, 8, 48, 16, 5, 5, 1, 1, 2, 2, 1, 1, true, false, {1, 1, 0}});  // edges only
  check_case({1, 15, 30, 8, 48, 16, 5, 5, 1, 1, 2, 2, 1, 1, true, false, {0, 0, 1}});
  check_case({1, 13, 3, 8, 48, 16, 3, 5, 1, 2, 1, 4});   // narrower than its padding
  check_case({2, 57, 56, 24, 144, 24});                  // several steps, and an odd last row
  check_case({1, 9, 21, 6, 48, 8, 1, 3, 2, 2, 0, 1});    // rows between those that outputs read
  check_case({1, 20, 12, 4, 32, 8, 17, 3, 1, 1, 8, 1});  // taller than two rows may be together
  check_case({2, 113, 64, 48, 48, 16, 3, 3, 1, 1, 1, 1, 1, 1, false, false});  // read from memory
}

}  // namespace
}  // namespace tenon::test

int main() {
  tenon::test::run_all();
  return tenon::test::report();
}
