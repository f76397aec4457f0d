// Converts JavaScript values to plain ones and checks each of them: nothing a caller passes is trusted.
#pragma once

#include <string>
#include <vector>

#include "addon/environment.h"
#include "base/tensor.h"
#include "runtime/buffer.h"
#include "runtime/program.h"

namespace tenon::addon {

// The bytes of a typed array or DataView. Valid until JavaScript runs again.
struct Bytes {
  const std::byte* data = nullptr;
  size_t size = 0;
};

// Each throws a TypeError or RangeError that names `what`.
Bytes bytes_of(Napi::Env env, napi_value value, const char* what);
double number_from(Napi::Env env, napi_value value, const char* what);
size_t size_from(Napi::Env env, napi_value value, const char* what);  // a whole number from 0 to 2^53 - 1
std::string string_from(Napi::Env env, napi_value value, const char* what);
std::vector<double> doubles_from(Napi::Env env, napi_value value, const char* what);  // of a Float64Array
std::vector<napi_value> elements_of(Napi::Env env, napi_value value, const char* what);
DType dtype_from(Napi::Env env, napi_value value);

// A whole number of at most 53 bits; throws std::invalid_argument.
int64_t whole(double value, const char* what);

// Throws std::invalid_argument where a typed array cannot have so many elements.
void check_array_length(size_t elements);

// A typed array of this dtype (bf16: Uint16Array) with a copy of the bytes; null when the environment cannot
// make one.
napi_value typed_copy(napi_env env, DType dtype, const std::byte* data, size_t bytes);

// Handles: objects with a type tag that wrap native state. A wrong object throws a TypeError, and a disposed
// one ERR_TENON_DISPOSED. The garbage collector frees handles that nobody disposed.
Napi::Value wrap_buffer(Napi::Env env, BufferRef buffer);
BufferRef buffer_from(Napi::Env env, napi_value value);
void dispose_buffer(Napi::Env env, napi_value value);
Napi::Value wrap_program(Napi::Env env, ProgramRef program);
ProgramRef program_from(Napi::Env env, napi_value value);
void dispose_program(Napi::Env env, napi_value value);

// The doors, by file.
void export_buffers(Napi::Env env, Napi::Object exports);
void export_programs(Napi::Env env, Napi::Object exports);
void export_distributed(Napi::Env env, Napi::Object exports);
void export_system(Napi::Env env, Napi::Object exports);

// Exports fn with C++ exceptions turned into JavaScript errors with a code.
void export_function(Napi::Env env, Napi::Object exports, const char* name,
                     Napi::Value (*fn)(const Napi::CallbackInfo&));

}  // namespace tenon::addon
