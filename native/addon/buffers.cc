// Doors to buffers: allocate, dispose, write, fill, read.
#include <cstring>
#include <memory>

#include "addon/values.h"
#include "runtime/jobs.h"

namespace tenon::addon {
namespace {

napi_value make_undefined(napi_env env, Task&) {
  napi_value undefined = nullptr;
  return napi_get_undefined(env, &undefined) == napi_ok ? undefined : nullptr;
}

napi_value make_array(napi_env env, Task& job) {
  const auto& read = static_cast<const ReadJob&>(job);
  return typed_copy(env, read.dtype(), read.copy().data(), read.copy().bytes());
}

void check_range(Napi::Env env, const Buffer& buffer, size_t offset, size_t bytes) {
  if (holds(buffer, offset, bytes)) return;
  throw Napi::RangeError::New(env, std::to_string(bytes) + " bytes at " + std::to_string(offset) +
                                       " do not fit a buffer of " + std::to_string(buffer.memory.bytes()));
}

Napi::Value allocate(const Napi::CallbackInfo& info) {
  return wrap_buffer(info.Env(), std::make_shared<Buffer>(size_from(info.Env(), info[0], "byteLength")));
}

Napi::Value dispose(const Napi::CallbackInfo& info) {
  dispose_buffer(info.Env(), info[0]);
  return info.Env().Undefined();
}

// Copies the caller's bytes now; they land in the buffer when the queue reaches the job.
std::shared_ptr<WriteJob> write_job(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const BufferRef buffer = buffer_from(env, info[0]);
  const size_t offset = size_from(env, info[1], "byteOffset");
  const Bytes bytes = bytes_of(env, info[2], "data");
  check_range(env, *buffer, offset, bytes.size);
  auto source = std::make_shared<Buffer>(bytes.size, MemoryKind::staging);
  if (bytes.size != 0) std::memcpy(source->memory.data(), bytes.data, bytes.size);
  return std::make_shared<WriteJob>(buffer, offset, std::move(source));
}

Napi::Value submit_write(Napi::Env env, const std::shared_ptr<WriteJob>& job) {
  return Environment::of(env).submit(env, Queue::train, job, make_undefined, [&](uint64_t ticket) {
    job->buffer().last_write.store(ticket, std::memory_order_relaxed);
  });
}

Napi::Value write(const Napi::CallbackInfo& info) { return submit_write(info.Env(), write_job(info)); }

// The same from a buffer that the caller filled in slices and no longer writes to.
Napi::Value write_from(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const BufferRef buffer = buffer_from(env, info[0]);
  const size_t offset = size_from(env, info[1], "byteOffset");
  BufferRef source = buffer_from(env, info[2]);
  check_range(env, *buffer, offset, source->memory.bytes());
  return submit_write(env, std::make_shared<WriteJob>(buffer, offset, std::move(source)));
}

Napi::Value write_sync(const Napi::CallbackInfo& info) {
  const auto job = write_job(info);
  return Environment::of(info.Env()).run(info.Env(), Queue::train, job, make_undefined);
}

Napi::Value fill_now(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const BufferRef buffer = buffer_from(env, info[0]);
  const size_t offset = size_from(env, info[1], "byteOffset");
  const Bytes bytes = bytes_of(env, info[2], "data");
  check_range(env, *buffer, offset, bytes.size);
  if (bytes.size != 0) std::memcpy(buffer->memory.data() + offset, bytes.data, bytes.size);
  buffer->changed();
  return env.Undefined();
}

std::shared_ptr<ReadJob> read_job(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const BufferRef buffer = buffer_from(env, info[0]);
  const size_t offset = size_from(env, info[1], "byteOffset");
  const DType dtype = dtype_from(env, info[2]);
  size_t bytes = 0;
  const size_t count = size_from(env, info[3], "count");
  if (!checked_multiply(count, size_of(dtype), &bytes)) bytes = SIZE_MAX;
  check_range(env, *buffer, offset, bytes);
  check_array_length(count);
  return std::make_shared<ReadJob>(buffer, offset, bytes, dtype);
}

Napi::Value read(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).submit(info.Env(), Queue::train, read_job(info), make_array);
}

Napi::Value read_sync(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).run(info.Env(), Queue::train, read_job(info), make_array);
}

}  // namespace

void export_buffers(Napi::Env env, Napi::Object exports) {
  export_function(env, exports, "allocate", allocate);
  export_function(env, exports, "disposeBuffer", dispose);
  export_function(env, exports, "writeBuffer", write);
  export_function(env, exports, "writeBufferFrom", write_from);
  export_function(env, exports, "writeBufferSync", write_sync);
  export_function(env, exports, "fillBufferNow", fill_now);
  export_function(env, exports, "readBuffer", read);
  export_function(env, exports, "readBufferSync", read_sync);
}

}  // namespace tenon::addon
