// The runtime without Node: memory, arenas, programs, and the order in which the executor takes jobs.
#include <cstring>
#include <functional>
#include <new>
#include <thread>

#include "base/clock.h"
#include "base/memory.h"
#include "runtime/executor.h"
#include "runtime/jobs.h"
#include "runtime/program.h"
#include "test/check.h"

namespace tenon {
namespace {

TensorDesc tensor(int64_t place, int64_t offset, DType dtype, const test::Dims& dims) {
  TensorDesc desc;
  desc.place = place;
  desc.offset = offset;
  desc.dtype = static_cast<int64_t>(dtype);
  desc.rank = static_cast<int64_t>(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) desc.dims[i] = dims[i];
  return desc;
}

// counter += 1, `repeat` times, over the buffer's floats.
ProgramDesc counting(const BufferRef& buffer, int repeat) {
  const int64_t n = static_cast<int64_t>(buffer->memory.bytes() / 4);
  ProgramDesc desc;
  desc.buffers = {buffer};
  desc.arena_bytes = 256;
  desc.tensors = {tensor(0, 0, DType::f32, {n}), tensor(kArenaPlace, 0, DType::f32, {n})};
  for (int i = 0; i < repeat; ++i)
    desc.calls.push_back({"affine", {0, 0}, {{"scale", {1}}, {"shift", {1}}}, 1});
  desc.tensors.pop_back();
  desc.commit_start = desc.calls.size();
  desc.outputs = {0};
  return desc;
}

float first_float(const Memory& memory) {
  float value = 0;
  std::memcpy(&value, memory.data(), sizeof value);
  return value;
}

void test_memory() {
  constexpr size_t kHugePage = size_t{2} << 20;
  for (const size_t bytes : {size_t{1}, size_t{63}, size_t{65535}, size_t{65536}, kHugePage / 4 * 3 - 1,
                             kHugePage / 4 * 3, kHugePage + 5000, 2 * kHugePage - 5000, 4 * kHugePage}) {
    const size_t before = live_bytes(MemoryKind::buffer);
    {
      Memory memory(bytes, MemoryKind::buffer);
      CHECK(live_bytes(MemoryKind::buffer) == before + bytes);
      const auto address = reinterpret_cast<uintptr_t>(memory.data());
      CHECK(address % kAlignment == 0);
#ifdef __linux__
      CHECK(address % kHugePage == 0 || bytes < kHugePage / 4 * 3);
#endif
      CHECK(std::all_of(memory.data(), memory.data() + bytes, [](std::byte b) { return b == std::byte{0}; }));
      Memory moved = std::move(memory);
      CHECK(memory.data() == nullptr && moved.bytes() == bytes);  // NOLINT: the moved-from state is specified
    }
    CHECK(live_bytes(MemoryKind::buffer) == before);
  }
  for (const size_t bytes : {memory_limit() + 1, size_t{1} << 45, SIZE_MAX, SIZE_MAX - 100}) {
    std::string refusal;
    try {
      Memory memory(bytes, MemoryKind::buffer);
    } catch (const OutOfMemory& error) {
      refusal = error.what();
    }
    CHECK(refusal.find(std::to_string(bytes) + " bytes were asked for") != std::string::npos);
    CHECK(refusal.find("may have " + std::to_string(memory_limit())) != std::string::npos);
  }
  size_t result = 7;
  CHECK(!checked_multiply(SIZE_MAX, 2, &result) && result == 7);
  CHECK(!checked_add(SIZE_MAX, 1, &result) && !checked_align(SIZE_MAX, &result));
  CHECK(checked_align(65, &result) && result == 128);
}

bool runs(Arena::Claim& claim) {
  try {
    const Arena::Run run(claim);
    return run.data() != nullptr;
  } catch (const OutOfMemory&) {
    return false;
  }
}

void test_arena() {
  Arena arena;
  auto small = std::make_unique<Arena::Claim>(arena, 1000);
  auto large = std::make_unique<Arena::Claim>(arena, 1 << 20);
  CHECK(arena.bytes() == 0);
  CHECK(runs(*small) && arena.bytes() == 1000);  // what this one needs, however large another
  {
    const Arena::Run run(*large);
    CHECK(run.data() != nullptr && arena.bytes() == 1 << 20);
    large.reset();
    CHECK(arena.bytes() == 1 << 20);  // in use
  }
  CHECK(arena.bytes() == 0 && runs(*small) && arena.bytes() == 1000);

  auto oversized = std::make_unique<Arena::Claim>(arena, memory_limit() + 1);
  const size_t live = live_bytes(MemoryKind::arena);
  for (int i = 0; i < 3; ++i) {
    CHECK(!runs(*oversized) && runs(*small) && arena.bytes() == 1000);
    CHECK(live_bytes(MemoryKind::arena) == live);
  }
  oversized.reset();
  CHECK(arena.bytes() == 1000);
  small.reset();
  CHECK(arena.bytes() == 0);
}

// A program that gets no memory fails with a message that says why, and no other program notices.
void test_oversized_program() {
  const auto buffer = std::make_shared<Buffer>(64);
  const auto program = std::make_shared<Program>(counting(buffer, 1));
  ProgramDesc desc = counting(buffer, 1);
  desc.arena_bytes = memory_limit() + 1;
  const auto oversized = std::make_shared<Program>(desc);
  for (int i = 1; i <= 3; ++i) {
    const auto failed = std::make_shared<ProgramJob>(oversized), job = std::make_shared<ProgramJob>(program);
    run_and_wait(Queue::train, failed);
    CHECK(failed->outcome == Outcome::no_memory &&
          failed->message.find("bytes were asked for") != std::string::npos);
    run_and_wait(Queue::train, job);
    CHECK(job->outcome == Outcome::ok && first_float(job->outputs()[0]) == static_cast<float>(i));
  }
}

JobRef finished_into(JobRef job, std::vector<std::string>* log, std::mutex* mutex, const char* name) {
  job->done = [=](Task&) {
    const std::lock_guard lock(*mutex);
    log->push_back(name);
  };
  return job;
}

// Blocks the executor until opened: what is queued meanwhile is taken in a known order.
class Blocker : public Job {
 public:
  void run(Executor& executor) override {
    started = true;
    while (!open.load()) {
      if (serve) executor.serve_predictions(nanoseconds_now());
      std::this_thread::yield();
      if (cancelled()) break;
    }
  }
  std::atomic<bool> started{false}, open{false};
  bool serve = false;
};

void test_program_runs() {
  const auto buffer = std::make_shared<Buffer>(64);
  const auto program = std::make_shared<Program>(counting(buffer, 5));
  for (int i = 1; i <= 3; ++i) {
    const auto job = std::make_shared<ProgramJob>(program);
    run_and_wait(Queue::train, job);
    CHECK(job->outcome == Outcome::ok);
    CHECK(first_float(job->outputs()[0]) == 5.0f * static_cast<float>(i));
  }
  CHECK(program->profile().size() == 5 && program->profile()[4].calls == 3);
}

void test_order() {
  Executor& executor = Executor::get();
  std::vector<std::string> log;
  std::mutex mutex;
  const auto buffer = std::make_shared<Buffer>(64), other = std::make_shared<Buffer>(64);
  ProgramDesc desc = counting(buffer, 1);
  const auto train = std::make_shared<Program>(desc);
  desc.queue = Queue::predict;
  const auto predict = std::make_shared<Program>(desc);
  const auto blocker = std::make_shared<Blocker>();
  executor.submit(Queue::train, blocker);
  while (!blocker->started) std::this_thread::yield();

  const auto queue = [&](Queue where, const JobRef& job, const char* name) {
    executor.submit(where, finished_into(job, &log, &mutex, name));
  };
  queue(Queue::train, std::make_shared<ProgramJob>(train), "train");
  queue(Queue::predict, std::make_shared<ProgramJob>(predict), "predict");
  const auto write = std::make_shared<WriteJob>(buffer, 0, std::make_shared<Buffer>(64));
  executor.submit(Queue::train, finished_into(write, &log, &mutex, "write"),
                  [&](uint64_t ticket) { buffer->last_write = ticket; });
  queue(Queue::predict, std::make_shared<ProgramJob>(predict), "predict after write");
  queue(Queue::train, std::make_shared<ProgramJob>(train), "train again");
  blocker->open = true;
  run_and_wait(Queue::train, std::make_shared<ProgramJob>(train));
  const std::vector<std::string> expected = {"predict", "train", "write", "predict after write",
                                             "train again"};
  CHECK(log == expected);
}

void test_predictions_inside_training() {
  const auto buffer = std::make_shared<Buffer>(64);
  ProgramDesc desc = counting(buffer, 1);
  desc.queue = Queue::predict;
  const auto predict = std::make_shared<Program>(desc);
  const auto blocker = std::make_shared<Blocker>();
  blocker->serve = true;
  Executor::get().submit(Queue::train, blocker);
  run_and_wait(Queue::predict, std::make_shared<ProgramJob>(predict));  // while the blocker still runs
  CHECK(!blocker->open);
  blocker->open = true;
}

void test_share_arithmetic() {
  PredictionShare half;
  CHECK(half.get() == 0.5 && half.allows());
  half.spend(20'000'000);  // 5 ms were there from the beginning: 15 ms overdrawn
  CHECK(!half.allows());
  for (int i = 0; i < 15; ++i) {
    CHECK(!half.allows());
    half.earn(1'000'001);
  }
  CHECK(half.allows());
  for (int i = 0; i < 1000; ++i) half.earn(1'000'000);  // a second without predictions is worth a burst
  half.spend(5'000'001);
  CHECK(!half.allows());
  half.earn(100'000'000);  // what one long kernel earns is kept whole
  half.spend(90'000'000);
  CHECK(half.allows());

  PredictionShare quarter;
  quarter.set(0.25);
  quarter.spend(6'000'000);
  quarter.earn(2'900'000);
  CHECK(!quarter.allows());
  quarter.earn(200'000);
  CHECK(quarter.allows());
  PredictionShare all;
  all.set(1);
  all.spend(uint64_t{1} << 60);
  CHECK(all.allows());
}

template <class Change>
bool refused_share(Change&& change) {
  try {
    change();
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

void test_share_values() {
  PredictionShare share;
  for (const double bad : {0.0, -0.5, 1.01, std::nan(""), std::numeric_limits<double>::infinity()})
    CHECK(refused_share([&] { share.set(bad); }) && share.get() == 0.5);
  CHECK(parse_prediction_share("0.25") == 0.25 && parse_prediction_share("1") == 1);
  for (const char* bad : {"", "0", "-1", "1.5", "0.5x", " 0.5", "0.5 ", "0,5", "nan", "inf", "half"})
    CHECK_THAT(refused_share([&] { parse_prediction_share(bad); }), bad);
}

// Takes a while, and says from when to when.
class Busy : public Job {
 public:
  explicit Busy(int intervals) : intervals_(intervals) {}
  void run(Executor& executor) override {
    begin = nanoseconds_now();
    if (on_begin) on_begin();
    for (int i = 0; (i < intervals_ || (goes_on && goes_on())) && !cancelled(); ++i) {
      for (const uint64_t start = nanoseconds_now(); nanoseconds_now() - start < 200'000;)
        std::this_thread::yield();
      if (intervals_ > 1) executor.serve_predictions(nanoseconds_now());
    }
    end = nanoseconds_now();
  }
  // On the executor's thread.
  std::function<void()> on_begin;
  std::function<bool()> goes_on;  // beyond its intervals
  uint64_t begin = 0, end = 0;

 private:
  const int intervals_;
};

// Predictions that never cease: each is queued again when it is done, until the flood is to end.
class Flood {
 public:
  explicit Flood(int callers) {
    for (int i = 0; i < callers; ++i) queue();
  }
  ~Flood() {
    ending = true;
    while (waiting != 0) std::this_thread::yield();
  }
  std::atomic<bool> ending{false};
  std::atomic<int> waiting{0}, done{0};
  std::atomic<uint64_t> took{0}, longest{0};

 private:
  void queue() {
    const auto job = std::make_shared<Busy>(1);
    job->done = [this](Task& finished) {
      const auto& job = static_cast<const Busy&>(finished);
      const uint64_t nanoseconds = job.end - job.begin;
      took.fetch_add(nanoseconds);
      longest = std::max(longest.load(), nanoseconds);
      done.fetch_add(1);
      if (!ending) queue();
      waiting.fetch_sub(1);
    };
    waiting.fetch_add(1);
    Executor::get().submit(Queue::predict, job);
  }
};

// However many predictions there are, training gets its part, and they get theirs. All is measured on the
// executor's thread, whatever else the machine does, and steps wait in the queue until the last one runs.
void test_share_of_the_executor() {
  Executor& executor = Executor::get();
  for (const double share : {0.5, 0.2}) {
    executor.set_prediction_share(share);
    uint64_t predicted = 0;
    int done = 0;
    std::atomic<bool> submitted{false};
    std::vector<std::shared_ptr<Busy>> steps;
    for (int i = 0; i < 4; ++i) steps.push_back(std::make_shared<Busy>(50));
    const Flood flood(8);
    steps.front()->on_begin = [&] {
      predicted = flood.took;
      done = flood.done;
      while (!submitted) std::this_thread::yield();
    };
    double longest = 0;
    steps.back()->goes_on = [&] { return flood.done == done; };
    steps.back()->done = [&](Task&) {
      predicted = flood.took - predicted;
      longest = static_cast<double>(flood.longest);
    };
    const uint64_t begin = nanoseconds_now();
    for (const auto& step : steps) executor.submit(Queue::train, step);
    submitted = true;
    run_and_wait(Queue::train, std::make_shared<Busy>(1));
    const double trained = static_cast<double>(steps.back()->end - begin - predicted);
    const double allowed = trained * share / (1 - share) + PredictionShare::kBurst + longest;
    CHECK_THAT(static_cast<double>(predicted) <= allowed,
               std::to_string(static_cast<double>(predicted) / allowed));
  }
  executor.set_prediction_share(PredictionShare::kDefault);
}

// A step that is cancelled ends after the prediction that is running, though others wait and may go first.
void test_abort_among_predictions() {
  Executor& executor = Executor::get();
  executor.set_prediction_share(1);
  const auto step = std::make_shared<Busy>(1 << 30);
  step->group = step.get();
  std::atomic<int> done_at_end{-1};
  const Flood flood(8);
  step->done = [&](Task&) { done_at_end = flood.done.load(); };
  executor.submit(Queue::train, step);
  while (flood.done < 50) std::this_thread::yield();
  CHECK(done_at_end < 0);
  executor.cancel_group(step.get());
  const int done = flood.done;  // not before: this thread may have slept since then
  while (done_at_end < 0) std::this_thread::yield();
  CHECK_THAT(done_at_end - done <= 1, std::to_string(done_at_end - done));
  executor.set_prediction_share(PredictionShare::kDefault);
}

void test_cancel() {
  Executor& executor = Executor::get();
  const auto buffer = std::make_shared<Buffer>(64);
  const auto program = std::make_shared<Program>(counting(buffer, 1));
  const auto blocker = std::make_shared<Blocker>();
  blocker->group = &executor;
  executor.submit(Queue::train, blocker);
  std::vector<std::shared_ptr<ProgramJob>> jobs;
  std::atomic<int> done{0};
  for (int i = 0; i < 5; ++i) {
    jobs.push_back(std::make_shared<ProgramJob>(program));
    jobs.back()->owner = i < 3 ? &jobs : nullptr;
    jobs.back()->done = [&](Task&) { done.fetch_add(1); };
    executor.submit(Queue::train, jobs.back());
  }
  executor.cancel_owner(&jobs);  // three go, without done
  CHECK(done.load() == 0);
  executor.cancel_group(program.get());  // the others, with done
  CHECK(done.load() == 2 && jobs[4]->outcome == Outcome::aborted);
  executor.cancel_group(&executor);  // the one that runs stops
  run_and_wait(Queue::train, std::make_shared<ProgramJob>(program));
  CHECK(first_float(buffer->memory) == 1);
}

// Threads of several environments submit, cancel and wait at once (for the sanitizers).
void test_many_threads() {
  std::vector<std::thread> threads;
  std::atomic<int> bad{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&bad, t] {
      for (int i = 0; i < 100; ++i) {
        const auto buffer = std::make_shared<Buffer>(4096 << t);
        ProgramDesc desc = counting(buffer, 3);
        desc.queue = i % 2 == 0 ? Queue::train : Queue::predict;
        const auto program = std::make_shared<Program>(desc);
        const auto job = std::make_shared<ProgramJob>(program);
        job->owner = buffer.get();
        Executor::get().submit(desc.queue, job);
        if (i % 3 == 0) {
          Executor::get().cancel_owner(buffer.get());
          continue;
        }
        const auto last = std::make_shared<ProgramJob>(program);
        run_and_wait(desc.queue, last);
        if (first_float(last->outputs()[0]) != 6) bad.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(bad.load() == 0);
}

// y = 3 w + x. Packing triples w; without a packed copy, run() does it in the workspace.
std::atomic<int> g_packs{0}, g_unpacked_runs{0};

Cost prepare_tripled(const Call& c) {
  require_operands(c, 3);
  require_same_dims(c.t[0], c.t[1], "shapes differ");
  require_same_dims(c.t[0], c.t[2], "shapes differ");
  return {c.packed == nullptr ? c.t[1].bytes() : 0, 0, 0, {1, c.t[1].bytes(), 0}};
}

void pack_tripled(const Call& c, std::byte* packed) {
  CHECK(c.t[0].data == nullptr && c.t[2].data == nullptr);
  g_packs.fetch_add(1);
  for (int64_t i = 0; i < c.t[1].numel(); ++i)
    reinterpret_cast<float*>(packed)[i] = 3 * c.t[1].as<float>()[i];
}

void run_tripled(const Call& c) {
  const auto* w = reinterpret_cast<const float*>(c.packed);
  if (w == nullptr) {
    g_unpacked_runs.fetch_add(1);
    auto* scratch = reinterpret_cast<float*>(c.workspace);
    for (int64_t i = 0; i < c.t[1].numel(); ++i) scratch[i] = 3 * c.t[1].as<float>()[i];
    w = scratch;
  }
  for (int64_t i = 0; i < c.t[2].numel(); ++i) c.t[2].as<float>()[i] = w[i] + c.t[0].as<float>()[i];
}

constexpr int64_t kWeights = 48;

// The kernel above over weights in a buffer, or over ten times the weights, made by a constant call.
ProgramDesc packing(const BufferRef& weights, bool scaled) {
  ProgramDesc desc;
  desc.queue = Queue::predict;
  desc.buffers = {weights};
  desc.inputs = {kWeights * 4};
  desc.arena_bytes = kWeights * 4;
  desc.tensors = {tensor(0, 0, DType::f32, {kWeights}), tensor(1, 0, DType::f32, {kWeights}),
                  tensor(kFirstInput, 0, DType::f32, {kWeights}),
                  tensor(kArenaPlace, 0, DType::f32, {kWeights})};
  if (scaled) {
    desc.calls.push_back({"affine", {0, 1}, {{"scale", {10}}, {"shift", {0}}}, 1});
    desc.constant_calls = 1;
  }
  desc.calls.push_back({"test_tripled", {2, scaled ? 1 : 0, 3}, {}, 1});
  desc.commit_start = desc.calls.size();
  desc.outputs = {3};
  return desc;
}

float run_once(const ProgramRef& program, float x) {
  const auto job = std::make_shared<ProgramJob>(program);
  if (!program->inputs().empty()) std::memcpy(job->input(0), &x, sizeof x);
  run_and_wait(program->queue(), job);
  CHECK(job->outcome == Outcome::ok);
  return first_float(job->outputs()[0]);
}

// Inputs that are read where they lie, at any address of a float, in turns with inputs that are copied.
void test_lent_inputs() {
  ProgramDesc desc;
  desc.inputs = {8, 4};
  desc.arena_bytes = 8;
  desc.tensors = {tensor(kFirstInput, 4, DType::f32, {1}), tensor(kFirstInput - 1, 0, DType::f32, {1}),
                  tensor(kArenaPlace, 4, DType::f32, {1})};
  desc.calls.push_back({"sub", {0, 1, 2}, {}, 1});
  desc.commit_start = 1;
  desc.outputs = {2, 0};
  const auto program = std::make_shared<Program>(desc);
  for (int i = 0; i < 4; ++i) {
    const float at = static_cast<float>(i), lent[] = {0, 7, at + 10, 7}, copied[] = {7, at + 20};
    const auto job = std::make_shared<ProgramJob>(program);
    if (i % 2 == 0)
      job->lend(0, reinterpret_cast<const std::byte*>(lent + 1));
    else
      std::memcpy(job->input(0), copied, sizeof copied);
    std::memcpy(job->input(1), &at, sizeof at);
    run_and_wait(program->queue(), job);
    const float expected = i % 2 == 0 ? 10 : 20;
    CHECK(job->outcome == Outcome::ok && first_float(job->outputs()[0]) == expected);
    CHECK(first_float(job->outputs()[1]) == expected + at && lent[2] == at + 10);
  }
}

void write_all(const BufferRef& buffer, float value) {
  const auto source = std::make_shared<Buffer>(buffer->memory.bytes());
  auto* floats = reinterpret_cast<float*>(source->memory.data());
  std::fill_n(floats, buffer->memory.bytes() / 4, value);
  run_and_wait(Queue::train, std::make_shared<WriteJob>(buffer, 0, source));
}

// What is derived is computed once, kept, shared, and computed anew after every kind of write.
void test_derived() {
  for (int target = 0; target < kTargets; ++target)
    const KernelRegistrar registered("test_tripled", static_cast<Target>(target), prepare_tripled,
                                     run_tripled, {}, pack_tripled);
  const size_t before = live_bytes(MemoryKind::derived);
  const auto weights = std::make_shared<Buffer>(kWeights * 4);
  write_all(weights, 1);
  {
    const auto plain = std::make_shared<Program>(packing(weights, false));
    const auto scaled = std::make_shared<Program>(packing(weights, true));
    CHECK(run_once(plain, 0.5f) == 3.5f && run_once(plain, 1) == 4 && g_packs == 1);
    CHECK(run_once(scaled, 1) == 31 && run_once(scaled, 2) == 32 && g_packs == 2);
    CHECK(plain->derived_bytes() == kWeights * 4 && scaled->derived_bytes() == 2 * kWeights * 4);
    CHECK(plain->profile().size() == 1 && scaled->profile().size() == 1);

    // Another program over the same weights, with other dims elsewhere, needs nothing more.
    ProgramDesc larger = packing(weights, true);
    larger.arena_bytes = 4096;
    const auto shared = std::make_shared<Program>(larger);
    CHECK(run_once(shared, 1) == 31 && g_packs == 2);
    CHECK(live_bytes(MemoryKind::derived) == before + 3 * kWeights * 4);

    write_all(weights, 2);
    CHECK(run_once(plain, 0) == 6 && run_once(shared, 0) == 60 && run_once(scaled, 1) == 61 && g_packs == 4);
    run_once(std::make_shared<Program>(counting(weights, 1)), 0);  // a training step: w += 1
    CHECK(run_once(scaled, 0) == 90 && run_once(plain, 0) == 9 && run_once(shared, 1) == 91 && g_packs == 6);
  }
  write_all(weights, 3);  // behind which the executor has let go of the programs
  CHECK(live_bytes(MemoryKind::derived) == before);

  // Nothing is kept of weights that the program writes itself, nor on the train queue.
  CHECK(g_unpacked_runs == 0);
  ProgramDesc writing = packing(weights, false);
  writing.calls.push_back({"affine", {0, 0}, {{"scale", {1}}, {"shift", {1}}}, 1});
  const auto trained = std::make_shared<Program>(writing);
  CHECK(run_once(trained, 0) == 9 && run_once(trained, 0) == 12 && g_unpacked_runs == 2 && g_packs == 6);
  ProgramDesc queued = packing(weights, false);
  queued.queue = Queue::train;
  CHECK(run_once(std::make_shared<Program>(queued), 1) == 16 && g_unpacked_runs == 3);
  CHECK(live_bytes(MemoryKind::derived) == before);
}

bool refused_constant(const std::function<void(ProgramDesc&)>& change) {
  ProgramDesc desc = packing(std::make_shared<Buffer>(kWeights * 4), true);
  change(desc);
  try {
    Program program(desc);
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

void test_bad_constants() {
  CHECK(!refused_constant([](ProgramDesc&) {}));
  CHECK(refused_constant([](ProgramDesc& d) { d.constant_calls = 2; }));  // reads an input
  CHECK(refused_constant([](ProgramDesc& d) { d.constant_calls = 3; }));
  CHECK(refused_constant([](ProgramDesc& d) { d.constant_calls = 0; }));  // no such place
  CHECK(refused_constant([](ProgramDesc& d) { d.tensors[1].place = 0; }));
  CHECK(refused_constant([](ProgramDesc& d) { d.tensors[1].place = 2; }));
  CHECK(refused_constant([](ProgramDesc& d) { d.tensors[1].place = kArenaPlace; }));
  CHECK(refused_constant([](ProgramDesc& d) { d.tensors[1].offset = 4; }));
  CHECK(refused_constant([](ProgramDesc& d) { d.calls[0].outputs = 3; }));
  CHECK(refused_constant([](ProgramDesc& d) { d.calls[0].tensors = {0, 99}; }));
  CHECK(refused_constant([](ProgramDesc& d) { d.calls[0].tensors = {99, 1}; }));
  CHECK(refused_constant([](ProgramDesc& d) { d.calls[1].tensors = {2, 0, 1}; }));  // writes a constant
  CHECK(refused_constant([](ProgramDesc& d) { d.calls[1].tensors = {2, 1, 0}; }));  // writes a source
}

bool refused(const std::function<void(ProgramDesc&)>& change) {
  ProgramDesc desc = counting(std::make_shared<Buffer>(64), 2);
  change(desc);
  try {
    Program program(desc);
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

void test_bad_programs() {
  CHECK(!refused([](ProgramDesc&) {}));
  CHECK(refused([](ProgramDesc& d) { d.tensors[0].dims[0] = 17; }));
  CHECK(refused([](ProgramDesc& d) { d.tensors[0].dims[0] = INT64_MAX; }));
  CHECK(refused([](ProgramDesc& d) { d.tensors[0].dims[0] = -1; }));
  CHECK(refused([](ProgramDesc& d) { d.tensors[0].offset = 4; }));
  CHECK(refused([](ProgramDesc& d) { d.tensors[0].offset = -64; }));
  CHECK(refused([](ProgramDesc& d) { d.tensors[0].offset = INT64_MAX - 3; }));
  CHECK(refused([](ProgramDesc& d) { d.tensors[0].rank = 7; }));
  CHECK(refused([](ProgramDesc& d) { d.tensors[0].rank = -1; }));
  CHECK(refused([](ProgramDesc& d) { d.tensors[0].dtype = 5; }));
  CHECK(refused([](ProgramDesc& d) { d.tensors[0].place = 1; }));
  CHECK(refused([](ProgramDesc& d) { d.tensors[0].place = INT64_MIN; }));
  CHECK(refused([](ProgramDesc& d) { d.tensors[0].place = kScalarPlace; }));
  CHECK(refused([](ProgramDesc& d) { d.calls[1].tensors[0] = INT64_MAX; }));
  CHECK(refused([](ProgramDesc& d) { d.calls[1].kernel = "nothing"; }));
  CHECK(
      refused([](ProgramDesc& d) { d.inputs = {64}, d.tensors[0].place = kFirstInput; }));  // writes an input
  CHECK(refused([](ProgramDesc& d) { d.outputs = {1}; }));
  CHECK(refused([](ProgramDesc& d) { d.arena_bytes = SIZE_MAX; }));
  CHECK(refused([](ProgramDesc& d) { d.scalars = SIZE_MAX / 4; }));
  CHECK(refused([](ProgramDesc& d) { d.inputs = {SIZE_MAX, SIZE_MAX}; }));
}

// Denormal numbers count as zero on the executor's threads, all of them, and nowhere else.
void test_denormals() {
  set_num_threads(3);
  Executor::get().set_threads(3);
  const int64_t n = 1 << 20;
  const auto buffer = std::make_shared<Buffer>(static_cast<size_t>(n) * 4);
  ProgramDesc desc = counting(buffer, 1);
  desc.calls[0].attrs = {{"scale", {1e-30}}, {"shift", {0}}};
  const float small = 1e-10f;
  for (int64_t i = 0; i < n; ++i) std::memcpy(buffer->memory.data() + 4 * i, &small, 4);
  run_and_wait(Queue::train, std::make_shared<ProgramJob>(std::make_shared<Program>(desc)));
  const auto* values = reinterpret_cast<const float*>(buffer->memory.data());
  CHECK(std::all_of(values, values + n, [](float x) { return x == 0.0f; }));
  volatile float here = small;
  CHECK(here * 1e-30f != 0.0f);
}

}  // namespace
}  // namespace tenon

int main() {
  tenon::test_memory();
  tenon::test_arena();
  tenon::test_program_runs();
  tenon::test_oversized_program();
  tenon::test_order();
  tenon::test_predictions_inside_training();
  tenon::test_share_arithmetic();
  tenon::test_share_values();
  tenon::test_share_of_the_executor();
  tenon::test_abort_among_predictions();
  tenon::test_cancel();
  tenon::test_many_threads();
  tenon::test_lent_inputs();
  tenon::test_derived();
  tenon::test_bad_constants();
  tenon::test_bad_programs();
  tenon::test_denormals();
  return tenon::test::report();
}
