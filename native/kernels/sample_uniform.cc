// sample_uniform: samples i32 [B], occurrence i32 [B], epoch f64 scalar -> y real [B, N], uniform in [0, 1);
// attributes key[2], place. Row b holds the first numbers of the stream of (key, samples[b], occurrence[b],
// epoch, place), the one that native/augment/draws.h draws from.
#define TENON_KERNEL_FILE "kernels/sample_uniform.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

constexpr AttrNames kAttrs{"key[2]", "place"};
constexpr int64_t kMaxPlace = 4095, kMaxNumbers = 4 << 20;  // a place has 2^20 blocks

Cost prepare(const Call& c) {
  require_operands(c, 4);
  const TensorView &samples = c.t[0], &y = c.t[3];
  for (const int i : {0, 1}) {
    require(c.t[i].rank == 1 && c.t[i].dtype == DType::i32 && c.t[i].dims[0] == y.dims[0],
            "sample_uniform: samples and occurrence must be i32 [B]");
  }
  require_scalar(c.t[2], "sample_uniform: epoch must be a scalar");
  require(y.rank == 2 && y.dtype == kReal && y.dims[0] == samples.dims[0] && y.dims[1] <= kMaxNumbers,
          "sample_uniform: y must be real [B, N], N at most 2^22");
  require_words(c, kAttrs["key"], kAttrs["key"] + 2, "sample_uniform: a key is not a 32-bit word");
  const int64_t place = integer_attr(c, kAttrs["place"], "sample_uniform: place must be an integer");
  require(place >= 1 && place <= kMaxPlace, "sample_uniform: place must be from 1 to 4095");
  return {0, 20.0 * static_cast<double>(y.numel()), static_cast<double>(y.bytes())};
}

void run(const Call& c) {
  const TensorView& y = c.t[3];
  const int64_t n = y.dims[1];
  const uint32_t key0 = word_of(c.attrs[kAttrs["key"]]), key1 = word_of(c.attrs[kAttrs["key"] + 1]);
  const uint32_t first = word_of(c.attrs[kAttrs["place"]]) << 20, epoch = word_of(scalar(c.t[2]));
  parallel_for(y.dims[0], 20.0 * static_cast<double>(y.numel()), [&](int64_t b) {
    const uint32_t sample = static_cast<uint32_t>(c.t[0].as<int32_t>()[b]),
                   occurrence = static_cast<uint32_t>(c.t[1].as<int32_t>()[b]);
    for (int64_t i = 0; i < n; i += 4) {
      const PhiloxBlock block =
          philox(key0, key1, sample, occurrence, first + static_cast<uint32_t>(i / 4), epoch);
      for (int64_t j = i; j < std::min(i + 4, n); ++j)
        y.as<real>()[b * n + j] = static_cast<real>(philox_uniform(block.v[j - i]));
    }
  });
}

TENON_KERNEL(sample_uniform, prepare, run, kAttrs)
#endif
