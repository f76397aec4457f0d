// Philox4x32-10 against the known answers of its authors (Random123, kat_vectors), and the uniform numbers
// made of it.
#include "base/philox.h"
#include "test/check.h"

namespace tenon {
namespace {

struct KnownAnswer {
  uint32_t counter[4], key[2], expected[4];
};

constexpr KnownAnswer kKnown[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

void test_known_answers() {
  for (const KnownAnswer& known : kKnown) {
    const uint32_t* c = known.counter;
    const PhiloxBlock block = philox(known.key[0], known.key[1], c[0], c[1], c[2], c[3]);
    for (int i = 0; i < 4; ++i) CHECK(block.v[i] == known.expected[i]);
  }
}

void test_uniform() {
  CHECK(philox_uniform(0) == 0.0);
  CHECK(philox_uniform(0xffffffff) < 1.0);
  CHECK(static_cast<float>(philox_uniform(0xffffffff)) < 1.0f);
  double sum = 0, squares = 0;
  constexpr int kBlocks = 50000;
  for (uint32_t i = 0; i < kBlocks; ++i) {
    const PhiloxBlock block = philox(1, 2, i, 0, 3, 4);
    for (const uint32_t word : block.v) {
      const double u = philox_uniform(word);
      CHECK(u == static_cast<double>(static_cast<float>(u)));
      sum += u - 0.5;
      squares += (u - 0.5) * (u - 0.5);
    }
  }
  CHECK(std::abs(sum / (4 * kBlocks)) < 0.003);  // four standard deviations
  CHECK(std::abs(squares / (4 * kBlocks) - 1.0 / 12) < 0.001);
}

}  // namespace
}  // namespace tenon

int main() {
  tenon::test_known_answers();
  tenon::test_uniform();
  return tenon::test::report();
}
