#include "distributed/collectives.h"

#include <algorithm>
#include <exception>
#include <list>
#include <memory>
#include <optional>

#include "base/float_mode.h"

namespace tenon {
namespace {

// Up to here a tree of whole messages has fewer steps; above it, pieces go round all links at once.
constexpr size_t kSmall = size_t{32} << 10;

// Numbers that are summed in one go: enough to hide the latency, few enough for the memory of their copies.
constexpr size_t kSegment = size_t{4} << 20;

constexpr size_t kLine = 16;  // floats of a cache line, at which slices begin

// Where the slice of a rank begins.
size_t slice_begin(size_t count, int rank, int ranks) {
  const size_t lines = (count + kLine - 1) / kLine;
  return std::min(count, lines * static_cast<size_t>(rank) / static_cast<size_t>(ranks) * kLine);
}

// Memory for sums. Where an exchange failed, another rank may still write to it, and it stays.
template <class T>
class Room {
 public:
  explicit Room(size_t count) : numbers_(std::make_unique<T[]>(count)) {}
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  ~Room() {
    if (std::uncaught_exceptions() > exceptions_) (void)numbers_.release();
  }
  T* get() const { return numbers_.get(); }

 private:
  std::unique_ptr<T[]> numbers_;
  const int exceptions_ = std::uncaught_exceptions();
};

std::vector<size_t> slice_sizes(size_t count, int ranks) {
  std::vector<size_t> sizes;
  for (int r = 0; r < ranks; ++r)
    sizes.push_back(slice_begin(count, r + 1, ranks) - slice_begin(count, r, ranks));
  return sizes;
}

void broadcast_whole(World& world, int root, std::byte* data, size_t bytes) {
  const int size = world.size();
  const int place = (world.rank() - root + size) % size;  // in the tree, whose root is 0
  const auto rank_at = [&](int other) { return (other + root) % size; };
  int reach = 1;
  while (reach < size) reach *= 2;
  if (place != 0) {
    const int up = place & -place;
    Exchange from(world);
    from.receive(rank_at(place - up), data, bytes);
    from.finish();
    reach = up;
  }
  Exchange to(world);
  for (int step = reach / 2; step > 0; step /= 2) {
    if (place + step < size) to.send(rank_at(place + step), data, bytes);
  }
  to.finish();
}

void broadcast_slices(World& world, int root, std::byte* data, size_t bytes) {
  const std::vector<size_t> sizes = slice_sizes(bytes, world.size());
  Exchange scatter(world);
  for (int r = 0; r < world.size(); ++r) {
    std::byte* slice = data + slice_begin(bytes, r, world.size());
    if (r == root) continue;
    if (world.rank() == root) scatter.send(r, slice, sizes[static_cast<size_t>(r)]);
    if (world.rank() == r) scatter.receive(root, slice, sizes[static_cast<size_t>(r)]);
  }
  scatter.finish();
  gather(world, sizes, data);
}

// What one rank sums of a segment: its slice, of which the others send it their sums.
template <class T>
class SliceSum {
 public:
  SliceSum(World& world, int shards, const SumsOf<T>& mine, size_t count)
      : world_(world), mine_(mine), shards_(shards) {
    size_t nodes = 0;
    for (int r = 0; r < world.size(); ++r) {
      covers_.push_back(cover_of(shards, shards_of_rank(shards, r, world.size())));
      nodes += covers_.back().size();
    }
    const size_t longest = (count / kLine / static_cast<size_t>(world.size()) + 2) * kLine;
    room_.emplace((nodes - mine.nodes.size()) * longest);
  }

  // Sums numbers [at, at + count) into out + at, of which this rank's slice is then there.
  void exchange(size_t at, size_t count, T* out) {
    Exchange all(world_);
    SumsOf<T> sums = receive_sums(all, at, count);
    for (int r = 0; r < world_.size(); ++r) {
      if (r == world_.rank()) continue;
      for (const T* values : mine_.values)
        all.send(r, bytes_of(values + at + slice_begin(count, r, world_.size())),
                 slice_of(count, r) * sizeof(T));
    }
    all.finish();
    const FloatMode flushing(float_mode() | kFlushDenormals);
    sum_along_tree(sums, {0, shards_}, slice_of(count, world_.rank()),
                   out + at + slice_begin(count, world_.rank(), world_.size()));
  }

 private:
  static const std::byte* bytes_of(const T* values) { return reinterpret_cast<const std::byte*>(values); }

  size_t slice_of(size_t count, int rank) const {
    return slice_begin(count, rank + 1, world_.size()) - slice_begin(count, rank, world_.size());
  }

  // The sums of all ranks for this rank's slice, from left to right; those of others are on their way.
  SumsOf<T> receive_sums(Exchange& all, size_t at, size_t count) {
    const size_t length = slice_of(count, world_.rank());
    const size_t begin = slice_begin(count, world_.rank(), world_.size());
    T* room = room_->get();
    SumsOf<T> sums;
    for (int r = 0; r < world_.size(); ++r) {
      const std::vector<Span>& cover = covers_[static_cast<size_t>(r)];
      for (size_t i = 0; i < cover.size(); ++i) {
        sums.nodes.push_back(cover[i]);
        if (r == world_.rank()) {
          sums.values.push_back(mine_.values[i] + at + begin);
          continue;
        }
        all.receive(r, reinterpret_cast<std::byte*>(room), length * sizeof(T));
        sums.values.push_back(room);
        room += length;
      }
    }
    return sums;
  }

  World& world_;
  const SumsOf<T>& mine_;
  const int shards_;
  std::vector<std::vector<Span>> covers_;  // of every rank
  std::optional<Room<T>> room_;
};

// The sums of the largest subtrees that this rank owns. Those that it has to make are put into `rooms`.
template <class T>
SumsOf<T> largest_sums(int shards, Span owned, const SumsOf<T>& given, size_t count,
                       std::list<Room<T>>* rooms) {
  SumsOf<T> largest;
  size_t at = 0;
  for (const Span& node : cover_of(shards, owned)) {
    SumsOf<T> below;
    while (at < given.nodes.size() && given.nodes[at].end <= node.end) {
      below.nodes.push_back(given.nodes[at]);
      below.values.push_back(given.values[at++]);
    }
    largest.nodes.push_back(node);
    if (below.nodes.size() == 1) {
      largest.values.push_back(below.values[0]);
      continue;
    }
    T* sum = rooms->emplace_back(count).get();
    const FloatMode flushing(float_mode() | kFlushDenormals);
    sum_along_tree(below, node, count, sum);
    largest.values.push_back(sum);
  }
  return largest;
}

}  // namespace

void barrier(World& world) {
  std::byte out{}, in{};
  for (int step = 1; step < world.size(); step *= 2) {
    Exchange round(world);
    round.receive((world.rank() - step + world.size()) % world.size(), &in, 1);
    round.send((world.rank() + step) % world.size(), &out, 1);
    round.finish();
  }
}

void broadcast(World& world, int root, std::byte* data, size_t bytes) {
  if (world.size() == 1 || bytes == 0) return;
  if (bytes <= kSmall || world.size() == 2) return broadcast_whole(world, root, data, bytes);
  broadcast_slices(world, root, data, bytes);
}

void gather(World& world, const std::vector<size_t>& sizes, std::byte* all) {
  Exchange exchange(world);
  std::vector<std::byte*> parts;
  for (const size_t bytes : sizes) parts.push_back(all), all += bytes;
  const auto mine = static_cast<size_t>(world.rank());
  // Each rank begins with its neighbour, so that not all of them send to the same one.
  for (int step = 1; step < world.size(); ++step) {
    const int from = (world.rank() - step + world.size()) % world.size();
    exchange.receive(from, parts[static_cast<size_t>(from)], sizes[static_cast<size_t>(from)]);
  }
  for (int step = 1; step < world.size(); ++step)
    exchange.send((world.rank() + step) % world.size(), parts[mine], sizes[mine]);
  exchange.finish();
}

template <class T>
void sum_shards(World& world, int shards, const SumsOf<T>& mine, size_t count, T* out) {
  const Span owned = shards_of_rank(shards, world.rank(), world.size());
  if (world.size() == 1) {
    const FloatMode flushing(float_mode() | kFlushDenormals);
    return sum_along_tree(mine, {0, shards}, count, out);
  }
  std::list<Room<T>> rooms;
  const SumsOf<T> largest = largest_sums(shards, owned, mine, count, &rooms);
  SliceSum<T> slice(world, shards, largest, std::min(count, kSegment));
  for (size_t at = 0; at < count; at += kSegment) {
    const size_t segment = std::min(kSegment, count - at);
    slice.exchange(at, segment, out);
    std::vector<size_t> sizes = slice_sizes(segment, world.size());
    for (size_t& bytes : sizes) bytes *= sizeof(T);
    gather(world, sizes, reinterpret_cast<std::byte*>(out + at));
  }
}

template void sum_shards(World&, int, const SumsOf<float>&, size_t, float*);
template void sum_shards(World&, int, const SumsOf<double>&, size_t, double*);

void ping_pong(World& world, int from, int to, std::byte* data, size_t bytes, int rounds) {
  const auto one_way = [&](int sender, int receiver) {
    Exchange exchange(world);
    if (world.rank() == sender) exchange.send(receiver, data, bytes);
    if (world.rank() == receiver) exchange.receive(sender, data, bytes);
    exchange.finish();
  };
  for (int i = 0; i < rounds; ++i) {
    one_way(from, to);
    one_way(to, from);
  }
}

}  // namespace tenon
