// What tenon asks of the operating system, on the one that runs the test.
#include "base/system.h"

#include <atomic>
#include <thread>

#include "test/check.h"

namespace tenon {
namespace {

void test_pages() {
  for (const size_t bytes : {size_t{1}, size_t{4096}, size_t{65537}, size_t{2} << 20, size_t{5} << 20}) {
    std::byte* pages = map_pages(bytes);
    if (!CHECK(pages != nullptr)) continue;
    CHECK(reinterpret_cast<uintptr_t>(pages) % test::page_size() == 0);
    CHECK(std::all_of(pages, pages + bytes, [](std::byte b) { return b == std::byte{0}; }));
    std::fill_n(pages, bytes, std::byte{1});
    unmap_pages(pages, bytes);
  }
  CHECK(map_pages(size_t{1} << 60) == nullptr);
  CHECK(system_memory().physical > 0x1p26);
  CHECK(system_memory().swap >= 0);
}

void test_processors() {
  const Processors usable = usable_processors();
  CHECK(usable.cpus >= 1);
  CHECK(usable.cores >= 1 && usable.cores <= usable.cpus);
}

// Half of the stack that the thread was promised: the system, and ThreadSanitizer, keep data of theirs in it.
constexpr size_t kFilled = kThreadStack / 2;

uint64_t fill_stack() {
  volatile char block[kFilled];
  for (size_t i = 0; i < sizeof block; i += 512) block[i] = static_cast<char>(i / 512);
  uint64_t sum = 0;
  for (size_t i = 0; i < sizeof block; i += 512) sum += block[i] == static_cast<char>(i / 512) ? 1 : 0;
  return sum * 512;
}

void test_threads() {
  std::atomic<uint64_t> filled{0}, stack{0};
  start_thread([&] {
    stack = thread_stack();
    filled = fill_stack();
  });
  while (filled == 0) std::this_thread::yield();
  CHECK(filled == kFilled);
  CHECK(stack >= kFilled && stack < 4 * kThreadStack);
}

void test_variables() {
  CHECK(environment_variable("TENON_SYSTEM_TEST").empty());
  for (const std::string& value : {std::string("a b"), std::string(127, 'x'), std::string(5000, 'y')}) {
    test::set_variable("TENON_SYSTEM_TEST", value.c_str());
    CHECK(environment_variable("TENON_SYSTEM_TEST") == value);
  }
}

}  // namespace
}  // namespace tenon

int main() {
  tenon::test_pages();
  tenon::test_processors();
  tenon::test_threads();
  tenon::test_variables();
  return tenon::test::report();
}
