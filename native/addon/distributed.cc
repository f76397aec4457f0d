// Doors to other processes: join, leave, and the operations between. JavaScript says which ranges of buffers
// take part; they are kept alive until the operation is done.
#include <algorithm>
#include <utility>

#include "addon/values.h"
#include "distributed/collectives.h"
#include "distributed/communicator.h"

namespace tenon::addon {
namespace {

class JoinTask : public Task {
 public:
  Membership membership;
};

struct Range {
  BufferRef buffer;
  size_t offset = 0, bytes = 0;
  std::byte* data() const { return buffer->memory.data() + offset; }
};

class Barrier : public Operation {
 public:
  Barrier() : Operation(Collective::barrier) {}
  void run(World& world) override { barrier(world); }
};

class Broadcast : public Operation {
 public:
  Broadcast(Range range, int root)
      : Operation(Collective::broadcast), range_(std::move(range)), root_(root) {}
  void run(World& world) override {
    if (root_ >= world.size()) throw std::invalid_argument("broadcast: the world has no such root");
    broadcast(world, root_, range_.data(), range_.bytes);
    range_.buffer->changed();
  }

 private:
  const Range range_;
  const int root_;
};

class Gather : public Operation {
 public:
  Gather(Range range, std::vector<size_t> sizes)
      : Operation(Collective::gather), range_(std::move(range)), sizes_(std::move(sizes)) {}
  void run(World& world) override {
    if (sizes_.size() != static_cast<size_t>(world.size()))
      throw std::invalid_argument("gather: expected a size for each rank");
    gather(world, sizes_, range_.data());
    range_.buffer->changed();
  }

 private:
  const Range range_;
  const std::vector<size_t> sizes_;
};

class Sum : public Operation {
 public:
  Sum(int shards, std::vector<Span> nodes, std::vector<Range> values, Range out)
      : Operation(Collective::sum), shards_(shards), values_(std::move(values)), out_(std::move(out)) {
    sums_.nodes = std::move(nodes);
    for (const Range& range : values_) sums_.values.push_back(reinterpret_cast<const float*>(range.data()));
  }
  void run(World& world) override {
    const Span owned = shards_of_rank(shards_, world.rank(), world.size());
    if (!adds_up(shards_, sums_.nodes, owned))
      throw std::invalid_argument("sum: the nodes do not add up to the shards of this rank");
    sum_shards(world, shards_, sums_, out_.bytes / sizeof(float), reinterpret_cast<float*>(out_.data()));
    out_.buffer->changed();
  }

 private:
  const int shards_;
  PartialSums sums_;
  const std::vector<Range> values_;
  const Range out_;
};

class PingPong : public Operation {
 public:
  PingPong(Range range, int from, int to, int rounds)
      : Operation(Collective::ping_pong), range_(std::move(range)), from_(from), to_(to), rounds_(rounds) {}
  void run(World& world) override {
    if (from_ >= world.size() || to_ >= world.size() || from_ == to_)
      throw std::invalid_argument("pingPong: expected two ranks of the world");
    ping_pong(world, from_, to_, range_.data(), range_.bytes, rounds_);
    range_.buffer->changed();
  }

 private:
  const Range range_;
  const int from_, to_, rounds_;
};

class Leave : public Task {};
class GiveUp : public Task {};

napi_value make_undefined(napi_env env, Task&) {
  napi_value undefined = nullptr;
  return napi_get_undefined(env, &undefined) == napi_ok ? undefined : nullptr;
}

bool put(napi_env env, napi_value object, const char* name, const std::string& text) {
  napi_value value = nullptr;
  return napi_create_string_utf8(env, text.data(), text.size(), &value) == napi_ok &&
         napi_set_named_property(env, object, name, value) == napi_ok;
}

bool put(napi_env env, napi_value object, const char* name, int number) {
  napi_value value = nullptr;
  return napi_create_int32(env, number, &value) == napi_ok &&
         napi_set_named_property(env, object, name, value) == napi_ok;
}

napi_value make_membership(napi_env env, Task& task) {
  const Membership& joined = static_cast<const JoinTask&>(task).membership;
  napi_value object = nullptr, hosts = nullptr;
  if (napi_create_object(env, &object) != napi_ok || napi_create_array(env, &hosts) != napi_ok)
    return nullptr;
  for (size_t r = 0; r < joined.hosts.size(); ++r) {
    napi_value host = nullptr;
    if (napi_create_string_utf8(env, joined.hosts[r].data(), joined.hosts[r].size(), &host) != napi_ok ||
        napi_set_element(env, hosts, static_cast<uint32_t>(r), host) != napi_ok)
      return nullptr;
  }
  const bool made = put(env, object, "rank", joined.rank) && put(env, object, "size", joined.size) &&
                    put(env, object, "file", joined.file) && put(env, object, "abi", joined.abi) &&
                    put(env, object, "version", joined.version) &&
                    napi_set_named_property(env, object, "hosts", hosts) == napi_ok;
  return made ? object : nullptr;
}

int int_from(Napi::Env env, napi_value value, const char* what) {
  const size_t number = size_from(env, value, what);
  if (number > INT32_MAX) throw Napi::RangeError::New(env, std::string(what) + ": too large");
  return static_cast<int>(number);
}

std::string text_from(Napi::Env env, napi_value value) {
  const Napi::Value text(env, value);
  if (!text.IsString()) throw Napi::TypeError::New(env, "libraries: expected strings");
  return text.As<Napi::String>().Utf8Value();
}

Range range_from(Napi::Env env, napi_value buffer, size_t offset, size_t bytes) {
  Range range{buffer_from(env, buffer), offset, bytes};
  if (!holds(*range.buffer, offset, bytes))
    throw Napi::RangeError::New(env, std::to_string(bytes) + " bytes at " + std::to_string(offset) +
                                         " do not fit a buffer of " +
                                         std::to_string(range.buffer->memory.bytes()));
  return range;
}

// Of seconds; what would be centuries is 146 years, which can still be added to the time.
uint64_t nanoseconds_from(Napi::Env env, napi_value seconds, const char* what) {
  constexpr double kMost = uint64_t{1} << 62;
  const double nanoseconds = number_from(env, seconds, what) * 1e9;
  if (!(nanoseconds > 0)) throw Napi::RangeError::New(env, std::string(what) + ": expected seconds");
  return static_cast<uint64_t>(std::min(nanoseconds, kMost));
}

// joinWorld(libraries, size, answer, arrival)
Napi::Value join(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  JoinOptions options;
  for (const napi_value library : elements_of(env, info[0], "libraries"))
    options.libraries.push_back(text_from(env, library));
  options.size = int_from(env, info[1], "size");
  options.limits = {nanoseconds_from(env, info[2], "answer"), nanoseconds_from(env, info[3], "arrival")};
  const auto task = std::make_shared<JoinTask>();
  return Environment::of(env).promise(env, task, make_membership,
                                      [&] { Communicator::get().join(task, options, &task->membership); });
}

Napi::Value submit(Napi::Env env, const std::shared_ptr<Operation>& operation) {
  return Environment::of(env).promise(env, operation, make_undefined,
                                      [&] { Communicator::get().submit(operation); });
}

Napi::Value world_barrier(const Napi::CallbackInfo& info) {
  return submit(info.Env(), std::make_shared<Barrier>());
}

// worldBroadcast(buffer, offset, bytes, root)
Napi::Value world_broadcast(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Range range = range_from(env, info[0], size_from(env, info[1], "offset"), size_from(env, info[2], "bytes"));
  return submit(env, std::make_shared<Broadcast>(std::move(range), int_from(env, info[3], "root")));
}

// worldGather(buffer, offset, sizes): rank r has sizes[r] bytes there, one behind the other.
Napi::Value world_gather(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<size_t> sizes;
  size_t bytes = 0;
  for (const double size : doubles_from(env, info[2], "sizes")) {
    sizes.push_back(static_cast<size_t>(whole(size, "sizes")));
    if (size < 0 || !checked_add(bytes, sizes.back(), &bytes))
      throw Napi::RangeError::New(env, "sizes: expected numbers of bytes");
  }
  Range range = range_from(env, info[0], size_from(env, info[1], "offset"), bytes);
  return submit(env, std::make_shared<Gather>(std::move(range), std::move(sizes)));
}

// worldSum(shards, nodes, buffers, offsets, count, out, outOffset): nodes has the begin and the end of each.
Napi::Value world_sum(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int shards = int_from(env, info[0], "shards");
  if (shards < 1 || shards > kMostShards) throw Napi::RangeError::New(env, "shards: out of range");
  const std::vector<double> ends = doubles_from(env, info[1], "nodes");
  const std::vector<napi_value> buffers = elements_of(env, info[2], "buffers");
  const std::vector<double> offsets = doubles_from(env, info[3], "offsets");
  size_t bytes = 0;
  if (!checked_multiply(size_from(env, info[4], "count"), sizeof(float), &bytes)) bytes = SIZE_MAX;
  if (ends.size() != 2 * buffers.size() || offsets.size() != buffers.size())
    throw Napi::RangeError::New(env, "nodes, buffers, offsets: their lengths disagree");
  const auto offset_at = [&](double offset) {
    if (!(offset >= 0) || whole(offset, "offsets") % 4 != 0)
      throw Napi::RangeError::New(env, "offsets: expected places of floats");
    return static_cast<size_t>(offset);
  };
  std::vector<Span> nodes;
  std::vector<Range> values;
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (!(ends[2 * i] >= 0 && ends[2 * i] < ends[2 * i + 1] && ends[2 * i + 1] <= shards))
      throw Napi::RangeError::New(env, "nodes: expected ranges of shards");
    nodes.push_back({static_cast<int>(ends[2 * i]), static_cast<int>(ends[2 * i + 1])});
    values.push_back(range_from(env, buffers[i], offset_at(offsets[i]), bytes));
  }
  Range out = range_from(env, info[5], offset_at(number_from(env, info[6], "outOffset")), bytes);
  return submit(env, std::make_shared<Sum>(shards, std::move(nodes), std::move(values), std::move(out)));
}

// worldPingPong(buffer, bytes, from, to, rounds)
Napi::Value world_ping_pong(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Range range = range_from(env, info[0], 0, size_from(env, info[1], "bytes"));
  return submit(env,
                std::make_shared<PingPong>(std::move(range), int_from(env, info[2], "from"),
                                           int_from(env, info[3], "to"), int_from(env, info[4], "rounds")));
}

// shardsOfRank(shards, rank, ranks): [begin, end]
Napi::Value shards_of(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int shards = int_from(env, info[0], "shards"), rank = int_from(env, info[1], "rank");
  const int ranks = int_from(env, info[2], "ranks");
  if (rank >= ranks) throw Napi::RangeError::New(env, "rank: out of range");
  const Span owned = shards_of_rank(shards, rank, ranks);
  Napi::Array ends = Napi::Array::New(env, 2);
  ends.Set(uint32_t{0}, owned.begin);
  ends.Set(uint32_t{1}, owned.end);
  return ends;
}

Napi::Value leave(const Napi::CallbackInfo& info) {
  const auto task = std::make_shared<Leave>();
  return Environment::of(info.Env()).promise(info.Env(), task, make_undefined, [&] {
    Communicator::get().leave(task);
  });
}

// lookAtMpi(file): { file, abi, version }, or { problem } where tenon cannot use it
Napi::Value look_at(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object found = Napi::Object::New(env);
  try {
    const MpiLibrary library = look_at_mpi(text_from(env, info[0]));
    found.Set("file", library.file);
    found.Set("abi", library.abi);
    found.Set("version", library.version);
  } catch (const NoTransport& error) {
    found.Set("problem", error.what());
  }
  return found;
}

Napi::Value give_up(const Napi::CallbackInfo& info) {
  const auto task = std::make_shared<GiveUp>();
  return Environment::of(info.Env()).promise(info.Env(), task, make_undefined, [&] {
    Communicator::get().give_up(task);
  });
}

}  // namespace

void export_distributed(Napi::Env env, Napi::Object exports) {
  export_function(env, exports, "joinWorld", join);
  export_function(env, exports, "worldBarrier", world_barrier);
  export_function(env, exports, "worldBroadcast", world_broadcast);
  export_function(env, exports, "worldGather", world_gather);
  export_function(env, exports, "worldSum", world_sum);
  export_function(env, exports, "worldPingPong", world_ping_pong);
  export_function(env, exports, "lookAtMpi", look_at);
  export_function(env, exports, "shardsOfRank", shards_of);
  export_function(env, exports, "leaveWorld", leave);
  export_function(env, exports, "giveUpWorld", give_up);
}

}  // namespace tenon::addon
