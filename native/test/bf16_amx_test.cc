// bf16 products through the AMX driver over software tiles: all of it but the instructions themselves.
#include <cstdlib>

#include "test/bf16_cases.h"

int main() {
  using namespace tenon::test;
  set_variable("TENON_BF16", "amx-software");
  CHECK(tenon::bf16_path(tenon::Target::baseline).path == tenon::Bf16Path::amx_software);
  bf16_cases();
  return report();
}
