// Random tensors: functions of (key, element index) only. Computed in double and then rounded, so that every
// target has the same numbers.
#define TENON_KERNEL_FILE "kernels/random.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/normals.h"
  #include "kernels/philox_vec.h"

constexpr AttrNames kUniformAttrs{"key[2]", "low", "high"}, kNormalAttrs{"key[2]", "mean", "std"};
static_assert(kUniformAttrs["key"] == kNormalAttrs["key"]);

constexpr int64_t kChunk = 4096;
constexpr int64_t kPiece = kNormals;

Cost prepare_random(const Call& c) {
  require_operands(c, 1);
  require_dtype(c.t[0], kReal, "random: y must be real");
  require_words(c, kUniformAttrs["key"], kUniformAttrs["key"] + 2, "random: keys must be 32-bit words");
  return {0, static_cast<double>(c.t[0].numel()) * 20, static_cast<double>(c.t[0].bytes())};
}

// Calls fill(words, n, y) for pieces of y; words has n elements rounded up to whole blocks of 4.
template <class Fill>
void for_pieces(const Call& c, Fill&& fill) {
  const int64_t n = c.t[0].numel();
  const uint32_t key0 = word_of(c.attrs[kUniformAttrs["key"]]),
                 key1 = word_of(c.attrs[kUniformAttrs["key"] + 1]);
  real* y = c.t[0].as<real>();
  parallel_chunks(n, kChunk, static_cast<double>(n) * 20, [&](int64_t begin, int64_t end) {
    uint32_t words[kPiece];
    for (int64_t i = begin; i < end; i += kPiece) {
      const int64_t count = std::min(kPiece, end - i);
      philox_words(key0, key1, 0, 0, i, ceil_div(count, 4) * 4, words);
      fill(words, count, y + i);
    }
  });
}

void run_uniform(const Call& c) {
  const double low = c.attrs[kUniformAttrs["low"]], range = c.attrs[kUniformAttrs["high"]] - low;
  for_pieces(c, [&](const uint32_t* words, int64_t n, real* y) {
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<real>(low + range * philox_uniform(words[i]));
  });
}

void run_normal(const Call& c) {
  const double mean = c.attrs[kNormalAttrs["mean"]], deviation = c.attrs[kNormalAttrs["std"]];
  for_pieces(c, [&](const uint32_t* words, int64_t n, real* y) {
    double z[kPiece];
    normals(words, n + n % 2, z);
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<real>(mean + deviation * z[i]);
  });
}

TENON_KERNEL(random_uniform, prepare_random, run_uniform, kUniformAttrs)
TENON_KERNEL(random_normal, prepare_random, run_normal, kNormalAttrs)
#endif
