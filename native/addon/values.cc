#include "addon/values.h"

#include <cmath>
#include <cstring>
#include <new>
#include <stdexcept>

namespace tenon::addon {
namespace {
constexpr double kLargestWhole = 9007199254740991.0;  // 2^53 - 1

[[noreturn]] void type_error(Napi::Env env, const char* what, const char* expected) {
  throw Napi::TypeError::New(env, std::string(what) + ": expected " + expected);
}

size_t element_size(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array:
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return 1;
    case napi_int16_array:
    case napi_uint16_array:
      return 2;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      return 4;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      return 8;
    default:
      return 0;
  }
}

napi_typedarray_type array_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return napi_float32_array;
    case DType::bf16:
      return napi_uint16_array;
    case DType::f64:
      return napi_float64_array;
    case DType::i32:
      return napi_int32_array;
    case DType::u8:
      break;
  }
  return napi_uint8_array;
}

}  // namespace

Bytes bytes_of(Napi::Env env, napi_value value, const char* what) {
  bool typed = false, view = false;
  napi_is_typedarray(env, value, &typed);
  if (!typed) napi_is_dataview(env, value, &view);
  void* data = nullptr;
  size_t length = 0;
  if (typed) {
    napi_typedarray_type type = napi_uint8_array;
    if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) == napi_ok) {
      if (element_size(type) == 0) type_error(env, what, "a typed array of a known element type");
      return {static_cast<const std::byte*>(data), data == nullptr ? 0 : length * element_size(type)};
    }
  } else if (view) {
    if (napi_get_dataview_info(env, value, &length, &data, nullptr, nullptr) == napi_ok) {
      return {static_cast<const std::byte*>(data), data == nullptr ? 0 : length};
    }
  }
  type_error(env, what, "a typed array");
}

double number_from(Napi::Env env, napi_value value, const char* what) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok) type_error(env, what, "a number");
  return number;
}

size_t size_from(Napi::Env env, napi_value value, const char* what) {
  const double number = number_from(env, value, what);
  if (!(number >= 0 && number <= kLargestWhole && number == std::floor(number))) {
    throw Napi::RangeError::New(env, std::string(what) + ": expected a whole number from 0 to 2^53 - 1");
  }
  return static_cast<size_t>(number);
}

std::string string_from(Napi::Env env, napi_value value, const char* what) {
  char text[128];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, text, sizeof text, &length) != napi_ok)
    type_error(env, what, "a string");
  return std::string(text, length);  // longer strings are cut: names are shorter
}

std::vector<double> doubles_from(Napi::Env env, napi_value value, const char* what) {
  bool typed = false;
  napi_is_typedarray(env, value, &typed);
  napi_typedarray_type type = napi_uint8_array;
  void* data = nullptr;
  size_t length = 0;
  if (!typed || napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array) {
    type_error(env, what, "a Float64Array");
  }
  std::vector<double> doubles(data == nullptr ? 0 : length);
  if (!doubles.empty()) std::memcpy(doubles.data(), data, doubles.size() * sizeof(double));
  return doubles;
}

std::vector<napi_value> elements_of(Napi::Env env, napi_value value, const char* what) {
  bool array = false;
  uint32_t length = 0;
  napi_is_array(env, value, &array);
  if (!array || napi_get_array_length(env, value, &length) != napi_ok) type_error(env, what, "an array");
  std::vector<napi_value> elements;
  for (uint32_t i = 0; i < length; ++i) {
    napi_value element = nullptr;
    if (napi_get_element(env, value, i, &element) != napi_ok) throw Napi::Error::New(env);
    elements.push_back(element);
  }
  return elements;
}

DType dtype_from(Napi::Env env, napi_value value) {
  const std::string name = string_from(env, value, "dtype");
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64, DType::u8, DType::i32}) {
    if (name == name_of(dtype)) return dtype;
  }
  type_error(env, "dtype", "one of f32, bf16, f64, u8, i32");
}

int64_t whole(double value, const char* what) {
  if (!(std::fabs(value) <= kLargestWhole && value == std::floor(value))) {
    throw std::invalid_argument(std::string(what) + ": expected a whole number");
  }
  return static_cast<int64_t>(value);
}

namespace {

// Node-API ends the process when it cannot allocate an array, so the same amount is allocated and freed
// first. A constructor looked up by name would throw instead, but a script can replace it.
bool has_room(size_t bytes) {
  constexpr size_t kLarge = size_t{1} << 20;
  if (bytes < kLarge) return true;
  try {
    const Memory room(bytes, MemoryKind::staging);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace

void check_array_length(size_t elements) {
  constexpr size_t kLongest = size_t{1} << 32;  // V8's limit in Node 20, past which it ends the process
  if (elements <= kLongest) return;
  throw std::invalid_argument(std::to_string(elements) + " elements are more than one typed array holds (" +
                              std::to_string(kLongest) + ")");
}

napi_value typed_copy(napi_env env, DType dtype, const std::byte* data, size_t bytes) {
  void* copy = nullptr;
  napi_value memory = nullptr, array = nullptr;
  if (!has_room(bytes) || napi_create_arraybuffer(env, bytes, &copy, &memory) != napi_ok) return nullptr;
  if (bytes != 0) {
    if (copy == nullptr) return nullptr;
    std::memcpy(copy, data, bytes);
  }
  if (napi_create_typedarray(env, array_type(dtype), bytes / size_of(dtype), memory, 0, &array) != napi_ok) {
    return nullptr;
  }
  return array;
}

// Exceptions of the runtime become errors with a code; those of node-addon-api pass as they are.
void export_function(Napi::Env env, Napi::Object exports, const char* name,
                     Napi::Value (*fn)(const Napi::CallbackInfo&)) {
  const auto guarded = [](const Napi::CallbackInfo& info) -> Napi::Value {
    using Door = Napi::Value (*)(const Napi::CallbackInfo&);
    try {
      return reinterpret_cast<Door>(info.Data())(info);
    } catch (const Napi::Error&) {
      throw;
    } catch (const OutOfMemory& error) {
      throw_error(info.Env(), "ERR_TENON_MEMORY", error.what());
    } catch (const std::bad_alloc&) {
      throw_error(info.Env(), "ERR_TENON_MEMORY", "out of memory");
    } catch (const std::exception& error) {
      throw_error(info.Env(), "ERR_TENON_NATIVE", error.what());
    }
  };
  exports.Set(name, Napi::Function::New(env, guarded, name, reinterpret_cast<void*>(fn)));
}

}  // namespace tenon::addon
