// bf16 products and convolutions by AVX512-BF16, which a processor with AMX would not choose.
#include <cstdlib>

#include "test/bf16_cases.h"

int main() {
  using namespace tenon;
  using namespace tenon::test;
  if (!is_here(Bf16Path::avx512bf16, Target::avx512)) return std::puts("skipped"), 0;
  set_variable("TENON_BF16", "avx512bf16");
  CHECK(bf16_path(Target::avx512).path == Bf16Path::avx512bf16);
  bf16_cases();
  return report();
}
