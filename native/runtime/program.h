// A Program: a flat list of kernel calls over planned memory, checked once when it is built and then run any
// number of times. Every extent is checked against its place and every call by its kernel's prepare(), so
// that a run needs no checks and cannot fail by its shapes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/kernel.h"
#include "runtime/arena.h"
#include "runtime/buffer.h"
#include "runtime/derived.h"
#include "runtime/executor.h"

namespace tenon {

// Where a tensor lives: an index into the program's buffers, followed by the results of its constant calls in
// order, or one of these; input i is kFirstInput - i.
inline constexpr int64_t kArenaPlace = -1;
inline constexpr int64_t kScalarPlace = -2;
inline constexpr int64_t kFirstInput = -3;

// Plain description, as it came from JavaScript: nothing in it is trusted.
struct TensorDesc {
  int64_t place = 0, offset = 0, dtype = 0, rank = 0;
  int64_t dims[kMaxRank] = {};
};

struct CallDesc {
  std::string kernel;
  std::vector<int64_t> tensors;
  std::vector<NamedAttr> attrs;
  size_t outputs = 0;  // the last so many of the tensors
};

struct ProgramDesc {
  bool reference = false;  // the ref target
  Queue queue = Queue::train;
  size_t arena_bytes = 0;
  size_t scalars = 0;
  std::vector<BufferRef> buffers;
  std::vector<size_t> inputs;  // byte lengths
  std::vector<TensorDesc> tensors;
  std::vector<CallDesc> calls;
  // The first so many calls read only buffers that the program does not write and results of each other. They
  // run when such a buffer has changed, and their results are kept.
  size_t constant_calls = 0;
  size_t commit_start = 0;
  std::vector<int64_t> outputs;
};

struct CallProfile {
  const std::string* kernel = nullptr;
  uint64_t calls = 0, nanoseconds = 0;
  double flops = 0, bytes = 0;
};

class Program {
 public:
  // Throws std::invalid_argument that names the call, its kernel and the problem.
  explicit Program(const ProgramDesc& desc);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Queue queue() const { return queue_; }
  size_t scalars() const { return scalars_; }
  const std::vector<size_t>& inputs() const { return input_bytes_; }
  const std::vector<TensorView>& outputs() const { return outputs_; }  // data pointers: executor only
  size_t arena_bytes() const { return arena_bytes_; }
  size_t derived_bytes() const;              // shared with the programs that need the same
  std::vector<CallProfile> profile() const;  // without the constant calls
  uint64_t last_write() const;               // the latest ticket among its buffers
  static int64_t live();

  // The block that carries one run's scalars, and its inputs where they are copied. Kept for the next run
  // when given back.
  Memory take_staging();
  void give_staging(Memory staging);
  size_t input_offset(size_t input) const { return input_offsets_[input]; }

  // Executor only. False when `job` was cancelled before the commit section. `inputs` are only read;
  // `outputs` has a block for each output.
  bool run(Executor& executor, const Job& job, std::byte* scalars,
           const std::vector<const std::byte*>& inputs, RunState* state, std::vector<Memory>* outputs);

 private:
  struct Step {
    const Kernel* kernel = nullptr;
    RunFn run = nullptr;
    Call call;
    std::vector<Buffer*> writes;
    double flops = 0, bytes = 0;
    std::atomic<uint64_t> calls{0}, nanoseconds{0};
  };
  struct Binding {  // an operand whose address depends on the run
    size_t view;
    size_t offset;
  };
  struct InputBinding : Binding {
    size_t input;
  };
  struct Bindings {
    std::vector<Binding> arena, scalars;
    std::vector<InputBinding> inputs;
  };

  void find_writes(const ProgramDesc& desc);
  void lay_out_staging(const ProgramDesc& desc);
  TensorView checked_view(const ProgramDesc& desc, int64_t id, Bindings* bindings, size_t view) const;
  void build_constants(const ProgramDesc& desc);
  void build_constant(const ProgramDesc& desc, const CallDesc& call);
  void build_views(const ProgramDesc& desc);
  void build_steps(const ProgramDesc& desc);
  void build_step(const ProgramDesc& desc, const CallDesc& call, const TensorView* blank, Step* step);
  BufferRef constant_source(const ProgramDesc& desc, int64_t id) const;
  const std::byte* keep_packed(const ProgramDesc& desc, const CallDesc& call, const Step& step,
                               const Packing& packing);
  void bind(std::byte* arena, std::byte* scalars, const std::vector<const std::byte*>& inputs);
  bool run_steps(Executor& executor, const Job& job, std::byte* workspace, RunState* state);

  Queue queue_;
  Target target_;
  size_t arena_bytes_ = 0, workspace_offset_ = 0, workspace_bytes_ = 0, scalars_ = 0, staging_bytes_ = 0,
         commit_start_ = 0;
  std::vector<BufferRef> buffers_;
  std::vector<bool> written_;        // of each buffer: whether this program writes it
  std::vector<DerivedRef> derived_;  // in the order in which they are computed
  std::vector<size_t> input_bytes_, input_offsets_;
  std::vector<TensorView> views_;  // operands of all calls, one after the other, then outputs
  std::vector<TensorView> outputs_;
  Bindings view_bindings_, output_bindings_;
  std::vector<double> attrs_;
  std::vector<Step> steps_;
  std::byte* bound_arena_ = nullptr;
  static constexpr size_t kSpareStaging = 2;
  std::mutex staging_mutex_;
  std::vector<Memory> spare_staging_;
  std::unique_ptr<Arena::Claim> claim_;
};

using ProgramRef = std::shared_ptr<Program>;

// Names a fault for people: "label_out_of_range at element 17".
std::string describe_fault(const RunState& state);

}  // namespace tenon
