// Sums over the shards of a batch, in the order of a fixed binary tree (lib/train/shards.ts). `sums` R[L, N]
// is a stack of L partial sums. Each is a row of segments, one for each tensor, that begin at multiples of
// 16 elements, so that any range of a row is a bucket that can be sent. The last segment is one number, which
// counts samples. It becomes NaN once its row has been used: a shard that failed to write its row is noticed.
//   shard_add    level s, from s, merges s, weight R[], x_1..x_n R, sums -> sums'; begin, factors[n]
//                For the segments of the x, which lie one behind the other from `begin` on:
//                v = f x, with f the factor, or the weight where that is 0. Unless `from` is below 0,
//                v = row + v with that row. Then `merges` times v = row + v with the row below the level, and
//                those below it. v goes to the last of these rows, or to that of the level; with the last
//                segment, the other rows are used up. In place. No sum is fused into a product, so that it
//                does not matter where a product was computed.
//   shard_read   sums, divisor R[] -> y_1..y_n R; begin: the segments from there on, of row 0, divided
//   shard_spend  sums -> sums': all rows are used up. In place
#define TENON_KERNEL_FILE "kernels/shard_sums.cc"
#include <cstring>

#include "kernels/checks.h"

#include "kernels/for_each_target.h"
#ifdef TENON_TARGET
  #include "kernels/lanes.h"

constexpr AttrNames kAddAttrs{"begin", "factors[]"};
constexpr AttrNames kReadAttrs{"begin"};
constexpr int kAddScalars = 3, kAddFirst = 4, kReadFirst = 2;
constexpr int kFirstFactor = kAddAttrs["factors"];
constexpr int64_t kAlign = 16;  // elements
constexpr int64_t kChunk = 8192;

int64_t aligned(int64_t n) { return ceil_div(n, kAlign) * kAlign; }

// The place in a row of the number of samples.
int64_t samples_at(const TensorView& sums) { return sums.dims[1] - kAlign; }

void require_sums(const TensorView& sums) {
  require(sums.dtype == kReal && sums.rank == 2 && sums.dims[0] >= 1 && sums.dims[1] >= kAlign &&
              sums.dims[1] % kAlign == 0,
          "shard sums: sums must be real [L, N], N a positive multiple of 16");
}

// Elements of a row that `count` tensors take. In segments, so that no sum of sizes overflows.
int64_t length_of(const TensorView* t, int count, int64_t most) {
  int64_t length = 0;
  for (int i = 0; i < count; ++i) {
    require_dtype(t[i], kReal, "shard sums: tensors must be real");
    require(t[i].numel() <= most, "shard sums: a tensor is longer than the row");
    length += aligned(t[i].numel());
    require(length <= most, "shard sums: tensors are longer than the row");
  }
  return length;
}

// fn(i, offset in the row, begin, end) for pieces of tensor i, of `count` that lie from `first` on.
template <class Fn>
void for_segments(const TensorView* t, int count, int64_t first, Fn&& fn) {
  int64_t length = 0;
  for (int i = 0; i < count; ++i) length += aligned(t[i].numel());
  const double cost = static_cast<double>(length) * 4 * sizeof(real);
  parallel_chunks(length, kChunk, cost, [&](int64_t begin, int64_t end) {
    int64_t start = 0;  // of segment i
    for (int i = 0; i < count && start < end; ++i) {
      const int64_t size = t[i].numel();
      const int64_t from = std::max<int64_t>(0, begin - start), to = std::min(size, end - start);
      if (from < to) fn(i, first + start + from, from, to);
      start += aligned(size);
    }
  });
}

// Where the segments of a call begin, in a row of `length`.
int64_t begin_of(const Call& c, int attr, int64_t length) {
  const int64_t begin = integer_attr(c, attr, "shard sums: begin must be an integer");
  require(begin >= 0 && begin <= length && begin % kAlign == 0,
          "shard sums: begin must be a multiple of 16 in the row");
  return begin;
}

int terms_of(const Call& c) { return c.count - kAddFirst - 2; }

Cost prepare_shard_add(const Call& c) {
  const int terms = terms_of(c);
  require(terms >= 1, "shard_add: needs scalars, a weight, tensors, sums and sums'");
  for (int i = 0; i < kAddScalars; ++i)
    require_scalar(c.t[i], "shard_add: level, from and merges must be runtime scalars");
  require(c.t[kAddScalars].dtype == kReal && c.t[kAddScalars].numel() == 1,
          "shard_add: weight must be a real number");
  require(c.attr_count == kFirstFactor + terms, "shard_add: needs a factor for each tensor");
  const TensorView& sums = c.t[c.count - 2];
  require_sums(sums);
  require_dtype(c.t[c.count - 1], kReal, "shard_add: sums' must be real");
  require_same_dims(sums, c.t[c.count - 1], "shard_add: sums and sums' differ");
  const int64_t begin = begin_of(c, kAddAttrs["begin"], sums.dims[1]);
  const int64_t length = length_of(c.t + kAddFirst, terms, sums.dims[1] - begin);
  require(begin + length < sums.dims[1] || c.t[kAddFirst + terms - 1].numel() == 1,
          "shard_add: the last tensor of a row must be one number");
  const double n = static_cast<double>(length);
  return {0, 3 * n, 4 * n * sizeof(real)};
}

// The rows that a call reads besides its tensors, from the top down, and the one it writes.
struct Rows {
  int64_t top, bottom;  // those below `top` are read
  int64_t from;         // and this one before them; -1: none

  Rows(const Call& c, int64_t levels) {
    const auto whole = [](double value, int64_t most) {
      return value >= 0 ? static_cast<int64_t>(std::min(value, static_cast<double>(most))) : int64_t{0};
    };
    top = whole(scalar(c.t[0]), levels);
    from = scalar(c.t[1]) >= 0 ? whole(scalar(c.t[1]), levels - 1) : -1;
    bottom = top - whole(scalar(c.t[2]), top);
    // A sum above all rows that is merged at once needs no row of its own.
    if (top == levels && bottom == top) bottom = top = levels - 1;
  }
};

void run_shard_add(const Call& c) {
  const TensorView &sums = c.t[c.count - 2], &after = c.t[c.count - 1];
  if (sums.data != after.data) std::memcpy(after.data, sums.data, sums.bytes());
  const int64_t length = after.dims[1];
  const Rows rows(c, after.dims[0]);
  real* const base = after.as<real>();
  const real weight = *c.t[kAddScalars].as<real>();
  const double* const factors = c.attrs + kFirstFactor;
  const int64_t first = c.attr(kAddAttrs["begin"]);
  for_segments(c.t + kAddFirst, terms_of(c), first, [&](int i, int64_t at, int64_t begin, int64_t end) {
    const V factor = splat(factors[i] == 0 ? weight : static_cast<real>(factors[i]));
    const real* x = c.t[kAddFirst + i].as<real>() + begin;
    real* const row = base + at;
    for_vectors(end - begin, [&](int64_t k, auto lanes) {
      V v = factor * lanes.load(x + k);
      if (rows.from >= 0) v = lanes.load(row + rows.from * length + k) + v;
      for (int64_t r = rows.top - 1; r >= rows.bottom; --r) v = lanes.load(row + r * length + k) + v;
      lanes.store(row + rows.bottom * length + k, v);
    });
  });
  if (first + length_of(c.t + kAddFirst, terms_of(c), length) < length) return;  // more segments follow
  const auto spend = [&](int64_t r) {
    base[r * length + samples_at(after)] = std::numeric_limits<real>::quiet_NaN();
  };
  for (int64_t r = std::min(rows.top, after.dims[0] - 1); r > rows.bottom; --r) spend(r);
  if (rows.from >= 0 && rows.from != rows.bottom) spend(rows.from);
}

Cost prepare_shard_read(const Call& c) {
  require(c.count > kReadFirst, "shard_read: needs sums, a divisor and outputs");
  const TensorView &sums = c.t[0], &divisor = c.t[1];
  require_sums(sums);
  require(divisor.dtype == kReal && divisor.numel() == 1, "shard_read: divisor must be a real number");
  const int64_t begin = begin_of(c, kReadAttrs["begin"], sums.dims[1]);
  const double n =
      static_cast<double>(length_of(c.t + kReadFirst, c.count - kReadFirst, sums.dims[1] - begin));
  return {0, n, 2 * n * sizeof(real)};
}

void run_shard_read(const Call& c) {
  const real* const row = c.t[0].as<real>();
  const V divisor = splat(*c.t[1].as<real>());
  for_segments(c.t + kReadFirst, c.count - kReadFirst, c.attr(kReadAttrs["begin"]),
               [&](int i, int64_t at, int64_t begin, int64_t end) {
                 map(
                     end - begin, c.t[kReadFirst + i].as<real>() + begin, [=](V v) { return v / divisor; },
                     row + at);
               });
}

Cost prepare_shard_spend(const Call& c) {
  require_operands(c, 2);
  require_sums(c.t[0]);
  require_dtype(c.t[1], kReal, "shard_spend: sums' must be real");
  require_same_dims(c.t[0], c.t[1], "shard_spend: sums and sums' differ");
  return {0, 0, static_cast<double>(c.t[0].dims[0]) * sizeof(real)};
}

void run_shard_spend(const Call& c) {
  if (c.t[0].data != c.t[1].data) std::memcpy(c.t[1].data, c.t[0].data, c.t[0].bytes());
  const TensorView& after = c.t[1];
  for (int64_t r = 0; r < after.dims[0]; ++r)
    after.as<real>()[r * after.dims[1] + samples_at(after)] = std::numeric_limits<real>::quiet_NaN();
}

TENON_KERNEL(shard_add, prepare_shard_add, run_shard_add, kAddAttrs)
TENON_KERNEL(shard_read, prepare_shard_read, run_shard_read, kReadAttrs)
TENON_KERNEL(shard_spend, prepare_shard_spend, run_shard_spend)
#endif
