// Statistics of a batch that is computed in shards, for a batch norm that sees all of it. A process brings
// two numbers a channel of each of its own shards. Those of all shards are merged in double along the tree of
// shards (distributed/shard_tree.h), by every process alike, so all come to the same bits.
// shard_moments  mean_1, m2_1, ..., mean_k, m2_k R[C] -> mean, var, unbiased R[C], count R[1]; shards,
// counts[k]: (mean, M2) of all values, by Chan, Golub and LeVeque 1979; counts are the
// values a channel of each shard. var = M2 / count, unbiased = M2 / (count - 1)
//   shard_totals   a_1, b_1, ..., a_k, b_k R[C] -> a, b R[C]; shards: their sums
// Where k is less than `shards`, other ranks have the rest, and all exchange what they have.
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "distributed/collectives.h"
#include "distributed/pending.h"
#include "kernels/checks.h"
#include "ops/once.h"

namespace tenon {
namespace {

constexpr AttrNames kMomentsAttrs{"shards", "counts[]"};
constexpr AttrNames kTotalsAttrs{"shards"};
constexpr int kMomentsOutputs = 4, kTotalsOutputs = 2;

// The operands of both kernels.
struct Operands {
  Operands(const Call& call, int outputs)
      : shards(static_cast<int>(integer_attr(call, kMomentsAttrs["shards"], "shard statistics: no shards"))),
        mine((call.count - outputs) / 2),
        out(call.t + call.count - outputs) {
    static_assert(kMomentsAttrs["shards"] == kTotalsAttrs["shards"]);
    require(shards >= 1 && shards <= kMostShards, "shard statistics: too many shards, or none");
    require(call.count >= outputs + 2 && (call.count - outputs) % 2 == 0 && mine <= shards,
            "shard statistics: needs two operands a shard, of some shards or all");
    real = call.t[0].dtype;
    require(real == DType::f32 || real == DType::f64, "shard statistics: operands must be real");
    channels = call.t[0].numel();
    for (int i = 0; i < call.count; ++i) {
      const TensorView& t = call.t[i];
      const bool is_count = i == call.count - 1 && outputs == kMomentsOutputs;
      require(t.dtype == real && t.rank == 1 && t.dims[0] == (is_count ? 1 : channels),
              "shard statistics: operands must be R [C], and the count R [1]");
    }
  }

  size_t width() const { return static_cast<size_t>(channels) * size_of(real); }
  // A shard's count and its two operands, one behind the other.
  size_t row() const { return sizeof(double) + 2 * width(); }

  int shards, mine;
  const TensorView* out;
  DType real;
  int64_t channels;
};

// The rows of all shards, from those of this rank, which come first in memory and move to their place.
class RowsExchange : public Operation {
 public:
  RowsExchange(int shards, int mine, size_t row, std::shared_ptr<std::vector<std::byte>> rows)
      : Operation(Collective::gather), shards_(shards), mine_(mine), row_(row), rows_(std::move(rows)) {}

  void run(World& world) override {
    std::vector<size_t> sizes;
    for (int rank = 0; rank < world.size(); ++rank)
      sizes.push_back(static_cast<size_t>(shards_of_rank(shards_, rank, world.size()).size()) * row_);
    const Span own = shards_of_rank(shards_, world.rank(), world.size());
    if (own.size() != mine_)
      throw std::invalid_argument("shard statistics: the operands are not those of this rank's shards");
    std::byte* const all = rows_->data();
    std::memmove(all + static_cast<size_t>(own.begin) * row_, all, static_cast<size_t>(mine_) * row_);
    gather(world, sizes, all);
  }

 private:
  const int shards_, mine_;
  const size_t row_;
  const std::shared_ptr<std::vector<std::byte>> rows_;  // kept as long as others may write to it
};

std::shared_ptr<std::vector<std::byte>> rows_of_all(const Call& call, const Operands& op,
                                                    const double* counts) {
  auto rows = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(op.shards) * op.row());
  std::byte* to = rows->data();
  for (int i = 0; i < op.mine; ++i) {
    const double count = counts == nullptr ? 0 : counts[i];
    std::memcpy(to, &count, sizeof(count));
    std::memcpy(to + sizeof(count), call.t[2 * i].data, op.width());
    std::memcpy(to + sizeof(count) + op.width(), call.t[2 * i + 1].data, op.width());
    to += op.row();
  }
  if (op.mine == op.shards) return rows;
  Pending pending;
  pending.submit(std::make_shared<RowsExchange>(op.shards, op.mine, op.row(), rows));
  pending.wait();
  return rows;
}

// What a node of the tree comes to.
struct Node {
  double count;
  double *a, *b;
};

void add_moments(const Node& left, const Node& right, int64_t channels) {
  const double count = left.count + right.count;
  const double weight = right.count / count, cross = left.count * weight;
  for (int64_t c = 0; c < channels; ++c) {
    const double delta = right.a[c] - left.a[c];
    left.a[c] += delta * weight;
    left.b[c] += right.b[c] + delta * delta * cross;
  }
}

void add_totals(const Node& left, const Node& right, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    left.a[c] += right.a[c];
    left.b[c] += right.b[c];
  }
}

using Add = void (*)(const Node& left, const Node& right, int64_t channels);

// Merges rows along the tree. `room` has two lines of doubles for each level of it.
template <class R>
class Merge {
 public:
  Merge(const std::byte* rows, const Operands& op, double* room, Add add)
      : rows_(rows), op_(op), room_(room), add_(add) {}

  Node node(Span span, int level) const {
    Node here{0, room_ + 2 * level * op_.channels, room_ + (2 * level + 1) * op_.channels};
    if (span.size() == 1) {
      read(span.begin, &here);
      return here;
    }
    const int middle = split_of(span);
    here = node({span.begin, middle}, level);
    const Node right = node({middle, span.end}, level + 1);
    add_(here, right, op_.channels);
    here.count += right.count;
    return here;
  }

 private:
  void read(int shard, Node* to) const {
    const std::byte* row = rows_ + static_cast<size_t>(shard) * op_.row();
    std::memcpy(&to->count, row, sizeof(double));
    for (int64_t c = 0; c < op_.channels; ++c) {
      to->a[c] = value(row + sizeof(double), c);
      to->b[c] = value(row + sizeof(double) + op_.width(), c);
    }
  }

  static double value(const std::byte* values, int64_t i) {
    R v;
    std::memcpy(&v, values + static_cast<size_t>(i) * sizeof(R), sizeof(R));
    return v;
  }

  const std::byte* rows_;
  const Operands& op_;
  double* const room_;
  const Add add_;
};

Node merged(const Call& call, const Operands& op, const double* counts, Add add) {
  const auto rows = rows_of_all(call, op, counts);
  double* const room = reinterpret_cast<double*>(call.workspace);
  const Span all{0, op.shards};
  if (op.real == DType::f64) return Merge<double>(rows->data(), op, room, add).node(all, 0);
  return Merge<float>(rows->data(), op, room, add).node(all, 0);
}

template <class R>
void store(const TensorView& t, const double* values, double divisor = 1) {
  for (int64_t c = 0; c < t.numel(); ++c) t.as<R>()[c] = static_cast<R>(values[c] / divisor);
}

void store_all(const Operands& op, int i, const double* values, double divisor = 1) {
  op.real == DType::f64 ? store<double>(op.out[i], values, divisor)
                        : store<float>(op.out[i], values, divisor);
}

Cost cost_of(const Operands& op) {
  int levels = 1;
  while ((1 << (levels - 1)) < op.shards) ++levels;
  const double numbers = 2.0 * op.shards * static_cast<double>(op.channels);
  return {static_cast<size_t>(2 * levels * op.channels) * sizeof(double), 4 * numbers, 8 * numbers};
}

Cost prepare_moments(const Call& call) {
  const Operands op(call, kMomentsOutputs);
  require(call.attr_count - kMomentsAttrs["counts"] == op.mine,
          "shard_moments: needs a count for each shard");
  for (int i = kMomentsAttrs["counts"]; i < call.attr_count; ++i)
    require(integer_attr(call, i, "shard_moments: counts must be integers") >= 1,
            "shard_moments: counts must be above 0");
  return cost_of(op);
}

void run_moments(const Call& call) {
  const Operands op(call, kMomentsOutputs);
  const Node all = merged(call, op, call.attrs + kMomentsAttrs["counts"], add_moments);
  store_all(op, 0, all.a);
  store_all(op, 1, all.b, all.count);
  store_all(op, 2, all.b, std::max(1.0, all.count - 1));
  store_all(op, 3, &all.count);
}

Cost prepare_totals(const Call& call) { return cost_of(Operands(call, kTotalsOutputs)); }

void run_totals(const Call& call) {
  const Operands op(call, kTotalsOutputs);
  const Node all = merged(call, op, nullptr, add_totals);
  store_all(op, 0, all.a);
  store_all(op, 1, all.b);
}

const RegisterOnce moments("shard_moments", prepare_moments, run_moments, kMomentsAttrs);
const RegisterOnce totals("shard_totals", prepare_totals, run_totals, kTotalsAttrs);

}  // namespace
}  // namespace tenon
