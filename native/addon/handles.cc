// Buffer and Program as JavaScript objects.
#include <utility>

#include "addon/values.h"

namespace tenon::addon {
namespace {

template <class T>
struct HandleType;
template <>
struct HandleType<Buffer> {
  static constexpr napi_type_tag tag = {0x5d1f0e0c7a3b4c11, 0x9b6f2d84e1c05a01};
  static constexpr const char* name = "a tenon buffer";
  static constexpr const char* disposed = "this buffer was disposed";
};
template <>
struct HandleType<Program> {
  static constexpr napi_type_tag tag = {0x5d1f0e0c7a3b4c11, 0x9b6f2d84e1c05a02};
  static constexpr const char* name = "a tenon program";
  static constexpr const char* disposed = "this program was disposed";
};

template <class T>
struct Handle {
  std::shared_ptr<T> target;  // null once disposed
  int64_t reported = 0;       // bytes the collector was told of
};

template <class T>
void drop(napi_env env, Handle<T>* handle) {
  handle->target.reset();
  int64_t total = 0;
  napi_adjust_external_memory(env, -std::exchange(handle->reported, 0), &total);
}

template <class T>
Napi::Object wrap(Napi::Env env, std::shared_ptr<T> target, size_t bytes) {
  Napi::Object object = Napi::Object::New(env);
  auto* handle = new Handle<T>{std::move(target), 0};
  const auto finalize = [](napi_env finalize_env, void* data, void*) {
    auto* dead = static_cast<Handle<T>*>(data);
    drop(finalize_env, dead);
    delete dead;
  };
  if (napi_wrap(env, object, handle, finalize, nullptr, nullptr) != napi_ok) {
    delete handle;
    throw Napi::Error::New(env);
  }
  handle->reported = static_cast<int64_t>(bytes);
  int64_t total = 0;
  napi_adjust_external_memory(env, handle->reported, &total);
  if (napi_type_tag_object(env, object, &HandleType<T>::tag) != napi_ok) throw Napi::Error::New(env);
  return object;
}

template <class T>
Handle<T>* unwrap(Napi::Env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  bool tagged = false;
  void* data = nullptr;
  napi_typeof(env, value, &type);
  if (type != napi_object ||
      napi_check_object_type_tag(env, value, &HandleType<T>::tag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(env, value, &data) != napi_ok) {
    throw Napi::TypeError::New(env, std::string("expected ") + HandleType<T>::name);
  }
  return static_cast<Handle<T>*>(data);
}

template <class T>
std::shared_ptr<T> target_of(Napi::Env env, napi_value value) {
  Handle<T>* handle = unwrap<T>(env, value);
  if (!handle->target) throw_error(env, "ERR_TENON_DISPOSED", HandleType<T>::disposed);
  return handle->target;
}

}  // namespace

Napi::Value wrap_buffer(Napi::Env env, BufferRef buffer) {
  const size_t bytes = buffer->memory.bytes();
  Napi::Object object = wrap(env, std::move(buffer), bytes);
  const auto length = Napi::Number::New(env, static_cast<double>(bytes));
  object.DefineProperty(Napi::PropertyDescriptor::Value("byteLength", length, napi_enumerable));
  return object;
}

BufferRef buffer_from(Napi::Env env, napi_value value) { return target_of<Buffer>(env, value); }
void dispose_buffer(Napi::Env env, napi_value value) { drop(env, unwrap<Buffer>(env, value)); }

// An arena and derived values may be shared with other programs; their size is reported for each, since at
// most that is freed with it.
Napi::Value wrap_program(Napi::Env env, ProgramRef program) {
  const size_t bytes = program->arena_bytes() + program->derived_bytes();
  return wrap(env, std::move(program), bytes);
}

ProgramRef program_from(Napi::Env env, napi_value value) { return target_of<Program>(env, value); }
void dispose_program(Napi::Env env, napi_value value) { drop(env, unwrap<Program>(env, value)); }

}  // namespace tenon::addon
