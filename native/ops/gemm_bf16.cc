#include "ops/gemm_bf16.h"

namespace tenon {

Bf16Blocks Bf16Blocks::make(int64_t count, int64_t m, int64_t n, int64_t k, const Bf16Kernels& kernels) {
  Bf16Blocks s = {};
  s.count = count, s.m = m, s.n = n, s.k = k;
  s.depth = std::max(round_up(k, kernels.k_step), kernels.k_step);
  s.columns = round_up(n, kBf16Panel);
  s.panels = std::clamp<int64_t>(s.columns / kBf16Panel, 1, kMostBlockPanels);
  const int64_t fitting = kernels.block_bytes / (s.depth * static_cast<int64_t>(sizeof(bf16)));
  const int64_t fair = ceil_div(m, wanted_tasks());
  const int64_t near = s.depth <= kShortDepth ? kNearBlockSums / (s.panels * kBf16Panel) : kMostBlockRows;
  s.rows =
      round_up(std::clamp(std::min({fitting, fair, near}), kLeastBlockRows, kMostBlockRows), kLeastBlockRows);
  return s;
}

int64_t bf16_workspace(const Bf16Blocks& s, int64_t extra) {
  Layout layout;
  layout.add(s.a_floats()), layout.add(s.c_floats()), layout.add(extra);
  return checked_product(layout.floats(), scratch_slots());
}

void pack_all_columns(const Bf16Blocks& s, const Bf16Kernels& kernels, const bf16* from, bf16* to) {
  const int64_t panels = s.columns / kBf16Panel, pairs = s.depth / 2;
  parallel_for(s.count * panels, static_cast<double>(s.packed()), [&](int64_t task) {
    const int64_t i = task / panels, n0 = task % panels * kBf16Panel, count = std::min(kBf16Panel, s.n - n0);
    auto* words = reinterpret_cast<uint32_t*>(to + (i * s.columns + n0) * s.depth);
    const auto* rows = reinterpret_cast<const uint32_t*>(from + (i * s.n + n0) * s.depth);
    if (count < kBf16Panel) std::fill(words, words + pairs * kBf16Panel, 0u);
    kernels.transpose(rows, pairs, count, pairs, words, kBf16Panel);
  });
}

void pack_float_columns(const Bf16Blocks& s, const Bf16Kernels& kernels, const float* from, int64_t ld,
                        const std::vector<PackedRun>& runs, bf16* to) {
  constexpr int64_t kPiece = 256;  // of K
  const int64_t panels = s.columns / kBf16Panel;
  parallel_for(s.count * panels, static_cast<double>(s.packed()), [&](int64_t task) {
    const int64_t i = task / panels, n0 = task % panels * kBf16Panel,
                  columns = std::min(kBf16Panel, s.n - n0);
    auto* panel = reinterpret_cast<uint32_t*>(to + (i * s.columns + n0) * s.depth);
    alignas(64) bf16 narrowed[kBf16Panel * kPiece];
    for (const PackedRun& run : runs) {
      for (int64_t k = 0; k < run.depth; k += kPiece) {
        const int64_t depth = std::min(kPiece, run.depth - k);
        const int64_t count = std::clamp<int64_t>(run.count - k, 0, depth);
        for (int64_t n = 0; n < columns; ++n) {
          bf16* column = narrowed + n * depth;
          kernels.narrow(from + (i * s.n + n0 + n) * ld + run.from + k, count, column);
          std::fill(column + count, column + depth, bf16{});
        }
        std::fill(narrowed + columns * depth, narrowed + kBf16Panel * depth, bf16{});
        kernels.transpose(reinterpret_cast<const uint32_t*>(narrowed), depth / 2, kBf16Panel, depth / 2,
                          panel + (run.at + k) / 2 * kBf16Panel, kBf16Panel);
      }
    }
  });
}

void narrow_rows(const float* x, int64_t rows, int64_t k, int64_t depth, const Bf16Kernels& kernels,
                 bf16* y) {
  parallel_chunks(rows, 16, static_cast<double>(rows) * static_cast<double>(depth),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t i = begin; i < end; ++i) {
                      kernels.narrow(x + i * k, k, y + i * depth);
                      std::fill(y + i * depth + k, y + (i + 1) * depth, bf16{});
                    }
                  });
}

void pad_rows(const bf16* x, int64_t ld, int64_t rows, int64_t k, int64_t depth, bf16* y) {
  constexpr int64_t kPiece = 8;  // elements copied inline: most rows are so short that a call would cost more
  const int64_t pieces = k / kPiece * kPiece;
  for (int64_t i = 0; i < rows; ++i, x += ld, y += depth) {
    for (int64_t j = 0; j < pieces; j += kPiece) std::memcpy(y + j, x + j, kPiece * sizeof(bf16));
    std::copy(x + pieces, x + k, y + pieces);
    int64_t j = k;
    for (; j % kPiece != 0; ++j) y[j] = {};
    for (; j < depth; j += kPiece) std::memset(static_cast<void*>(y + j), 0, kPiece * sizeof(bf16));
  }
}

void transpose_rows(const bf16* from, int64_t ld, int64_t count, int64_t rows, const Bf16Kernels& kernels,
                    uint32_t* words, bf16* to, int64_t to_ld) {
  const int64_t pairs = ceil_div(count, 2);
  for (int64_t p = 0; p < pairs; ++p) {
    const bf16* even = from + 2 * p * ld;
    uint32_t* line = words + p * rows;
    if (2 * p + 1 < count) {
      kernels.interleave(even, even + ld, rows, line);
    } else {
      for (int64_t j = 0; j < rows; ++j) line[j] = even[j].bits;
    }
  }
  kernels.transpose(words, rows, pairs, rows, reinterpret_cast<uint32_t*>(to), to_ld / 2);
}

}  // namespace tenon
