// Doors to programs: create, run, profile, cancel, dispose.
#include <cstring>
#include <memory>
#include <stdexcept>

#include "addon/values.h"
#include "runtime/jobs.h"

namespace tenon::addon {
namespace {
constexpr size_t kTensorRow = 4 + kMaxRank;

// Reads whole numbers off a table of doubles, never past its end.
class Cursor {
 public:
  explicit Cursor(const std::vector<double>& table) : table_(table) {}
  bool done() const { return at_ == table_.size(); }
  double number() {
    if (done()) throw std::invalid_argument("calls: the table ends too early");
    return table_[at_++];
  }
  size_t count() {
    const int64_t n = whole(number(), "calls");
    if (n < 0 || n > static_cast<int64_t>(table_.size() - at_)) {
      throw std::invalid_argument("calls: a count is out of range");
    }
    return static_cast<size_t>(n);
  }

 private:
  const std::vector<double>& table_;
  size_t at_ = 0;
};

std::vector<TensorDesc> tensors_of(const std::vector<double>& table) {
  if (table.size() % kTensorRow != 0) throw std::invalid_argument("tensors: the table has a partial row");
  std::vector<TensorDesc> tensors(table.size() / kTensorRow);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const double* row = table.data() + i * kTensorRow;
    TensorDesc& tensor = tensors[i];
    tensor.place = whole(row[0], "tensors: place");
    tensor.offset = whole(row[1], "tensors: byteOffset");
    tensor.dtype = whole(row[2], "tensors: dtype");
    tensor.rank = whole(row[3], "tensors: rank");
    for (int d = 0; d < kMaxRank; ++d) tensor.dims[d] = whole(row[4 + d], "tensors: dimension");
  }
  return tensors;
}

const std::string& name_at(const std::vector<std::string>& names, double index, const char* message) {
  const int64_t i = whole(index, "calls: name");
  if (i < 0 || i >= static_cast<int64_t>(names.size())) throw std::invalid_argument(message);
  return names[static_cast<size_t>(i)];
}

// Rows of [kernel, operands, operand..., outputs, attributes, (name, numbers, number...)...], where kernel
// and name are indexes of `names`.
std::vector<CallDesc> calls_of(const std::vector<double>& table, const std::vector<std::string>& names) {
  std::vector<CallDesc> calls;
  for (Cursor cursor(table); !cursor.done();) {
    CallDesc call;
    call.kernel = name_at(names, cursor.number(), "calls: no such kernel name");
    for (size_t n = cursor.count(); n > 0; --n)
      call.tensors.push_back(whole(cursor.number(), "calls: operand"));
    const int64_t outputs = whole(cursor.number(), "calls: outputs");
    if (outputs < 0) throw std::invalid_argument("calls: a count is negative");
    call.outputs = static_cast<size_t>(outputs);
    for (size_t n = cursor.count(); n > 0; --n) {
      NamedAttr attr;
      attr.name = name_at(names, cursor.number(), "calls: no such attribute name");
      for (size_t i = cursor.count(); i > 0; --i) attr.values.push_back(cursor.number());
      call.attrs.push_back(std::move(attr));
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

Queue queue_of(const std::string& name) {
  if (name == "train") return Queue::train;
  if (name == "predict") return Queue::predict;
  throw std::invalid_argument("queue: expected train or predict");
}

bool is_reference(const std::string& target) {
  if (target != "native" && target != "ref") throw std::invalid_argument("target: expected native or ref");
  return target == "ref";
}

// target, queue, arenaBytes, scalars, buffers, inputs, tensors, names, calls,
// constantCalls, commitStart, outputs
Napi::Value create(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  ProgramDesc desc;
  desc.reference = is_reference(string_from(env, info[0], "target"));
  desc.queue = queue_of(string_from(env, info[1], "queue"));
  desc.arena_bytes = size_from(env, info[2], "arenaBytes");
  desc.scalars = size_from(env, info[3], "scalars");
  for (napi_value buffer : elements_of(env, info[4], "buffers"))
    desc.buffers.push_back(buffer_from(env, buffer));
  for (const double bytes : doubles_from(env, info[5], "inputs")) {
    const int64_t length = whole(bytes, "inputs");
    if (length < 0) throw std::invalid_argument("inputs: a length is negative");
    desc.inputs.push_back(static_cast<size_t>(length));
  }
  desc.tensors = tensors_of(doubles_from(env, info[6], "tensors"));
  std::vector<std::string> names;
  for (napi_value name : elements_of(env, info[7], "names")) names.push_back(string_from(env, name, "name"));
  desc.calls = calls_of(doubles_from(env, info[8], "calls"), names);
  desc.constant_calls = size_from(env, info[9], "constantCalls");
  desc.commit_start = size_from(env, info[10], "commitStart");
  for (const double id : doubles_from(env, info[11], "outputs")) desc.outputs.push_back(whole(id, "outputs"));
  auto program = std::make_shared<Program>(desc);
  for (const TensorView& output : program->outputs()) check_array_length(static_cast<size_t>(output.numel()));
  return wrap_program(env, std::move(program));
}

[[noreturn]] void bad_input(Napi::Env env, const std::string& what, size_t got, size_t expected,
                            const char* unit) {
  throw_error(env, "ERR_TENON_DATA",
              what + ": expected " + std::to_string(expected) + " " + unit + ", got " + std::to_string(got) +
                  (got == 0 ? " (a detached array?)" : ""));
}

// Copies the caller's scalars now, and inputs, unless the caller waits.
std::shared_ptr<ProgramJob> program_job(const Napi::CallbackInfo& info, bool waits) {
  const Napi::Env env = info.Env();
  const ProgramRef program = program_from(env, info[0]);
  const std::vector<napi_value> inputs = elements_of(env, info[1], "inputs");
  const std::vector<double> scalars = doubles_from(env, info[2], "scalars");
  if (inputs.size() != program->inputs().size()) {
    bad_input(env, "inputs", inputs.size(), program->inputs().size(), "arrays");
  }
  if (scalars.size() != program->scalars()) {
    bad_input(env, "scalars", scalars.size(), program->scalars(), "numbers");
  }
  auto job = std::make_shared<ProgramJob>(program);
  if (!scalars.empty()) std::memcpy(job->scalars(), scalars.data(), scalars.size() * sizeof(double));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Bytes bytes = bytes_of(env, inputs[i], "input");
    if (bytes.size != program->inputs()[i]) {
      bad_input(env, "input " + std::to_string(i), bytes.size, program->inputs()[i], "bytes");
    }
    if (bytes.size == 0) continue;
    if (waits)
      job->lend(i, bytes.data);
    else
      std::memcpy(job->input(i), bytes.data, bytes.size);
  }
  return job;
}

napi_property_descriptor own(const char* name, napi_value value) {
  return {name, nullptr, nullptr, nullptr, nullptr, value, napi_default_jsproperty, nullptr};
}

// { outputs, nonfinite }
napi_value make_result(napi_env env, Task& job) {
  const auto& done = static_cast<const ProgramJob&>(job);
  const size_t count = done.outputs().size();
  napi_value result = nullptr, outputs = nullptr, nonfinite = nullptr;
  if (napi_create_object(env, &result) != napi_ok) return nullptr;
  if (napi_create_array_with_length(env, count, &outputs) != napi_ok) return nullptr;
  for (size_t i = 0; i < count; ++i) {
    const Memory& bytes = done.outputs()[i];
    napi_value array = typed_copy(env, done.program().outputs()[i].dtype, bytes.data(), bytes.bytes());
    if (array == nullptr || napi_set_element(env, outputs, static_cast<uint32_t>(i), array) != napi_ok)
      return nullptr;
  }
  if (napi_get_boolean(env, done.nonfinite(), &nonfinite) != napi_ok) return nullptr;
  // Defines the properties instead of setting them: setting would call a setter that a script may have
  // put on Object.prototype.
  const napi_property_descriptor properties[] = {own("outputs", outputs), own("nonfinite", nonfinite)};
  return napi_define_properties(env, result, 2, properties) == napi_ok ? result : nullptr;
}

Napi::Value run(const Napi::CallbackInfo& info) {
  const auto job = program_job(info, false);
  return Environment::of(info.Env()).submit(info.Env(), job->program().queue(), job, make_result);
}

Napi::Value run_sync(const Napi::CallbackInfo& info) {
  const auto job = program_job(info, true);
  return Environment::of(info.Env()).run(info.Env(), job->program().queue(), job, make_result);
}

Napi::Value profile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::vector<CallProfile> calls = program_from(env, info[0])->profile();
  Napi::Array rows = Napi::Array::New(env, calls.size());
  for (size_t i = 0; i < calls.size(); ++i) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("kernel", *calls[i].kernel);
    row.Set("calls", static_cast<double>(calls[i].calls));
    row.Set("nanoseconds", static_cast<double>(calls[i].nanoseconds));
    row.Set("flops", calls[i].flops);
    row.Set("bytes", calls[i].bytes);
    rows.Set(static_cast<uint32_t>(i), row);
  }
  return rows;
}

Napi::Value cancel(const Napi::CallbackInfo& info) {
  Executor::get().cancel_group(program_from(info.Env(), info[0]).get());
  return info.Env().Undefined();
}

Napi::Value dispose(const Napi::CallbackInfo& info) {
  dispose_program(info.Env(), info[0]);
  return info.Env().Undefined();
}

}  // namespace

void export_programs(Napi::Env env, Napi::Object exports) {
  export_function(env, exports, "createProgram", create);
  export_function(env, exports, "runProgram", run);
  export_function(env, exports, "runProgramSync", run_sync);
  export_function(env, exports, "profileProgram", profile);
  export_function(env, exports, "cancelProgram", cancel);
  export_function(env, exports, "disposeProgram", dispose);
}

}  // namespace tenon::addon
