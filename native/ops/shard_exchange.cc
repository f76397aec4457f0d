// What the processes of a step exchange. Row i of `sums` real [L, N] is that of the i-th of the largest
// subtrees of shards that this process owns (distributed/shard_tree.h). A bucket is a range of the rows.
//   shard_submit    last s, sums -> sums'; shards, begin, end: where `last`, the sum of the bucket is begun,
//                   while this process goes on. Nothing may touch the bucket until shard_exchange has run
//   shard_exchange  sums -> sums'; shards, ends[]: begins what is left of the buckets that end there, and
//                   waits for all. Row 0 becomes the sum of all shards, on all processes; others are used up
// Both in place.
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

#include "base/task.h"
#include "distributed/collectives.h"
#include "distributed/pending.h"
#include "kernels/checks.h"
#include "ops/once.h"

namespace tenon {
namespace {

constexpr AttrNames kSubmitAttrs{"shards", "begin", "end"};
constexpr AttrNames kExchangeAttrs{"shards", "ends[]"};

template <class T>
class BucketSum : public Operation {
 public:
  // Elements [begin, end) of the rows. `keeps` holds their memory.
  BucketSum(int shards, const TensorView& rows, int64_t begin, int64_t end, std::shared_ptr<const void> keeps)
      : Operation(Collective::sum),
        shards_(shards),
        data_(rows.as<T>() + begin),
        rows_(static_cast<size_t>(rows.dims[0])),
        stride_(static_cast<size_t>(rows.dims[1])),
        length_(static_cast<size_t>(end - begin)),
        keeps_(std::move(keeps)) {}

  void run(World& world) override {
    SumsOf<T> sums;
    sums.nodes = cover_of(shards_, shards_of_rank(shards_, world.rank(), world.size()));
    if (sums.nodes.empty() || sums.nodes.size() > rows_)
      throw std::invalid_argument("shard_exchange: the rows are not those of this rank's shards");
    for (size_t i = 0; i < sums.nodes.size(); ++i) sums.values.push_back(data_ + i * stride_);
    sum_shards(world, shards_, sums, length_, data_);
    keeps_.reset();  // not by this thread's leave: the last reference may free a program
  }

 private:
  const int shards_;
  T* const data_;
  const size_t rows_, stride_, length_;
  std::shared_ptr<const void> keeps_;
};

// The buckets of the step that runs. A process trains in one world, in one run at a time; only the executor's
// thread is here.
class StepExchange {
 public:
  static StepExchange& get() {
    static auto* exchange = new StepExchange();  // never destroyed, as the communicator
    return *exchange;
  }

  void submit(int shards, const TensorView& rows, int64_t begin, int64_t end) {
    if (begin == 0) wait();  // for what a step left behind that was given up
    if (begin != submitted_) return;
    if (rows.dtype == DType::f64)
      submit_as<double>(shards, rows, begin, end);
    else
      submit_as<float>(shards, rows, begin, end);
    submitted_ = end;
  }

  int64_t submitted() const { return submitted_; }

  void wait() {
    submitted_ = 0;
    pending_.wait();
  }

 private:
  template <class T>
  void submit_as(int shards, const TensorView& rows, int64_t begin, int64_t end) {
    auto keeps = running_task ? running_task->shared_from_this() : nullptr;
    pending_.submit(std::make_shared<BucketSum<T>>(shards, rows, begin, end, std::move(keeps)));
  }

  Pending pending_;
  int64_t submitted_ = 0;
};

void require_sums(const TensorView& sums, const TensorView& after) {
  require((sums.dtype == DType::f32 || sums.dtype == DType::f64) && sums.rank == 2 && sums.dims[0] >= 1 &&
              sums.dims[1] >= 1,
          "shard exchange: sums must be real [L, N]");
  require_dtype(after, sums.dtype, "shard exchange: sums' must be of the dtype of sums");
  require_same_dims(sums, after, "shard exchange: sums and sums' differ");
}

int64_t bounded(const Call& call, int attr, int64_t least, int64_t most) {
  const int64_t value = integer_attr(call, attr, "shard exchange: attributes must be integers");
  require(value >= least && value <= most, "shard exchange: an attribute is out of range");
  return value;
}

void keep_in_place(const TensorView& sums, const TensorView& after) {
  if (after.data != sums.data) std::memcpy(after.data, sums.data, sums.bytes());
}

Cost prepare_submit(const Call& call) {
  require_operands(call, 3);
  require_scalar(call.t[0], "shard_submit: last must be a runtime scalar");
  require_sums(call.t[1], call.t[2]);
  bounded(call, kSubmitAttrs["shards"], 1, kMostShards);
  const int64_t begin = bounded(call, kSubmitAttrs["begin"], 0, call.t[1].dims[1]);
  bounded(call, kSubmitAttrs["end"], begin + 1, call.t[1].dims[1]);
  return {};
}

void run_submit(const Call& call) {
  keep_in_place(call.t[1], call.t[2]);
  if (*call.t[0].as<double>() == 0) return;
  StepExchange::get().submit(static_cast<int>(call.attr(kSubmitAttrs["shards"])), call.t[2],
                             call.attr(kSubmitAttrs["begin"]), call.attr(kSubmitAttrs["end"]));
}

Cost prepare_exchange(const Call& call) {
  require_operands(call, 2);
  require_sums(call.t[0], call.t[1]);
  bounded(call, kExchangeAttrs["shards"], 1, kMostShards);
  int64_t end = 0;
  for (int i = kExchangeAttrs["ends"]; i < call.attr_count; ++i)
    end = bounded(call, i, end + 1, call.t[0].dims[1]);
  require(end == call.t[0].dims[1], "shard_exchange: the buckets must fill a row");
  return {0, 0, static_cast<double>(call.t[0].bytes())};
}

void run_exchange(const Call& call) {
  keep_in_place(call.t[0], call.t[1]);
  StepExchange& exchange = StepExchange::get();
  int64_t begin = 0;
  for (int i = kExchangeAttrs["ends"]; i < call.attr_count; ++i) {
    const int64_t end = call.attr(i);
    if (begin >= exchange.submitted())
      exchange.submit(static_cast<int>(call.attr(kExchangeAttrs["shards"])), call.t[1], begin, end);
    begin = end;
  }
  exchange.wait();
}

const RegisterOnce submit("shard_submit", prepare_submit, run_submit, kSubmitAttrs);
const RegisterOnce exchange("shard_exchange", prepare_exchange, run_exchange, kExchangeAttrs);

}  // namespace
}  // namespace tenon
