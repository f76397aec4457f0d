#include "runtime/program.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "runtime/dispatch.h"

namespace tenon {
namespace {
constexpr size_t kSpareStaging = 2;
constexpr int64_t kDTypes = 5;
constexpr size_t kMostBytes = size_t{1} << 53;

std::atomic<int64_t> g_live{0};

uint64_t now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
}

[[noreturn]] void fail(const std::string& message) { throw std::invalid_argument(message); }

[[noreturn]] void fail_tensor(int64_t id, const std::string& problem) {
  fail("tensor " + std::to_string(id) + ": " + problem);
}

// The view without its address, and its size in bytes.
TensorView view_of(const TensorDesc& tensor, int64_t id, size_t* bytes) {
  if (tensor.dtype < 0 || tensor.dtype >= kDTypes) fail_tensor(id, "unknown dtype");
  if (tensor.rank < 0 || tensor.rank > kMaxRank) fail_tensor(id, "rank must be 0 to 6");
  TensorView view;
  view.dtype = static_cast<DType>(tensor.dtype);
  view.rank = static_cast<int>(tensor.rank);
  size_t nonzero = size_of(view.dtype);  // without dims of zero: kernels multiply dims in any order
  bool empty = false;
  for (int i = 0; i < view.rank; ++i) {
    if (tensor.dims[i] < 0) fail_tensor(id, "negative dimension");
    const size_t dim = static_cast<size_t>(tensor.dims[i]);
    if (dim != 0 && (!checked_multiply(nonzero, dim, &nonzero) || nonzero > kMostBytes)) {
      fail_tensor(id, "too many elements");
    }
    empty = empty || dim == 0;
    view.dims[i] = tensor.dims[i];
  }
  *bytes = empty ? 0 : nonzero;
  return view;
}

void check_extent(int64_t id, size_t offset, size_t bytes, size_t available, const char* place) {
  size_t end = 0;
  if (checked_add(offset, bytes, &end) && end <= available) return;
  fail_tensor(id, "bytes " + std::to_string(offset) + " to " + std::to_string(offset) + "+" +
                      std::to_string(bytes) + " lie outside its " + place + " of " +
                      std::to_string(available) + " bytes");
}

}  // namespace

Program::Program(const ProgramDesc& desc)
    : queue_(desc.queue),
      scalars_(desc.scalars),
      commit_start_(std::min(desc.commit_start, desc.calls.size())),
      buffers_(desc.buffers),
      input_bytes_(desc.inputs),
      steps_(desc.calls.size()) {
  if (!checked_align(desc.arena_bytes, &workspace_offset_)) fail("the arena is too large");
  lay_out_staging(desc);
  build_views(desc);
  build_steps(desc);
  spare_staging_.reserve(kSpareStaging);
  claim_ = std::make_unique<Arena::Claim>(Executor::get().arena(queue_), arena_bytes_);
  g_live.fetch_add(1, std::memory_order_relaxed);
}

Program::~Program() { g_live.fetch_sub(1, std::memory_order_relaxed); }

int64_t Program::live() { return g_live.load(std::memory_order_relaxed); }

// Scalars first, then the inputs, each on its own cache line.
void Program::lay_out_staging(const ProgramDesc& desc) {
  size_t end = 0;
  bool fits = checked_multiply(desc.scalars, sizeof(double), &end) && checked_align(end, &end);
  for (const size_t bytes : desc.inputs) {
    input_offsets_.push_back(end);
    fits = fits && checked_add(end, bytes, &end) && checked_align(end, &end);
  }
  if (!fits) fail("the inputs are too large");
  staging_bytes_ = end;
}

// Checks tensor `id` against its place and gives its view: with its address where that never changes
// (buffers), else with a binding.
TensorView Program::checked_view(const ProgramDesc& desc, int64_t id, std::vector<Binding>* arena,
                                 std::vector<Binding>* staged, size_t view_index) const {
  if (id < 0 || id >= static_cast<int64_t>(desc.tensors.size())) fail_tensor(id, "no such tensor");
  const TensorDesc& tensor = desc.tensors[static_cast<size_t>(id)];
  size_t bytes = 0;
  TensorView view = view_of(tensor, id, &bytes);
  if (tensor.offset < 0) fail_tensor(id, "negative offset");
  const size_t offset = static_cast<size_t>(tensor.offset);
  if (offset % size_of(view.dtype) != 0) fail_tensor(id, "its offset is not a multiple of its element size");
  const int64_t input = tensor.place <= kFirstInput ? kFirstInput - tensor.place : -1;
  if (tensor.place == kArenaPlace) {
    check_extent(id, offset, bytes, desc.arena_bytes, "arena");
    arena->push_back({view_index, offset});
  } else if (tensor.place == kScalarPlace) {
    if (view.dtype != DType::f64 || view.rank != 0) fail_tensor(id, "a runtime scalar must be f64 of rank 0");
    check_extent(id, offset, bytes, desc.scalars * sizeof(double), "scalar block");
    staged->push_back({view_index, offset});
  } else if (tensor.place >= 0 && tensor.place < static_cast<int64_t>(buffers_.size())) {
    const Buffer& buffer = *buffers_[static_cast<size_t>(tensor.place)];
    check_extent(id, offset, bytes, buffer.memory.bytes(), "buffer");
    view.data = buffer.memory.data() + offset;
  } else if (input >= 0 && input < static_cast<int64_t>(input_bytes_.size())) {
    check_extent(id, offset, bytes, input_bytes_[static_cast<size_t>(input)], "input");
    staged->push_back({view_index, input_offsets_[static_cast<size_t>(input)] + offset});
  } else {
    fail_tensor(id, "no such place: " + std::to_string(tensor.place));
  }
  return view;
}

void Program::build_views(const ProgramDesc& desc) {
  for (size_t i = 0; i < desc.calls.size(); ++i) {
    const CallDesc& call = desc.calls[i];
    try {
      for (const int64_t id : call.tensors) {
        views_.push_back(checked_view(desc, id, &arena_views_, &staged_views_, views_.size()));
      }
    } catch (const std::invalid_argument& error) {
      fail("call " + std::to_string(i) + " (" + call.kernel + "): " + error.what());
    }
    attrs_.insert(attrs_.end(), call.attrs.begin(), call.attrs.end());
  }
  for (const int64_t id : desc.outputs) {
    try {
      outputs_.push_back(checked_view(desc, id, &arena_outputs_, &staged_outputs_, outputs_.size()));
    } catch (const std::invalid_argument& error) {
      fail(std::string("output: ") + error.what());
    }
  }
}

void Program::build_steps(const ProgramDesc& desc) {
  const int target = static_cast<int>(desc.reference ? Target::ref : dispatch().target);
  std::vector<TensorView> blank = views_;  // prepare() sees no addresses
  for (TensorView& view : blank) view.data = nullptr;
  size_t operand = 0, attr = 0, workspace = 0;
  for (size_t i = 0; i < desc.calls.size(); ++i) {
    const CallDesc& call = desc.calls[i];
    Step& step = steps_[i];
    const auto problem = [&](const std::string& what) {
      fail("call " + std::to_string(i) + " (" + call.kernel + "): " + what);
    };
    step.kernel = find_kernel(call.kernel);
    if (step.kernel == nullptr) problem("no such kernel");
    step.run = step.kernel->run[target];
    if (step.run == nullptr) problem(std::string("not available on ") + name_of(static_cast<Target>(target)));
    step.call = {blank.data() + operand, static_cast<int>(call.tensors.size()), attrs_.data() + attr,
                 static_cast<int>(call.attrs.size())};
    try {
      const Cost cost = step.kernel->prepare[target](step.call);
      workspace = std::max(workspace, cost.workspace);
      step.flops = cost.flops;
      step.bytes = cost.bytes;
    } catch (const std::invalid_argument& error) {
      problem(error.what());
    }
    step.call.t = views_.data() + operand;
    operand += call.tensors.size();
    attr += call.attrs.size();
  }
  if (!checked_add(workspace_offset_, workspace, &arena_bytes_)) fail("the workspace is too large");
}

Memory Program::take_staging() {
  {
    const std::lock_guard lock(staging_mutex_);
    if (!spare_staging_.empty()) {
      Memory staging = std::move(spare_staging_.back());
      spare_staging_.pop_back();
      return staging;
    }
  }
  return Memory(staging_bytes_, MemoryKind::staging);
}

void Program::give_staging(Memory staging) {
  const std::lock_guard lock(staging_mutex_);
  if (spare_staging_.size() < kSpareStaging) spare_staging_.push_back(std::move(staging));
}

void Program::bind(std::byte* arena, std::byte* staging) {
  if (arena != bound_arena_) {
    for (const Binding& binding : arena_views_) views_[binding.view].data = arena + binding.offset;
    for (const Binding& binding : arena_outputs_) outputs_[binding.view].data = arena + binding.offset;
    bound_arena_ = arena;
  }
  for (const Binding& binding : staged_views_) views_[binding.view].data = staging + binding.offset;
  for (const Binding& binding : staged_outputs_) outputs_[binding.view].data = staging + binding.offset;
}

bool Program::run_steps(Executor& executor, const Job& job, std::byte* workspace, RunState* state) {
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (i <= commit_start_) {
      if (queue_ == Queue::train) executor.serve_predictions();
      if (job.cancelled()) return false;
    }
    if (i >= commit_start_ && (state->nonfinite || state->faulted())) return true;
    Step& step = steps_[i];
    step.call.workspace = workspace;
    step.call.run = state;
    const uint64_t start = now();
    step.run(step.call);
    step.nanoseconds.fetch_add(now() - start, std::memory_order_relaxed);
    step.calls.fetch_add(1, std::memory_order_relaxed);
  }
  return true;
}

bool Program::run(Executor& executor, const Job& job, std::byte* staging, RunState* state,
                  std::vector<Memory>* outputs) {
  Arena& arena = executor.arena(queue_);
  std::byte* base = arena.enter();
  const bool completed = [&] {
    bind(base, staging);
    if (!run_steps(executor, job, base + workspace_offset_, state)) return false;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if ((*outputs)[i].bytes() != 0)
        std::memcpy((*outputs)[i].data(), outputs_[i].data, (*outputs)[i].bytes());
    }
    return true;
  }();
  arena.leave();
  return completed;
}

uint64_t Program::last_write() const {
  uint64_t last = 0;
  for (const BufferRef& buffer : buffers_)
    last = std::max(last, buffer->last_write.load(std::memory_order_relaxed));
  return last;
}

std::vector<CallProfile> Program::profile() const {
  std::vector<CallProfile> profiles;
  for (const Step& step : steps_) {
    profiles.push_back({&step.kernel->name, step.calls.load(std::memory_order_relaxed),
                        step.nanoseconds.load(std::memory_order_relaxed), step.flops, step.bytes});
  }
  return profiles;
}

std::string describe_fault(const RunState& state) {
  const uint64_t word = state.first_fault.load();
  static const char* names[] = {"none", "label_out_of_range", "index_out_of_range"};
  const uint64_t code = word & 0xff;
  return std::string(code < 3 ? names[code] : "fault") + " at element " + std::to_string(word >> 8);
}

}  // namespace tenon
