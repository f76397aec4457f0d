// What the executor can be asked to do: run a program, write a buffer, read a buffer.
#pragma once

#include <utility>
#include <vector>

#include "runtime/buffer.h"
#include "runtime/executor.h"
#include "runtime/program.h"

namespace tenon {

// One run of a program. The caller fills in the scalars, and copies each input or lends it,
// before it submits.
class ProgramJob : public Job {
 public:
  explicit ProgramJob(ProgramRef program);
  ~ProgramJob() override;

  void run(Executor& executor) override;

  double* scalars() const { return reinterpret_cast<double*>(staging_.data()); }
  std::byte* input(size_t i) const { return staging_.data() + program_->input_offset(i); }
  // Reads input `i` where it lies, instead of input(i), and never writes there. It stays until the
  // run is over.
  void lend(size_t i, const std::byte* data) { inputs_[i] = data; }

  const Program& program() const { return *program_; }
  const std::vector<Memory>& outputs() const { return outputs_; }
  bool nonfinite() const { return state_.nonfinite; }

 private:
  ProgramRef program_;
  Memory staging_;
  std::vector<const std::byte*> inputs_;
  std::vector<Memory> outputs_;
  RunState state_;
};

// Copies a staged block into a buffer.
class WriteJob : public Job {
 public:
  WriteJob(BufferRef buffer, size_t offset, BufferRef source)
      : buffer_(std::move(buffer)), offset_(offset), source_(std::move(source)) {}

  void run(Executor& executor) override;
  Buffer& buffer() const { return *buffer_; }

 private:
  BufferRef buffer_;
  size_t offset_;
  BufferRef source_;
};

class ReadJob : public Job {
 public:
  ReadJob(BufferRef buffer, size_t offset, size_t bytes, DType dtype)
      : buffer_(std::move(buffer)), offset_(offset), dtype_(dtype), copy_(bytes, MemoryKind::staging) {}

  void run(Executor& executor) override;
  const Memory& copy() const { return copy_; }
  DType dtype() const { return dtype_; }

 private:
  BufferRef buffer_;
  size_t offset_;
  DType dtype_;
  Memory copy_;
};

}  // namespace tenon
