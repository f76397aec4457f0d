// Where the numbers of a node stand (program.h).
#pragma once

#include "augment/operations.h"

namespace tenon::augment {

inline constexpr int kSequence = -1, kOneOf = -2, kSomeOf = -3;
// How a parameter is drawn.
inline constexpr int kFixed = 0, kUniform = 1, kWhole = 2, kSigned = 3;

// Every node begins with its kind or opcode, then its probability.
inline constexpr int kChance = 1;
// Places in an operation.
inline constexpr int kParameters = 2, kPerParameter = 3;
// Places in the other nodes.
inline constexpr int kLength = 2, kCount = 3, kChildren = 4;
// Places in a `some of`, counted from kChildren.
inline constexpr int kLeast = 0, kMost = 1, kReplace = 2, kSomeNodes = 3;

// The numbers of a node of a program that was checked.
inline int64_t node_length(const double* node) {
  if (node[0] < 0) return kChildren + static_cast<int64_t>(node[kLength]);
  return kParameters + kPerParameter * operation(static_cast<int>(node[0])).parameters;
}

inline const double* child(const double* nodes, int64_t index) {
  for (; index > 0; --index) nodes += node_length(nodes);
  return nodes;
}

}  // namespace tenon::augment
