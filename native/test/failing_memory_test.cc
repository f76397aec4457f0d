// Every allocation of the runtime fails once: the first, then the second, ... Whatever was asked for either
// is done or throws std::bad_alloc; every queued job ends; and afterwards all works as before.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>

#include "base/parallel.h"
#include "runtime/derived.h"
#include "runtime/executor.h"
#include "runtime/jobs.h"
#include "runtime/program.h"
#include "test/check.h"

namespace {
std::atomic<int64_t> g_before_failure{-1};  // allocations of any thread that succeed; below 0: all do
std::atomic<bool> g_all_fail{false};        // whether those after the failing one fail, too
std::atomic<bool> g_failed{false};

bool fails() {
  if (g_before_failure.load() < 0) return false;
  if (g_before_failure.fetch_sub(1) > 0) return false;
  g_failed = true;
  if (g_all_fail) g_before_failure = 0;
  return true;
}
}  // namespace

// Not inlined: GCC takes malloc and free inside them for a mismatch.
[[gnu::noinline]] void* operator new(size_t bytes) {
  void* memory = fails() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace tenon {
namespace {

constexpr int64_t kWeights = 48;

// y = (10 w) w: a constant call, whose result the runtime keeps, and one call over it.
ProgramDesc constant_program(const BufferRef& weights, Queue queue) {
  ProgramDesc desc;
  desc.queue = queue;
  desc.buffers = {weights};
  desc.arena_bytes = kWeights * 4;
  for (const int64_t place : {int64_t{0}, int64_t{1}, kArenaPlace}) {
    TensorDesc tensor;
    tensor.place = place;
    tensor.dtype = static_cast<int64_t>(DType::f32);
    tensor.rank = 1;
    tensor.dims[0] = kWeights;
    desc.tensors.push_back(tensor);
  }
  desc.calls.push_back({"affine", {0, 1}, {{"scale", {10}}, {"shift", {0}}}, 1});
  desc.calls.push_back({"mul", {0, 1, 2}, {}, 1});
  desc.constant_calls = 1;
  desc.commit_start = desc.calls.size();
  desc.outputs = {2};
  return desc;
}

BufferRef weights_of(float value) {
  auto weights = std::make_shared<Buffer>(kWeights * 4);
  std::fill_n(reinterpret_cast<float*>(weights->memory.data()), kWeights, value);
  return weights;
}

// Runs the scenario without failures, then with a failure at each of its allocations, until it has none left.
template <class Scenario>
void with_failures(const char* name, Scenario&& scenario) {
  scenario();
  for (const bool all_fail : {false, true}) {
    g_all_fail = all_fail;
    int64_t n = 0;
    do {
      g_failed = false;
      g_before_failure = n++;
      try {
        scenario();
      } catch (const std::bad_alloc&) {
      }
      g_before_failure = -1;
      scenario();
    } while (g_failed);
    CHECK_THAT(n > 1, name);
  }
}

void test_programs() {
  const auto weights = weights_of(2);
  with_failures("programs", [&] {
    const Program program(constant_program(weights, Queue::predict));
    CHECK(program.derived_bytes() == kWeights * 4);
  });
}

// A job that is queued ends, with whatever outcome.
void test_jobs() {
  const auto weights = weights_of(2);
  for (const Queue queue : {Queue::train, Queue::predict}) {
    const auto program = std::make_shared<Program>(constant_program(weights, queue));
    with_failures("jobs", [&] {
      const auto job = std::make_shared<ProgramJob>(program);
      std::atomic<bool> done{false};
      job->done = [&done](Task&) { done = true; };
      Executor::get().submit(queue, job);
      while (!done) std::this_thread::yield();
      float y = 0;
      std::memcpy(&y, job->outputs()[0].data(), sizeof y);
      CHECK(job->outcome == Outcome::no_memory || (job->outcome == Outcome::ok && y == 40));
    });
    with_failures("waiting", [&] { run_and_wait(queue, std::make_shared<ProgramJob>(program)); });
  }
}

class Gate : public Job {
 public:
  void run(Executor&) override {
    started = true;
    while (!cancelled()) std::this_thread::yield();
  }
  std::atomic<bool> started{false};
};

// Cancelling allocates nothing, so that it cannot fail, and no job is lost.
void test_cancelling() {
  const auto weights = weights_of(2);
  const auto train = std::make_shared<Program>(constant_program(weights, Queue::train));
  const auto predict = std::make_shared<Program>(constant_program(weights, Queue::predict));
  const auto gate = std::make_shared<Gate>();
  gate->group = &gate;
  Executor::get().submit(Queue::train, gate);
  while (!gate->started) std::this_thread::yield();
  std::atomic<int> done{0};
  for (int i = 0; i < 20; ++i) {
    const auto job = std::make_shared<ProgramJob>(i % 2 == 0 ? train : predict);
    job->done = [&done](Task&) { done.fetch_add(1); };
    job->owner = i < 16 ? nullptr : &done;
    Executor::get().submit(i % 2 == 0 ? Queue::train : Queue::predict, job);
  }
  g_all_fail = true;
  g_before_failure = 0;
  Executor::get().cancel_owner(&done);
  Executor::get().cancel_group(train.get());
  Executor::get().cancel_group(predict.get());
  Executor::get().cancel_group(&gate);
  g_before_failure = -1;
  CHECK(done == 16);
  run_and_wait(Queue::train, std::make_shared<ProgramJob>(train));
}

class Throws : public Job {
 public:
  void run(Executor&) override { throw std::runtime_error(std::string(1000, 'x')); }
};

// Without memory for the message, the outcome is kept.
void test_messages() {
  with_failures("messages", [] {
    const auto job = std::make_shared<Throws>();
    run_and_wait(Queue::train, job);
    CHECK(job->outcome == Outcome::failed || job->outcome == Outcome::no_memory);
  });
}

// Two blocks that wait for each other: only a team of two can do it at once.
bool two_at_once() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    std::atomic<int> inside{0};
    std::atomic<bool> met{false};
    parallel_for(2, [&](int64_t) {
      inside.fetch_add(1);
      for (int i = 0; i < 100'000 && !met; ++i) {
        if (inside == 2) met = true;
      }
    });
    if (met) return true;
  }
  return false;
}

// A team that gets no memory for another thread works with those it has, and hires later.
void test_team() {
  set_num_threads(2);
  g_all_fail = true;
  g_before_failure = 0;
  std::atomic<int> blocks{0};
  parallel_for(8, [&](int64_t) { blocks.fetch_add(1); });
  g_before_failure = -1;
  CHECK(blocks == 8);
  CHECK(two_at_once());
  set_num_threads(1);
}

}  // namespace
}  // namespace tenon

int main() {
  std::thread([] {  // what fails here may be a lock that is never given back
    std::this_thread::sleep_for(std::chrono::minutes(5));
    std::abort();
  })
      .detach();
  tenon::test_team();
  tenon::test_programs();
  tenon::test_jobs();
  tenon::test_cancelling();
  tenon::test_messages();
  return tenon::test::report();
}
