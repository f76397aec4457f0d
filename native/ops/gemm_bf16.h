// The driver of bf16 products: registration, packing of B, and the loop over blocks of C that forward
// convolution, backward-data and matmul share. Each of them only says how a block's rows of A are gathered
// and where the rows of C go.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/gemm_bf16.h"
#include "ops/heavy.h"

namespace tenon {

// As HeavyFor of heavy.h, with the bf16 kernels of the target.
template <class Op, Target T>
struct Bf16For {
  static Cost prepare(const Call& call) { return Op::prepare(call, bf16_kernels(T)); }
  static void run(const Call& call) { Op::run(call, bf16_kernels(T)); }
  static constexpr bool kPacks = requires(const Call& call, const Bf16Kernels& kernels, std::byte* packed) {
    Op::pack(call, kernels, packed);
  };
  static void pack(const Call& call, std::byte* packed) {
    if constexpr (kPacks) Op::pack(call, bf16_kernels(T), packed);
  }
};

template <class Op, Target... T>
struct RegisterBf16For {
  KernelRegistrar registrars[sizeof...(T)] = {{Op::kName, T, Bf16For<Op, T>::prepare, Bf16For<Op, T>::run,
                                               attrs_of<Op>(),
                                               Bf16For<Op, T>::kPacks ? Bf16For<Op, T>::pack : nullptr}...};
};

#if defined(__x86_64__)
template <class Op>
using RegisterBf16 = RegisterBf16For<Op, Target::baseline, Target::avx2, Target::avx512>;
#elif defined(__aarch64__)
template <class Op>
using RegisterBf16 = RegisterBf16For<Op, Target::neon>;
#else
template <class Op>
using RegisterBf16 = RegisterBf16For<Op, Target::baseline>;
#endif

inline int64_t round_up(int64_t n, int64_t step) { return checked_product(ceil_div(n, step), step); }

// Floats that hold n bf16.
inline int64_t floats_of(int64_t n) { return ceil_div(n, 2); }

// What a block of a product has at most, and at least: panels of B, and rows of A.
inline constexpr int64_t kMostBlockPanels = 16, kMostBlockRows = 256, kLeastBlockRows = 32;
// Sums so short that they are done as fast as their results can be stored, and how many of them the first
// cache level then holds.
inline constexpr int64_t kShortDepth = 64, kNearBlockSums = 4096;

// `count` independent products (groups or a batch) [m][k] [k][n], and how they are cut. Cutting M and N
// changes no bit: every element of C is one sum over K in one order.
struct Bf16Blocks {
  int64_t count, m, n, k;
  int64_t depth;         // K padded with zeros
  int64_t columns;       // N padded to whole panels
  int64_t rows, panels;  // of one block

  static Bf16Blocks make(int64_t count, int64_t m, int64_t n, int64_t k, const Bf16Kernels& kernels);

  int64_t row_blocks() const { return ceil_div(m, rows); }
  int64_t column_blocks() const { return ceil_div(columns / kBf16Panel, panels); }
  int64_t tasks() const { return count * row_blocks() * column_blocks(); }
  int64_t panel_size() const { return depth * kBf16Panel; }
  int64_t packed() const { return checked_product(count, columns, depth); }
  int64_t a_floats() const { return floats_of(checked_product(rows, depth)); }
  int64_t c_floats() const { return checked_product(rows, panels, kBf16Panel); }
};

// B of one product, given as rows of K: row(k) is n bf16. `to`: panels of depth x 32.
template <class Row>
void pack_rows(const Bf16Blocks& s, const Bf16Kernels& kernels, Row&& row, int64_t first_pair,
               int64_t last_pair, bf16* to) {
  static constexpr bf16 kZeros[kBf16Panel] = {};
  for (int64_t p = first_pair; p < last_pair; ++p) {
    const bf16* even = 2 * p < s.k ? row(2 * p) : nullptr;
    const bf16* odd = 2 * p + 1 < s.k ? row(2 * p + 1) : nullptr;
    for (int64_t n = 0; n < s.columns; n += kBf16Panel) {
      auto* words = reinterpret_cast<uint32_t*>(to + n * s.depth) + p * kBf16Panel;
      const int64_t count = std::min(kBf16Panel, s.n - n);
      kernels.interleave(even ? even + n : kZeros, odd ? odd + n : kZeros, count, words);
      std::fill(words + count, words + kBf16Panel, 0u);
    }
  }
}

// As pack_rows in parallel, for every product: row(product, k).
template <class Row>
void pack_all_rows(const Bf16Blocks& s, const Bf16Kernels& kernels, bf16* to, Row&& row) {
  constexpr int64_t kPairs = 64;
  const int64_t pieces = ceil_div(s.depth / 2, kPairs);
  parallel_for(s.count * pieces, static_cast<double>(s.packed()), [&](int64_t task) {
    const int64_t i = task / pieces, begin = task % pieces * kPairs,
                  end = std::min(s.depth / 2, begin + kPairs);
    pack_rows(
        s, kernels, [&](int64_t k) { return row(i, k); }, begin, end, to + i * s.columns * s.depth);
  });
}

// B of every product, given as columns: from[product][n][depth], K padded with zeros already.
void pack_all_columns(const Bf16Blocks& s, const Bf16Kernels& kernels, const bf16* from, bf16* to);

// Elements [at, at + depth) of the packed K: `count` floats from `from` on in a column of B, then zeros.
struct PackedRun {
  int64_t at, depth, from, count;
};

// B of every product, given as columns of floats, `ld` apart: element k of column n of product i is at
// from[(i * s.n + n) * ld + k]. The runs cover the packed K.
void pack_float_columns(const Bf16Blocks& s, const Bf16Kernels& kernels, const float* from, int64_t ld,
                        const std::vector<PackedRun>& runs, bf16* to);

// [rows][k] floats to bf16 rows of `depth`, zero beyond k.
void narrow_rows(const float* x, int64_t rows, int64_t k, int64_t depth, const Bf16Kernels& kernels, bf16* y);

// y[rows][depth] = x[rows][k], `ld` apart, zero beyond k.
void pad_rows(const bf16* x, int64_t ld, int64_t rows, int64_t k, int64_t depth, bf16* y);

// to[j][0, count) = from[0, count)[j] for j < rows: `count` rows of `ld` become columns. `words` is scratch
// of ceil(count / 2) * rows.
void transpose_rows(const bf16* from, int64_t ld, int64_t count, int64_t rows, const Bf16Kernels& kernels,
                    uint32_t* words, bf16* to, int64_t to_ld);

struct Bf16Scratch {
  bf16* a;
  float* c;
  float* rest;  // `extra` floats that the gathering of A may use
};

// Rows of A: `depth` bf16 each, zero beyond K.
struct Bf16Rows {
  const bf16* a;
  int64_t lda;
};

// Whether rows [m0, m0 + rows) are whole as they lie, with those behind them that tiles read.
inline bool reads_in_place(const Bf16Blocks& s, const Bf16Kernels& kernels, int64_t m0, int64_t rows) {
  return s.k == s.depth && m0 + round_up(rows, kernels.row_step) <= s.m;
}

// For every block: gather(product, m0, rows, scratch) returns rows of A, which it may have written to the
// scratch, then put(product, m0, n0, block) multiplies and takes rows of C. `workspace` holds
// bf16_workspace(s, extra) floats.
int64_t bf16_workspace(const Bf16Blocks& s, int64_t extra);

template <class Gather, class Put>
void bf16_products(const Bf16Blocks& s, const bf16* packed, int64_t extra, float* workspace, Gather&& gather,
                   Put&& put) {
  Layout layout;
  const int64_t a_at = layout.add(s.a_floats()), c_at = layout.add(s.c_floats()), rest_at = layout.add(extra);
  const double cost =
      static_cast<double>(s.count * s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  parallel_tasks(s.tasks(), cost / 8, [&](int64_t task, int64_t slot) {
    const int64_t part = task % s.column_blocks(), rest = task / s.column_blocks();
    const int64_t i = rest / s.row_blocks(), m0 = rest % s.row_blocks() * s.rows;
    const int64_t rows = std::min(s.rows, s.m - m0), n0 = part * s.panels * kBf16Panel;
    const int64_t n = std::min(s.panels * kBf16Panel, s.n - n0), ldc = s.panels * kBf16Panel;
    float* own = workspace + slot * layout.floats();
    const Bf16Scratch scratch = {reinterpret_cast<bf16*>(own + a_at), own + c_at, own + rest_at};
    const Bf16Rows a = gather(i, m0, rows, scratch);
    const bf16* b = packed + (i * s.columns + n0) * s.depth;
    put(i, m0, n0, Bf16Product{a.a, a.lda, b, s.panel_size(), rows, n, s.depth, scratch.c, ldc, false});
  });
}

}  // namespace tenon
