// shard_exchange: sums f32 [L, N] -> sums' f32 [L, N]; shards. Row i of `sums` is that of the i-th of the
// largest subtrees of shards that this process owns (distributed/shard_tree.h). Row 0 becomes the sum of all
// shards, on all processes; the others are used up. In place. Waits for the other processes.
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

#include "base/task.h"
#include "distributed/collectives.h"
#include "distributed/pending.h"
#include "ops/once.h"

namespace tenon {
namespace {

constexpr AttrNames kAttrs{"shards"};

class RowSums : public Operation {
 public:
  // `keeps` holds the memory of the rows.
  RowSums(int shards, float* rows, int64_t count, int64_t length, std::shared_ptr<const void> keeps)
      : Operation(Collective::sum),
        shards_(shards),
        rows_(rows),
        count_(count),
        length_(static_cast<size_t>(length)),
        keeps_(std::move(keeps)) {}

  void run(World& world) override {
    PartialSums sums;
    sums.nodes = cover_of(shards_, shards_of_rank(shards_, world.rank(), world.size()));
    if (sums.nodes.empty() || sums.nodes.size() > static_cast<size_t>(count_))
      throw std::invalid_argument("shard_exchange: the rows are not those of this rank's shards");
    for (size_t i = 0; i < sums.nodes.size(); ++i) sums.values.push_back(rows_ + i * length_);
    sum_shards(world, shards_, sums, length_, rows_);
    keeps_.reset();  // not on this thread's account: the last reference may free a program
  }

 private:
  const int shards_;
  float* const rows_;
  const int64_t count_;
  const size_t length_;
  std::shared_ptr<const void> keeps_;
};

Cost prepare(const Call& call) {
  require_operands(call, 2);
  const TensorView &sums = call.t[0], &after = call.t[1];
  require(sums.dtype == DType::f32 && sums.rank == 2 && sums.dims[0] >= 1 && sums.dims[1] >= 1,
          "shard_exchange: sums must be f32 [L, N]");
  require(after.dtype == DType::f32, "shard_exchange: sums' must be f32");
  require_same_dims(sums, after, "shard_exchange: sums and sums' differ");
  const int64_t shards = call.attr(kAttrs["shards"]);
  require(shards >= 1 && shards <= kMostShards, "shard_exchange: shards out of range");
  return {0, 0, static_cast<double>(sums.bytes())};
}

void run(const Call& call) {
  const TensorView &sums = call.t[0], &after = call.t[1];
  if (after.data != sums.data) std::memcpy(after.data, sums.data, sums.bytes());
  Pending pending;
  pending.submit(std::make_shared<RowSums>(
      static_cast<int>(call.attr(kAttrs["shards"])), after.as<float>(), after.dims[0], after.dims[1],
      running_task == nullptr ? nullptr : running_task->shared_from_this()));
  pending.wait();
}

const RegisterOnce registration("shard_exchange", prepare, run, kAttrs);

}  // namespace
}  // namespace tenon
