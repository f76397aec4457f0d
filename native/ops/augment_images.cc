// augment_images: data u8 [T, H, W, C], index i32 [B], samples i32 [B], occurrence i32 [B], epoch f64 scalar
// -> y u8 [B, OH, OW, C]; attributes key[2], program[] (augment/program.h). Image b of y is image index[b] of
// data after the program's operations. What is drawn depends on (key, samples[b], occurrence[b], epoch)
// alone. Parallel over images; each has its own memory, which stays in the cache of its thread.
#include "augment/program.h"
#include "kernels/checks.h"
#include "ops/once.h"

namespace tenon {
namespace {

constexpr AttrNames kAttrs{"key[2]", "program[]"};

augment::Program program_of(const Call& call) {
  const int at = kAttrs["program"];
  return {call.attrs + at, call.attr_count - at};
}

augment::Size size_of_images(const Call& call) { return {call.t[0].dims[1], call.t[0].dims[2]}; }

// Where the parts of one thread's memory begin, in bytes.
struct Parts {
  Parts(const augment::Needs& needs, int64_t c)
      : image(lines(static_cast<size_t>(needs.pixels * c))),
        scratch(lines(needs.scratch)),
        field(lines(needs.field ? static_cast<size_t>(2 * needs.pixels) * sizeof(float) : 0)),
        rows(lines(needs.rows)) {}
  size_t bytes() const { return 2 * image + scratch + field + rows; }
  static size_t lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

  augment::Memory memory(std::byte* at, const ResampleRows& kernels) const {
    uint8_t* images = reinterpret_cast<uint8_t*>(at);
    std::byte* rest = at + 2 * image;
    return {{images, images + image},
            {rest, reinterpret_cast<float*>(rest + scratch)},
            {rest + scratch + field, &kernels}};
  }

  size_t image, scratch, field, rows;
};

void check_shapes(const Call& call) {
  require_operands(call, 6);
  const TensorView &data = call.t[0], &y = call.t[5];
  require(data.rank == 4 && data.dtype == DType::u8, "augment_images: data must be u8 [T, H, W, C]");
  for (const int i : {1, 2, 3}) {
    require(call.t[i].rank == 1 && call.t[i].dtype == DType::i32 && call.t[i].dims[0] == y.dims[0],
            "augment_images: index, samples and occurrence must be i32 [B]");
  }
  require_scalar(call.t[4], "augment_images: epoch must be a scalar");
  require(y.rank == 4 && y.dtype == DType::u8 && y.dims[3] == data.dims[3],
          "augment_images: y must be u8 [B, OH, OW, C]");
}

Cost prepare(const Call& call) {
  check_shapes(call);
  require_words(call, kAttrs["key"], kAttrs["key"] + 2, "augment_images: a key is not a 32-bit word");
  const TensorView& y = call.t[5];
  const augment::Needs needs = augment::check(program_of(call), size_of_images(call), y.dims[3]);
  require(needs.out == augment::Size{y.dims[1], y.dims[2]}, "augment_images: y is not of the program's size");
  const double pixels = static_cast<double>(needs.pixels) * static_cast<double>(y.dims[3] * y.dims[0]);
  return {static_cast<size_t>(scratch_slots()) * Parts(needs, y.dims[3]).bytes(), 10 * needs.steps * pixels,
          2 * pixels};
}

void run(const Call& call, const ResampleRows& kernels) {
  const TensorView &data = call.t[0], &y = call.t[5];
  const augment::Program program = program_of(call);
  const augment::Size in = size_of_images(call);
  const int64_t c = data.dims[3], from = in.h * in.w * c, to = y.dims[1] * y.dims[2] * c;
  const augment::Needs needs = augment::check(program, in, c);
  const Parts parts(needs, c);
  const uint32_t epoch = word_of(scalar(call.t[4]));
  const double* key = call.attrs + kAttrs["key"];
  const double cost = static_cast<double>(y.dims[0]) * static_cast<double>(from + to) * (1 + needs.steps);
  parallel_tasks(y.dims[0], cost, [&](int64_t b, int64_t slot) {
    const int32_t row = call.t[1].as<int32_t>()[b];
    uint8_t* result = y.as<uint8_t>() + b * to;
    if (row < 0 || row >= data.dims[0]) {
      call.run->fault(Fault::index_out_of_range, b);
      std::fill_n(result, to, uint8_t{0});
      return;
    }
    const augment::Stream stream{{word_of(key[0]), word_of(key[1])},
                                 static_cast<uint32_t>(call.t[2].as<int32_t>()[b]),
                                 static_cast<uint32_t>(call.t[3].as<int32_t>()[b]),
                                 epoch};
    augment::walk(program, stream, data.as<uint8_t>() + row * from, in, c,
                  parts.memory(call.workspace + static_cast<size_t>(slot) * parts.bytes(), kernels), result);
  });
}

template <Target T>
void run_on(const Call& call) {
  run(call, resample_rows(T));
}

template <class, Target... T>
struct Registered {
  KernelRegistrar registrars[sizeof...(T) + 1] = {
      {"augment_images", T, prepare, run_on<T>, kAttrs}...,
      {"augment_images", Target::ref, prepare, run_on<Target::ref>, kAttrs}};
};

const OnEveryTarget<Registered, void> registration;

}  // namespace
}  // namespace tenon
