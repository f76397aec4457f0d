// Building a program: every number of a description is checked here, and nowhere else.
#include <algorithm>
#include <stdexcept>
#include <utility>

#include "runtime/dispatch.h"
#include "runtime/program.h"

namespace tenon {
namespace {
constexpr int64_t kDTypes = 5;
constexpr size_t kMostBytes = size_t{1} << 53;

std::atomic<int64_t> g_live{0};

[[noreturn]] void fail(const std::string& message) { throw std::invalid_argument(message); }

[[noreturn]] void fail_tensor(int64_t id, const std::string& problem) {
  fail("tensor " + std::to_string(id) + ": " + problem);
}

[[noreturn]] void fail_call(const ProgramDesc& desc, size_t i, const std::string& problem) {
  fail("call " + std::to_string(i) + " (" + desc.calls[i].kernel + "): " + problem);
}

const TensorDesc& tensor_of(const ProgramDesc& desc, int64_t id) {
  if (id < 0 || id >= static_cast<int64_t>(desc.tensors.size())) fail_tensor(id, "no such tensor");
  return desc.tensors[static_cast<size_t>(id)];
}

int index_of(Target target) { return static_cast<int>(target); }

const Kernel* kernel_of(const CallDesc& call, Target target) {
  const Kernel* kernel = find_kernel(call.kernel);
  if (kernel == nullptr) fail("no such kernel");
  if (kernel->run[index_of(target)] == nullptr) fail(std::string("not available on ") + name_of(target));
  return kernel;
}

Call call_of(const CallDesc& desc, const TensorView* tensors, const double* attrs, size_t attr_count) {
  return {tensors, static_cast<int>(desc.tensors.size()), attrs, static_cast<int>(attr_count)};
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
      target_(desc.reference ? Target::ref : dispatch().target),
      scalars_(desc.scalars),
      buffers_(desc.buffers),
      input_bytes_(desc.inputs),
      steps_(desc.calls.size() - std::min(desc.constant_calls, desc.calls.size())) {
  if (desc.constant_calls > desc.calls.size()) fail("more constant calls than calls");
  commit_start_ = std::clamp(desc.commit_start, desc.constant_calls, desc.calls.size()) - desc.constant_calls;
  if (!checked_align(desc.arena_bytes, &workspace_offset_)) fail("the arena is too large");
  find_writes(desc);
  lay_out_staging(desc);
  build_constants(desc);
  build_views(desc);
  build_steps(desc);
  if (!checked_add(workspace_offset_, workspace_bytes_, &arena_bytes_)) fail("the workspace is too large");
  spare_staging_.reserve(kSpareStaging);
  claim_ = std::make_unique<Arena::Claim>(Executor::get().arena(queue_), arena_bytes_);
  g_live.fetch_add(1, std::memory_order_relaxed);
}

Program::~Program() { g_live.fetch_sub(1, std::memory_order_relaxed); }

int64_t Program::live() { return g_live.load(std::memory_order_relaxed); }

// Tensors that do not exist are reported when the call's operands are looked at.
void Program::find_writes(const ProgramDesc& desc) {
  written_.assign(buffers_.size(), false);
  for (size_t c = 0; c < desc.calls.size(); ++c) {
    const CallDesc& call = desc.calls[c];
    if (call.outputs > call.tensors.size()) fail_call(desc, c, "more outputs than operands");
    for (size_t i = call.tensors.size() - call.outputs; i < call.tensors.size(); ++i) {
      const int64_t id = call.tensors[i];
      if (id < 0 || id >= static_cast<int64_t>(desc.tensors.size())) continue;
      const int64_t place = desc.tensors[static_cast<size_t>(id)].place;
      if (place >= 0 && place < static_cast<int64_t>(buffers_.size()))
        written_[static_cast<size_t>(place)] = true;
    }
  }
}

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

// Checks tensor `id` against its place and returns its view: with its address where that never changes
// (buffers), else with a binding.
TensorView Program::checked_view(const ProgramDesc& desc, int64_t id, Bindings* bindings,
                                 size_t view_index) const {
  const TensorDesc& tensor = tensor_of(desc, id);
  size_t bytes = 0;
  TensorView view = view_of(tensor, id, &bytes);
  if (tensor.offset < 0) fail_tensor(id, "negative offset");
  const size_t offset = static_cast<size_t>(tensor.offset);
  if (offset % size_of(view.dtype) != 0) fail_tensor(id, "its offset is not a multiple of its element size");
  const int64_t input = tensor.place <= kFirstInput ? kFirstInput - tensor.place : -1;
  if (tensor.place == kArenaPlace) {
    check_extent(id, offset, bytes, desc.arena_bytes, "arena");
    bindings->arena.push_back({view_index, offset});
  } else if (tensor.place == kScalarPlace) {
    if (view.dtype != DType::f64 || view.rank != 0) fail_tensor(id, "a runtime scalar must be f64 of rank 0");
    check_extent(id, offset, bytes, desc.scalars * sizeof(double), "scalar block");
    bindings->scalars.push_back({view_index, offset});
  } else if (tensor.place >= 0 && tensor.place < static_cast<int64_t>(buffers_.size())) {
    const Buffer& buffer = *buffers_[static_cast<size_t>(tensor.place)];
    check_extent(id, offset, bytes, buffer.memory.bytes(), "buffer");
    view.data = buffer.memory.data() + offset;
  } else if (input >= 0 && input < static_cast<int64_t>(input_bytes_.size())) {
    check_extent(id, offset, bytes, input_bytes_[static_cast<size_t>(input)], "input");
    bindings->inputs.push_back({{view_index, offset}, static_cast<size_t>(input)});
  } else {
    fail_tensor(id, "no such place: " + std::to_string(tensor.place));
  }
  return view;
}

// The buffer behind a tensor whose contents this program does not change; null for all other tensors.
BufferRef Program::constant_source(const ProgramDesc& desc, int64_t id) const {
  const int64_t place = desc.tensors[static_cast<size_t>(id)].place;
  if (place < 0 || place >= static_cast<int64_t>(buffers_.size()) || written_[static_cast<size_t>(place)])
    return nullptr;
  return buffers_[static_cast<size_t>(place)];
}

void Program::build_constants(const ProgramDesc& desc) {
  for (size_t i = 0; i < desc.constant_calls; ++i) {
    try {
      build_constant(desc, desc.calls[i]);
    } catch (const std::invalid_argument& error) {
      fail_call(desc, i, error.what());
    }
  }
}

// Each result becomes a buffer of its own, which later calls find behind the buffers of the description.
void Program::build_constant(const ProgramDesc& desc, const CallDesc& call) {
  Derived::Recipe recipe;
  recipe.kernel = kernel_of(call, target_);
  recipe.target = target_;
  recipe.attrs = ordered_attrs(recipe.kernel->attrs, call.attrs);
  recipe.results = static_cast<int>(call.outputs);
  const size_t inputs = call.tensors.size() - call.outputs;
  Bindings bindings;  // stays empty: constants have their addresses
  for (size_t i = 0; i < call.tensors.size(); ++i) {
    const int64_t id = call.tensors[i];
    size_t bytes = 0;
    if (i < inputs) {
      recipe.tensors.push_back(checked_view(desc, id, &bindings, 0));
      recipe.sources.push_back(constant_source(desc, id));
      if (!recipe.sources.back()) fail_tensor(id, "not constant");
    } else {
      const TensorDesc& tensor = tensor_of(desc, id);
      recipe.tensors.push_back(view_of(tensor, id, &bytes));
      if (tensor.place != static_cast<int64_t>(buffers_.size() + i - inputs) || tensor.offset != 0)
        fail_tensor(id, "not the place of a constant result");
    }
  }
  std::vector<TensorView> blank = recipe.tensors;
  for (TensorView& view : blank) view.data = nullptr;
  const Call checked = call_of(call, blank.data(), recipe.attrs.data(), recipe.attrs.size());
  workspace_bytes_ = std::max(workspace_bytes_, recipe.kernel->prepare[index_of(target_)](checked).workspace);
  derived_.push_back(Derived::of(std::move(recipe)));
  for (const BufferRef& result : derived_.back()->results()) {
    buffers_.push_back(result);
    written_.push_back(false);
  }
}

void Program::build_views(const ProgramDesc& desc) {
  for (size_t i = desc.constant_calls; i < desc.calls.size(); ++i) {
    const CallDesc& call = desc.calls[i];
    Step& step = steps_[i - desc.constant_calls];
    try {
      for (const int64_t id : call.tensors) {
        views_.push_back(checked_view(desc, id, &view_bindings_, views_.size()));
      }
      step.kernel = kernel_of(call, target_);
      const std::vector<double> attrs = ordered_attrs(step.kernel->attrs, call.attrs);
      step.call = call_of(call, nullptr, nullptr, attrs.size());
      attrs_.insert(attrs_.end(), attrs.begin(), attrs.end());
    } catch (const std::invalid_argument& error) {
      fail_call(desc, i, error.what());
    }
  }
  for (const int64_t id : desc.outputs) {
    try {
      outputs_.push_back(checked_view(desc, id, &output_bindings_, outputs_.size()));
    } catch (const std::invalid_argument& error) {
      fail(std::string("output: ") + error.what());
    }
  }
}

void Program::build_steps(const ProgramDesc& desc) {
  std::vector<TensorView> blank = views_;  // prepare() sees no addresses
  for (TensorView& view : blank) view.data = nullptr;
  size_t operand = 0, attr = 0;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const CallDesc& call = desc.calls[desc.constant_calls + i];
    try {
      steps_[i].call.t = views_.data() + operand;
      steps_[i].call.attrs = attrs_.data() + attr;
      build_step(desc, call, blank.data() + operand, &steps_[i]);
    } catch (const std::invalid_argument& error) {
      fail_call(desc, desc.constant_calls + i, error.what());
    }
    operand += call.tensors.size();
    attr += static_cast<size_t>(steps_[i].call.attr_count);
  }
}

void Program::build_step(const ProgramDesc& desc, const CallDesc& call, const TensorView* blank, Step* step) {
  const int target = index_of(target_);
  step->run = step->kernel->run[target];
  Call checked = step->call;
  checked.t = blank;
  Cost cost = step->kernel->prepare[target](checked);
  step->call.packed = keep_packed(desc, call, *step, cost.packing);
  if (step->call.packed != nullptr) {
    checked.packed = step->call.packed;
    cost = step->kernel->prepare[target](checked);
  }
  step->flops = cost.flops;
  step->bytes = cost.bytes;
  workspace_bytes_ = std::max(workspace_bytes_, cost.workspace);
  for (size_t i = call.tensors.size() - call.outputs; i < call.tensors.size(); ++i) {
    const int64_t place = desc.tensors[static_cast<size_t>(call.tensors[i])].place;
    if (place >= static_cast<int64_t>(desc.buffers.size())) fail_tensor(call.tensors[i], "is constant");
    if (place <= kFirstInput) fail_tensor(call.tensors[i], "is an input");
    if (place >= 0) step->writes.push_back(buffers_[static_cast<size_t>(place)].get());
  }
}

// A packed copy is kept where it is worth its memory: for predictions, whose weights change seldom.
const std::byte* Program::keep_packed(const ProgramDesc& desc, const CallDesc& call, const Step& step,
                                      const Packing& packing) {
  if (queue_ != Queue::predict || packing.operand < 0 || packing.bytes == 0) return nullptr;
  const size_t operand = static_cast<size_t>(packing.operand);
  BufferRef source = constant_source(desc, call.tensors[operand]);
  if (!source) return nullptr;
  Derived::Recipe recipe;
  recipe.kernel = step.kernel;
  recipe.target = target_;
  recipe.tensors.assign(step.call.t, step.call.t + step.call.count);
  for (size_t i = 0; i < recipe.tensors.size(); ++i)
    if (i != operand) recipe.tensors[i].data = nullptr;
  recipe.attrs.assign(step.call.attrs, step.call.attrs + step.call.attr_count);
  recipe.packing = packing;
  recipe.sources = {std::move(source)};
  derived_.push_back(Derived::of(std::move(recipe)));
  return derived_.back()->results()[0]->memory.data();
}

}  // namespace tenon
