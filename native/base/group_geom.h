// The geometry of a normalization of each sample by groups of its channels: x is [N, positions..., C] with C
// innermost. Group g of a sample is its channels g*run .. g*run+run-1 at every position: one group is layer
// norm, as many groups as channels instance norm.
//
// Tasks and chunks. A sample is cut in blocks of whole positions; a task is one block of one sample, and a
// chunk a fixed number of consecutive tasks that one thread does in order. All are functions of the shape
// alone, and partial results are merged in their order, so that the thread count never shows.
#pragma once

#include <cstdint>

#include "base/tensor.h"

namespace tenon {

class GroupGeom {
 public:
  // Throws std::invalid_argument unless x has rank 2 or more, groups divide its channels, and no
  // group is empty.
  GroupGeom(const TensorView& x, int64_t groups);

  int64_t samples() const { return samples_; }
  int64_t positions() const { return positions_; }
  int64_t channels() const { return channels_; }
  int64_t groups() const { return groups_; }
  // Channels of a group.
  int64_t run() const { return channels_ / groups_; }
  // Values of a group of one sample.
  int64_t count() const { return positions_ * run(); }

  int64_t blocks() const { return blocks_; }  // of a sample
  int64_t tasks() const { return samples_ * blocks_; }
  int64_t chunk() const { return chunk_; }  // tasks
  int64_t chunks() const { return chunks_; }

  int64_t sample(int64_t task) const { return task / blocks_; }
  int64_t task_positions(int64_t task) const {
    const int64_t left = positions_ - task % blocks_ * block_positions_;
    return left < block_positions_ ? left : block_positions_;
  }
  // Where a task's elements begin.
  int64_t offset(int64_t task) const {
    return (sample(task) * positions_ + task % blocks_ * block_positions_) * channels_;
  }

 private:
  int64_t samples_, positions_ = 1, channels_, groups_;
  int64_t block_positions_, blocks_, chunk_, chunks_;
};

}  // namespace tenon
