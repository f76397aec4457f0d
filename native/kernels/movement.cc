// Copies: of whole tensors (copy, fill, cast) and of boxes inside tensors (concat, slice, pad). Any dtype:
// boxes move bytes, in rows as long as the axes that are contiguous on both sides.
#define TENON_KERNEL_FILE "kernels/movement.cc"
#include "kernels/cells.h"
#include "kernels/checks.h"
#include "kernels/strides.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

constexpr int64_t kChunkBytes = 65536;
constexpr int64_t kChunk = 8192;

void copy_bytes(int64_t bytes, const std::byte* x, std::byte* y) {
  parallel_chunks(bytes, kChunkBytes, static_cast<double>(bytes) * 2, [&](int64_t begin, int64_t end) {
    std::memcpy(y + begin, x + begin, static_cast<size_t>(end - begin));
  });
}

Cost prepare_copy(const Call& c) {
  require_operands(c, 2);
  require(c.t[0].dtype == c.t[1].dtype, "copy: dtypes differ");
  require(c.t[0].numel() == c.t[1].numel(), "copy: numbers of elements differ");
  return {0, 0, 2.0 * static_cast<double>(c.t[0].bytes())};
}

void run_copy(const Call& c) { copy_bytes(static_cast<int64_t>(c.t[0].bytes()), c.t[0].data, c.t[1].data); }

template <class To, class From>
To convert(From value) {
  if constexpr (std::is_integral_v<To> &&
                std::is_floating_point_v<From>) {  // truncates; what does not fit is clamped, NaN is 0
    constexpr double low = std::numeric_limits<To>::min(), high = std::numeric_limits<To>::max();
    const double wide = value;
    return static_cast<To>(wide >= low ? std::min(wide, high) : wide < low ? low : 0.0);
  } else {
    return static_cast<To>(value);
  }
}

template <class From, class To>
void convert_all(const Call& c) {
  const int64_t n = c.t[0].numel();
  const From* x = c.t[0].as<From>();
  To* y = c.t[1].as<To>();
  parallel_chunks(n, kChunk, static_cast<double>(n) * (sizeof(From) + sizeof(To)),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t i = begin; i < end; ++i) y[i] = convert<To>(x[i]);
                  });
}

bool to_real(DType from) {
  return from == DType::u8 || from == DType::i32 || from == DType::f32 || from == DType::f64 ||
         from == DType::bf16;
}

bool from_real(DType to) {
  return to == DType::u8 || to == DType::i32 || to == DType::f64 || to == DType::bf16;
}

Cost prepare_cast(const Call& c) {
  require_operands(c, 2);
  const DType from = c.t[0].dtype, to = c.t[1].dtype;
  require((to == kReal && to_real(from)) || (from == kReal && from_real(to)),
          "cast: from u8, i32, f32, f64 or bf16 to real, or from real to u8, i32, f64 or bf16");
  require(c.t[0].numel() == c.t[1].numel(), "cast: numbers of elements differ");
  return {0, 0, static_cast<double>(c.t[0].bytes() + c.t[1].bytes())};
}

// real to bf16, or bf16 to real.
template <class From, class To>
void convert_storage(const Call& c) {
  const int64_t n = c.t[0].numel();
  const From* x = c.t[0].as<From>();
  To* y = c.t[1].as<To>();
  parallel_chunks(n, kChunk, static_cast<double>(n) * (sizeof(From) + sizeof(To)),
                  [&](int64_t begin, int64_t end) {
                    map(
                        end - begin, y + begin, [](V v) { return v; }, x + begin);
                  });
}

void run_cast(const Call& c) {
  const DType from = c.t[0].dtype, to = c.t[1].dtype;
  if (from == to) return run_copy(c);
  if (from == DType::bf16) return convert_storage<bf16, real>(c);
  if (to == DType::bf16) return convert_storage<real, bf16>(c);
  if (to == DType::u8) return convert_all<real, uint8_t>(c);
  if (to == DType::i32) return convert_all<real, int32_t>(c);
  if (to != kReal) return convert_all<real, double>(c);
  switch (from) {
    case DType::u8:
      return convert_all<uint8_t, real>(c);
    case DType::i32:
      return convert_all<int32_t, real>(c);
    case DType::f32:
      return convert_all<float, real>(c);
    default:
      return convert_all<double, real>(c);
  }
}

constexpr AttrNames kFillAttrs{"value"};

Cost prepare_fill(const Call& c) {
  require_operands(c, 1);
  const DType dtype = c.t[0].dtype;
  const double value = c.attrs[kFillAttrs["value"]];
  require(dtype != DType::bf16, "fill: bf16 is not supported");
  const bool whole = std::floor(value) == value;
  require(dtype != DType::u8 || (whole && value >= 0 && value <= 255), "fill: value does not fit u8");
  require(dtype != DType::i32 || (whole && value >= -2147483648.0 && value <= 2147483647.0),
          "fill: value does not fit i32");
  return {0, 0, static_cast<double>(c.t[0].bytes())};
}

template <class T>
void fill_all(const TensorView& y, T value) {
  T* data = y.as<T>();
  parallel_chunks(y.numel(), kChunk, static_cast<double>(y.bytes()),
                  [&](int64_t begin, int64_t end) { std::fill(data + begin, data + end, value); });
}

void run_fill(const Call& c) {
  const double value = c.attrs[kFillAttrs["value"]];
  switch (c.t[0].dtype) {
    case DType::f32:
      return fill_all(c.t[0], static_cast<float>(value));
    case DType::f64:
      return fill_all(c.t[0], value);
    case DType::u8:
      return fill_all(c.t[0], static_cast<uint8_t>(value));
    default:
      return fill_all(c.t[0], static_cast<int32_t>(value));
  }
}

// Copies a box of `dims` elements; operand 0 of the loops is x, operand 1 is y. The innermost loop is
// contiguous on both sides because both tensors are dense and every box spans whole elements.
void copy_box(const Loops<2>& loops, size_t size, const std::byte* x, std::byte* y) {
  const int64_t width = static_cast<int64_t>(size), row_bytes = loops.inner() * width, rows = loops.outer();
  if (rows * row_bytes == 0) return;
  if (rows == 1) return copy_bytes(row_bytes, x, y);
  const int64_t grain = std::max<int64_t>(1, kChunkBytes / row_bytes);
  parallel_chunks(rows, grain, 2.0 * static_cast<double>(rows * row_bytes), [&](int64_t begin, int64_t end) {
    Position<2> at(loops, begin);
    for (int64_t row = begin; row < end; ++row, at.next())
      std::memcpy(y + at.offset[1] * width, x + at.offset[0] * width, static_cast<size_t>(row_bytes));
  });
}

// The loops over `box` with the strides of x and y. An innermost axis of size 1 leaves a stride that is not
// 1: then a row is one element.
Loops<2> box_loops(const TensorView& box, const TensorView& x, const TensorView& y) {
  int64_t step_x[kMaxRank], step_y[kMaxRank];
  dense_strides(x, step_x);
  dense_strides(y, step_y);
  Loops<2> loops;
  for (int i = 0; i < box.rank; ++i) loops.push(box.dims[i], {step_x[i], step_y[i]});
  if (loops.rank > 0 && (loops.inner_stride(0) != 1 || loops.inner_stride(1) != 1)) {
    loops.dims[loops.rank] = 1;
    loops.stride[0][loops.rank] = loops.stride[1][loops.rank] = 1;
    ++loops.rank;
  }
  loops.finish();
  return loops;
}

constexpr AttrNames kSliceAttrs{"start[]"};

Cost prepare_slice(const Call& c) {
  require_operands(c, 2);
  const TensorView &x = c.t[0], &y = c.t[1];
  require(x.dtype == y.dtype, "slice: dtypes differ");
  require(x.rank == y.rank && c.attr_count == kSliceAttrs["start"] + x.rank, "slice: ranks differ");
  for (int i = 0; i < x.rank; ++i) {
    const int64_t start = integer_attr(c, kSliceAttrs["start"] + i, "slice: start must be an integer");
    require(start >= 0 && y.dims[i] >= 0 && start <= x.dims[i] - y.dims[i], "slice: outside of x");
  }
  return {0, 0, 2.0 * static_cast<double>(y.bytes())};
}

// Offset in elements of the point whose coordinates are the attributes from `at` on.
int64_t offset_of(const Call& c, int at, const TensorView& t) {
  int64_t strides[kMaxRank];
  dense_strides(t, strides);
  int64_t offset = 0;
  for (int i = 0; i < t.rank; ++i) offset += c.attr(at + i) * strides[i];
  return offset;
}

void run_slice(const Call& c) {
  const TensorView &x = c.t[0], &y = c.t[1];
  if (y.numel() == 0) return;
  const size_t size = size_of(x.dtype);
  const int64_t offset = offset_of(c, kSliceAttrs["start"], x) * static_cast<int64_t>(size);
  copy_box(box_loops(y, x, y), size, x.data + offset, y.data);
}

constexpr AttrNames kPadAttrs{"value", "before[]"};

Cost prepare_pad(const Call& c) {
  require_operands(c, 2);
  const TensorView &x = c.t[0], &y = c.t[1];
  require(x.dtype == kReal && y.dtype == kReal, "pad: x and y must be real");
  require(x.rank == y.rank && c.attr_count == kPadAttrs["before"] + x.rank, "pad: ranks differ");
  for (int i = 0; i < x.rank; ++i) {
    const int64_t before = integer_attr(c, kPadAttrs["before"] + i, "pad: before must be an integer");
    require(before >= 0 && x.dims[i] >= 0 && before <= y.dims[i] - x.dims[i], "pad: x does not fit in y");
  }
  return {0, 0, static_cast<double>(x.bytes() + y.bytes())};
}

void run_pad(const Call& c) {
  const TensorView &x = c.t[0], &y = c.t[1];
  fill_all(y, static_cast<real>(c.attrs[kPadAttrs["value"]]));
  if (x.numel() == 0) return;
  const int64_t offset = offset_of(c, kPadAttrs["before"], y) * static_cast<int64_t>(sizeof(real));
  copy_box(box_loops(x, x, y), sizeof(real), x.data, y.data + offset);
}

constexpr AttrNames kConcatAttrs{"axis"};

Cost prepare_concat(const Call& c) {
  require(c.count >= 2, "concat: needs an input and an output");
  const TensorView& y = c.t[c.count - 1];
  const int64_t axis = integer_attr(c, kConcatAttrs["axis"], "concat: axis must be an integer");
  require(axis >= 0 && axis < y.rank, "concat: no such axis");
  int64_t total = 0;
  for (int k = 0; k + 1 < c.count; ++k) {
    const TensorView& x = c.t[k];
    require(x.dtype == y.dtype && x.rank == y.rank, "concat: dtypes or ranks differ");
    for (int i = 0; i < y.rank; ++i) require(i == axis || x.dims[i] == y.dims[i], "concat: shapes differ");
    require(x.dims[axis] >= 0 && x.dims[axis] <= y.dims[axis] - total,
            "concat: sizes along the axis do not add up");
    total += x.dims[axis];
  }
  require(total == y.dims[axis], "concat: sizes along the axis do not add up");
  return {0, 0, 2.0 * static_cast<double>(y.bytes())};
}

void run_concat(const Call& c) {
  const TensorView& y = c.t[c.count - 1];
  const int64_t axis = c.attr(kConcatAttrs["axis"]);
  int64_t strides[kMaxRank];
  dense_strides(y, strides);
  const size_t size = size_of(y.dtype);
  std::byte* out = y.data;
  for (int k = 0; k + 1 < c.count; ++k) {
    const TensorView& x = c.t[k];
    if (x.numel() > 0) copy_box(box_loops(x, x, y), size, x.data, out);
    out += x.dims[axis] * strides[axis] * static_cast<int64_t>(size);
  }
}

TENON_KERNEL(copy, prepare_copy, run_copy)
TENON_KERNEL(cast, prepare_cast, run_cast)
TENON_KERNEL(fill, prepare_fill, run_fill, kFillAttrs)
TENON_KERNEL(slice, prepare_slice, run_slice, kSliceAttrs)
TENON_KERNEL(pad, prepare_pad, run_pad, kPadAttrs)
TENON_KERNEL(concat, prepare_concat, run_concat, kConcatAttrs)
#endif
