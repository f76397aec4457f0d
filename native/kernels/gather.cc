// y[b] = x[index[b]], rows of any dtype. An index outside of x is a Fault, and its row is zero.
#define TENON_KERNEL_FILE "kernels/gather.cc"
#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET

constexpr int64_t kChunkBytes = 65536;

Cost prepare_gather(const Call& c) {
  require_operands(c, 3);
  const TensorView &x = c.t[0], &index = c.t[1], &y = c.t[2];
  require(x.dtype == y.dtype, "gather_rows: dtypes differ");
  require(x.rank >= 1 && x.rank == y.rank, "gather_rows: ranks differ");
  require(index.dtype == DType::i32 && index.rank == 1, "gather_rows: index must be i32 of rank 1");
  require(y.dims[0] == index.dims[0], "gather_rows: y needs one row for each index");
  for (int i = 1; i < x.rank; ++i) require(x.dims[i] == y.dims[i], "gather_rows: rows of x and y differ");
  return {0, 0, 2.0 * static_cast<double>(y.bytes())};
}

void run_gather(const Call& c) {
  const TensorView &x = c.t[0], &y = c.t[2];
  const int64_t rows = x.dims[0], batch = y.dims[0];
  const int32_t* index = c.t[1].as<int32_t>();
  if (batch == 0) return;
  const int64_t row_bytes = static_cast<int64_t>(y.bytes()) / batch;
  const int64_t grain = std::max<int64_t>(1, kChunkBytes / std::max<int64_t>(1, row_bytes));
  parallel_chunks(batch, grain, 2.0 * static_cast<double>(y.bytes()), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const bool inside = index[b] >= 0 && index[b] < rows;
      if (!inside) c.run->fault(Fault::index_out_of_range, b);
      std::byte* to = y.data + b * row_bytes;
      if (inside) {
        std::memcpy(to, x.data + index[b] * row_bytes, static_cast<size_t>(row_bytes));
      } else {
        std::memset(to, 0, static_cast<size_t>(row_bytes));
      }
    }
  });
}

TENON_KERNEL(gather_rows, prepare_gather, run_gather)
#endif
