// dw[o][r][s][c] = sum over images and pixels of dy[o] x[c] at the pixel that tap (r, s) meets.
//
// K of these products counts the images of a group first, then the pixels of a row: k = (row, column, image).
// Two images make a pair of bf16, so that a tap is only another place in x, whatever its offset, stride or
// dilation: each row of x is interleaved once, and dy transposed once, where im2col would copy x for every
// tap. Columns of padding are zeros between the rows of x; rows of padding are left out.
//
// Few input channels would fill a small part of a tile. There a row of the filter is one tap, and its taps
// and channels, which lie side by side in x, are the channels.
//
// A task is a chunk of rows, for a part of the input channels. The second cache level holds either its sums,
// while rows stream through ("streaming"), or, where pixels are few and weights many, all its rows of x,
// while one strip of output channels after the other is summed ("resident"). Chunks and parts are given by
// the shape alone; sums go on in float through a chunk, and chunks are added in order.
#include "ops/conv2d_weights_bf16_tiles.h"

namespace tenon {
namespace {

constexpr int64_t kWords = kTapTile;  // of one pair in a panel of 16 channels

// The filter as taps and channels, and rows of x as these taps read them.
struct TapShape {
  ConvGeom g;
  bool unfolded;  // a row of the filter is a tap
  int64_t taps_w, channels;
  int64_t group, groups;    // images in a group, a divisor of 32; groups of images
  int64_t row_steps;        // tiles of a row of dy
  int64_t planes, columns;  // columns of x by remainder of the stride; packed columns of each

  static TapShape make(const ConvGeom& g);

  int64_t taps() const { return g.kh * taps_w; }
  int64_t pairs() const { return group / 2; }
  int64_t row_words() const { return checked_product(planes, columns, pairs(), kWords); }
  int64_t row_tiles() const { return ceil_div(g.og(), kTapTile); }
  int64_t strips() const { return ceil_div(g.og(), kTapStrip); }
  int64_t a_row() const { return checked_product(row_tiles(), row_steps, kTileBf16); }
  int64_t units() const { return groups * g.oh; }  // rows of dy, of a group of images
};

// Steps of a row that tap column s needs, when `group` images are side by side: others meet padding.
struct StepRange {
  int64_t first, last;
};

StepRange steps_of(const ConvGeom& g, bool unfolded, int64_t group, int64_t s) {
  if (unfolded) return {0, ceil_div(g.ow * group, kTapDepth)};
  const int64_t shift = s * g.dw - g.pw;
  const int64_t begin = shift >= 0 ? 0 : std::min(g.ow, ceil_div(-shift, g.sw));
  const int64_t room = g.w - shift;
  const int64_t end = room <= 0 ? 0 : std::min(g.ow, ceil_div(room, g.sw));
  if (begin >= end) return {0, 0};
  return {begin * group / kTapDepth, ceil_div(end * group, kTapDepth)};
}

// The work for a row of every group, in eighths of a tile's product; a run costs one.
int64_t row_cost(const ConvGeom& g, bool unfolded, int64_t group) {
  const int64_t taps_w = unfolded ? 1 : g.kw;
  int64_t steps = 0;
  for (int64_t s = 0; s < taps_w; ++s) {
    const StepRange range = steps_of(g, unfolded, group, s);
    steps += range.last - range.first;
  }
  return ceil_div(g.n, group) * (8 * steps + taps_w);
}

// The fewest images that are at most 6% from the least work: a small group needs less memory.
int64_t choose_group(const ConvGeom& g, bool unfolded) {
  int64_t least = row_cost(g, unfolded, kTapDepth);
  for (int64_t group = 2; group < kTapDepth; group *= 2)
    least = std::min(least, row_cost(g, unfolded, group));
  int64_t group = 2;
  while (row_cost(g, unfolded, group) * 50 > least * 53) group *= 2;
  return group;
}

TapShape TapShape::make(const ConvGeom& g) {
  TapShape t = {};
  t.g = g;
  t.unfolded = g.cg() < kTapTile;
  t.taps_w = t.unfolded ? 1 : g.kw;
  t.channels = t.unfolded ? checked_product(g.kw, g.cg()) : g.cg();
  t.group = choose_group(g, t.unfolded);
  t.groups = ceil_div(g.n, t.group);
  t.row_steps = ceil_div(g.ow * t.group, kTapDepth);
  t.planes = t.unfolded ? 1 : std::min(g.sw, (g.kw - 1) * g.dw + 1);
  t.columns = t.row_steps * kTapDepth / t.group + (t.taps_w - 1) * g.dw / g.sw;
  return t;
}

struct Plan {
  TapShape shape;
  bool resident;
  int64_t part, parts;  // input channels of a part
  int64_t chunks;
  int64_t rows;     // of dy in one pass over the sums
  int64_t segment;  // steps of a row in one pass
  int64_t ring;     // rows of x that are kept of each group

  int64_t all_a, sums, scratch, total;  // workspace, in floats
  int64_t b_at, a_at, own_sums_at, columns_at, jobs_at, runs_at, edges_at, slot;

  static Plan make(const ConvGeom& g);

  int64_t tasks() const { return shape.g.groups * parts * chunks; }
  int64_t panels(int64_t p) const { return ceil_div(std::min(part, shape.channels - p * part), kTapTile); }
  // Pairs of columns of tiles in a part of `panels` panels.
  int64_t blocks(int64_t panels) const {
    return shape.taps() * (panels / 2) + (panels % 2 == 1 ? ceil_div(shape.taps(), 2) : 0);
  }
  int64_t most_blocks() const { return blocks(panels(0)); }
  // Of the sums that a task keeps.
  int64_t sum_size() const {
    return checked_product(resident ? 1 : shape.strips(), most_blocks(), kTapBlock);
  }
  int64_t kept_rows() const { return resident ? shape.groups * ring : ring; }
  int64_t panel_words() const { return checked_product(kept_rows() + 1, shape.row_words()); }  // one of zeros
  bool transposes_first() const { return parts > 1 || resident; }
  int64_t segments() const { return ceil_div(shape.row_steps, segment); }
  // Passes and rows of dy whose lists exist at once.
  int64_t listed_passes() const {
    return resident ? shape.groups * ceil_div(shape.g.oh, rows) * segments() : 1;
  }
  int64_t listed_rows() const { return resident ? shape.units() * segments() : rows; }

 private:
  void cut();
  bool make_resident();
  void make_streaming(int64_t wanted_chunks);
  void halve_part() {
    part = round_up(ceil_div(part, 2), 2 * kTapTile);
    parts = ceil_div(shape.channels, part);
  }
  bool divisible() const { return part > 2 * kTapTile; }
  void place();
};

// Whether the second cache level holds a part of the channels for all images.
bool Plan::make_resident() {
  constexpr int64_t kRows = 192 * 1024, kStripSums = 96 * 1024;  // words, floats
  resident = true;
  ring = (shape.g.oh - 1) * shape.g.sh + (shape.g.kh - 1) * shape.g.dh + 1;
  const auto fits = [&] {
    return checked_product(panels(0), panel_words()) <= kRows && sum_size() <= kStripSums;
  };
  while (divisible() && !fits()) halve_part();
  return fits();
}

void Plan::make_streaming(int64_t wanted_chunks) {
  constexpr int64_t kSums = 300 * 1024, kTasks = 8;
  resident = false;
  part = round_up(shape.channels, kTapTile), parts = 1;
  ring = (rows - 1) * shape.g.sh + (shape.g.kh - 1) * shape.g.dh + 1;
  while (divisible() && sum_size() > kSums) halve_part();
  if (parts > 1) wanted_chunks = std::clamp<int64_t>(kTasks / parts, 1, wanted_chunks);
  chunks = std::min(shape.units(), round_up(wanted_chunks, wanted_chunks > 1 ? 2 : 1));
}

void Plan::cut() {
  constexpr int64_t kChunkPixels = 3072, kMostChunks = 16, kTasks = 4, kSteps = 16;
  const ConvGeom& g = shape.g;
  rows = std::clamp<int64_t>(kSteps / shape.row_steps, 1, g.oh);
  segment = ceil_div(shape.row_steps, std::max<int64_t>(1, shape.row_steps / kSteps));
  part = round_up(shape.channels, kTapTile), parts = 1, chunks = 1;
  const int64_t wanted = std::clamp<int64_t>(g.pixels() / kChunkPixels, 1, kMostChunks);
  if (wanted > 1 || !make_resident()) make_streaming(wanted);
  while (divisible() && tasks() < kTasks) halve_part();
}

// One column of tiles of the sums, and what its tap reads.
struct TapColumn {
  int64_t offset;  // words from the beginning of a packed row
  StepRange steps;
};

void Plan::place() {
  const ConvGeom& g = shape.g;
  const auto floats_for = [](int64_t bytes) { return ceil_div(bytes, static_cast<int64_t>(sizeof(float))); };
  Layout own;
  b_at = own.add(checked_product(panels(0), panel_words()));
  a_at = own.add(transposes_first() ? 0 : floats_of(checked_product(rows, shape.a_row())));
  own_sums_at = own.add(chunks > 1 ? 0 : sum_size());
  columns_at = own.add(floats_for(checked_product(shape.taps_w, int64_t{sizeof(TapColumn)})));
  jobs_at = own.add(floats_for(checked_product(most_blocks(), listed_passes(), int64_t{sizeof(TapJob)})));
  runs_at = own.add(floats_for(checked_product(most_blocks(), listed_rows(), int64_t{sizeof(TapRun)})));
  edges_at = own.add(shape.unfolded ? shape.channels : 0);
  slot = own.floats();
  Layout layout;
  all_a =
      layout.add(transposes_first() ? floats_of(checked_product(g.groups, shape.units(), shape.a_row())) : 0);
  sums = layout.add(chunks > 1 ? checked_product(tasks(), sum_size()) : 0);
  scratch = layout.add(checked_product(slot, scratch_slots()));
  total = layout.floats();
}

Plan Plan::make(const ConvGeom& g) {
  Plan p = {};
  p.shape = TapShape::make(g);
  p.cut();
  p.place();
  return p;
}

// Columns of tiles go in pairs: two panels of one tap, or, in the last panel of an odd number, two taps.
struct TapPair {
  int64_t tap[2], panel[2], count;
};

TapPair pair_of(int64_t block, int64_t taps, int64_t panels) {
  const int64_t whole = taps * (panels / 2);
  if (block < whole) {
    const int64_t tap = block % taps, panel = block / taps * 2;
    return {{tap, tap}, {panel, panel + 1}, 2};
  }
  const int64_t tap = 2 * (block - whole);
  return {{tap, tap + 1}, {panels - 1, panels - 1}, std::min<int64_t>(2, taps - tap)};
}

// Tiles of dy: rows [unit, unit + count), which are of one group of images.
void pack_gradient(const ConvCall& call, const TapShape& t, const TapSumKernels& kernels, int64_t conv_group,
                   int64_t unit, int64_t count, bf16* to) {
  const ConvGeom& g = t.g;
  const int64_t image = unit / g.oh * t.group, row = g.ow * g.o;
  const bf16* dy = call.y.as<bf16>() + (image * g.oh + unit % g.oh) * row + conv_group * g.og();
  for (int64_t i = 0; i < count; ++i)
    kernels.pack_tiles({dy + i * row, std::min(t.group, g.n - image), g.oh * row, g.ow, g.o, t.group, g.og(),
                        to + i * t.a_row(), t.row_steps * kTileBf16});
}

// The rows of x that a task has packed: of the present group in a ring, or of all groups.
class PackedRows {
 public:
  PackedRows(const ConvCall& call, const Plan& p, const TapSumKernels& kernels, int64_t channel,
             int64_t channels, uint32_t* words, bf16* edges)
      : p_(p),
        t_(p.shape),
        kernels_(kernels),
        channel_(channel),
        channels_(channels),
        words_(words),
        edges_(edges),
        x_(call.x.as<bf16>()),
        end_(x_ + call.x.numel()) {
    std::fill(words, words + ceil_div(channels, kTapTile) * p.panel_words(), 0u);
  }

  // The group that `need` and `at` speak of.
  void start(int64_t group) { group_ = group, next_ = 0; }

  // Packs what rows [i, i + count) of dy need and is not there. Rows are numbered from the
  // padding's first on.
  void need(int64_t i, int64_t count) {
    const ConvGeom& g = t_.g;
    const int64_t end = (i + count - 1) * g.sh + (g.kh - 1) * g.dh + 1;
    for (int64_t row = std::max(next_, i * g.sh); row < end; ++row)
      if (inside(row) && some_tap_meets(row)) pack(row);
    next_ = std::max(next_, end);
  }

  bool inside(int64_t row) const { return row >= t_.g.ph && row - t_.g.ph < t_.g.h; }

  // Its words in the first panel; zeros for a row outside the image.
  const uint32_t* at(int64_t row) const {
    return words_ + (inside(row) ? kept(row) : p_.kept_rows()) * t_.row_words();
  }

 private:
  int64_t kept(int64_t row) const { return (p_.resident ? group_ * p_.ring : 0) + row % p_.ring; }

  bool some_tap_meets(int64_t row) const {
    for (int64_t r = 0; r < t_.g.kh; ++r)
      if ((row - r * t_.g.dh) % t_.g.sh == 0) return true;
    return false;
  }

  void pack(int64_t row) {
    const ConvGeom& g = t_.g;
    uint32_t* to = words_ + kept(row) * t_.row_words();
    const int64_t line = g.w * g.c, image = g.h * line;
    for (int64_t pair = 0; pair < t_.pairs(); ++pair, to += kWords) {
      const int64_t n = group_ * t_.group + 2 * pair;
      if (n >= g.n) break;  // dy is zero there, and what lies in x is finite
      const bf16* even = x_ + n * image + (row - g.ph) * line;
      const bf16* odd = n + 1 < g.n ? even + image : even;
      t_.unfolded ? pack_unfolded(even, odd, to) : pack_planes(even, odd, to);
    }
  }

  void pack_planes(const bf16* even, const bf16* odd, uint32_t* to) const {
    const ConvGeom& g = t_.g;
    for (int64_t plane = 0; plane < t_.planes; ++plane) {
      const int64_t first = g.pw <= plane ? 0 : ceil_div(g.pw - plane, g.sw);
      const int64_t room = g.w + g.pw - plane;
      const int64_t end = room <= 0 ? 0 : std::min(t_.columns, ceil_div(room, g.sw));
      pack_columns(even + channel_, odd + channel_, first * g.sw + plane - g.pw, g.sw, end - first,
                   to + (plane * t_.columns + first) * to_pixel());
    }
  }

  // Each pixel of dy has its own copy of the taps of the row.
  void pack_unfolded(const bf16* even, const bf16* odd, uint32_t* to) const {
    const ConvGeom& g = t_.g;
    const int64_t begin = std::min(g.ow, ceil_div(g.pw, g.sw)), room = g.w + g.pw - g.kw;
    const int64_t end = std::clamp<int64_t>(room < 0 ? 0 : room / g.sw + 1, begin, g.ow);
    for (int64_t j = 0; j < begin; ++j) pack_edge(even, odd, j * g.sw - g.pw, to + j * to_pixel());
    pack_columns(even + channel_, odd + channel_, begin * g.sw - g.pw, g.sw, end - begin,
                 to + begin * to_pixel());
    for (int64_t j = end; j < g.ow; ++j) pack_edge(even, odd, j * g.sw - g.pw, to + j * to_pixel());
  }

  void pack_columns(const bf16* even, const bf16* odd, int64_t first, int64_t step, int64_t count,
                    uint32_t* to) const {
    if (count <= 0) return;
    const int64_t c = t_.g.c;
    kernels_.pack_pairs({even + first * c, odd + first * c, end_, count, step * c, channels_, to, to_pixel(),
                         p_.panel_words()});
  }

  // The taps of a row from column `first` on, some of them outside the image.
  void pack_edge(const bf16* even, const bf16* odd, int64_t first, uint32_t* to) const {
    const ConvGeom& g = t_.g;
    const int64_t begin = std::max<int64_t>(0, first), end = std::min(g.w, first + g.kw);
    bf16 *low = edges_, *high = edges_ + t_.channels;
    std::fill(low, high + t_.channels, bf16{});
    if (begin < end) {
      std::copy(even + begin * g.c, even + end * g.c, low + (begin - first) * g.c);
      std::copy(odd + begin * g.c, odd + end * g.c, high + (begin - first) * g.c);
    }
    kernels_.pack_pairs({low + channel_, high + channel_, edges_ + 2 * t_.channels, 1, 0, channels_, to, 0,
                         p_.panel_words()});
  }

  int64_t to_pixel() const { return t_.pairs() * kWords; }

  const Plan& p_;
  const TapShape& t_;
  const TapSumKernels& kernels_;
  int64_t channel_, channels_;
  uint32_t* words_;
  bf16* edges_;
  const bf16 *x_, *end_;
  int64_t group_ = 0, next_ = 0;
};

// The lists of one pass: every block of sums, and the runs over rows of dy that add to it.
struct Pass {
  const Plan& p;
  const PackedRows& x;
  const TapColumn* columns;
  int64_t panels;

  // Rows [i, i + count) of dy, steps [first, last) of each; `a` is row i.
  TapRun run(const TapPair& pair, int64_t i, int64_t first, int64_t last, const bf16* a) const {
    const TapShape& t = p.shape;
    StepRange steps = {last, first};
    const uint32_t* b[2] = {};
    for (int64_t q = 0; q < pair.count; ++q) {
      const int64_t row = i * t.g.sh + pair.tap[q] / t.taps_w * t.g.dh;
      const TapColumn& column = columns[pair.tap[q] % t.taps_w];
      b[q] = x.at(row) + pair.panel[q] * p.panel_words() + column.offset;
      if (!x.inside(row)) continue;
      steps.first = std::min(steps.first, std::max(first, column.steps.first));
      steps.last = std::max(steps.last, std::min(last, column.steps.last));
    }
    if (pair.count == 1) b[1] = b[0];
    const auto begin = [&](const uint32_t* words) {
      return reinterpret_cast<const bf16*>(words) + steps.first * kTileBf16;
    };
    return {a + steps.first * kTileBf16, {begin(b[0]), begin(b[1])}, steps.last - steps.first};
  }

  // Returns the end of the runs.
  TapRun* list(int64_t i, int64_t count, int64_t first, int64_t last, const bf16* a, float* sums,
               TapJob* jobs, TapRun* runs) const {
    const int64_t blocks = p.blocks(panels);
    for (int64_t block = 0; block < blocks; ++block) {
      const TapPair pair = pair_of(block, p.shape.taps(), panels);
      TapJob& job = jobs[block];
      job = {runs, 0, sums + block * kTapBlock, pair.count == 2};
      for (int64_t row = 0; row < count; ++row) {
        const TapRun each = run(pair, i + row, first, last, a + row * p.shape.a_row());
        if (each.steps > 0) *runs++ = each, ++job.count;
      }
    }
    return runs;
  }
};

// Where a task works.
struct Task {
  int64_t conv_group, part, chunk;
  int64_t channel, channels;  // of x, in the group

  static Task make(const Plan& p, int64_t task) {
    Task t;
    t.chunk = task % p.chunks, t.part = task / p.chunks % p.parts, t.conv_group = task / p.chunks / p.parts;
    t.channel = t.part * p.part, t.channels = std::min(p.part, p.shape.channels - t.channel);
    return t;
  }
};

void list_columns(const TapShape& t, TapColumn* columns) {
  const ConvGeom& g = t.g;
  for (int64_t s = 0; s < t.taps_w; ++s) {
    const int64_t at = s * g.dw, plane = t.unfolded ? 0 : at % g.sw, shift = t.unfolded ? 0 : at / g.sw;
    columns[s] = {(plane * t.columns + shift) * t.pairs() * kWords, steps_of(g, t.unfolded, t.group, s)};
  }
}

// A task's memory, and what its loops share.
struct TaskWork {
  TaskWork(const ConvCall& call, const Plan& p, const TapSumKernels& kernels, const Task& task,
           const bf16* all_a, float* sums, float* scratch)
      : call(call),
        p(p),
        kernels(kernels),
        task(task),
        all_a(all_a),
        own_a(reinterpret_cast<bf16*>(scratch + p.a_at)),
        sums(sums),
        columns(reinterpret_cast<TapColumn*>(scratch + p.columns_at)),
        jobs(reinterpret_cast<TapJob*>(scratch + p.jobs_at)),
        runs(reinterpret_cast<TapRun*>(scratch + p.runs_at)),
        x(call, p, kernels, task.conv_group * p.shape.g.cg() + task.channel, task.channels,
          reinterpret_cast<uint32_t*>(scratch + p.b_at), reinterpret_cast<bf16*>(scratch + p.edges_at)),
        pass{p, x, columns, p.panels(task.part)},
        blocks(p.blocks(pass.panels)) {
    list_columns(p.shape, columns);
  }

  // The tiles of rows [unit, unit + count) of dy.
  const bf16* a(int64_t unit, int64_t count) const {
    if (all_a) return all_a + (task.conv_group * p.shape.units() + unit) * p.shape.a_row();
    pack_gradient(call, p.shape, kernels, task.conv_group, unit, count, own_a);
    return own_a;
  }

  // Jobs [at, at + blocks) for these strips.
  void sum(const TapJob* at, int64_t strip, int64_t strips, int64_t sums_strip, bool accumulate) const {
    kernels.sum({at, blocks, strip, strips, p.shape.row_tiles(), p.shape.row_steps * kTileBf16, sums_strip,
                 accumulate});
  }

  const ConvCall& call;
  const Plan& p;
  const TapSumKernels& kernels;
  const Task& task;
  const bf16* all_a;
  bf16* own_a;
  float* sums;
  TapColumn* columns;
  TapJob* jobs;
  TapRun* runs;
  PackedRows x;
  Pass pass;
  int64_t blocks;
};

// All strips for a few rows at a time.
void sum_streaming(TaskWork& w) {
  const TapShape& t = w.p.shape;
  const EvenSplit split(t.units(), w.p.chunks);
  const int64_t begin = split.begin(w.task.chunk), end = begin + split.size(w.task.chunk);
  for (int64_t unit = begin; unit < end;) {
    const int64_t i = unit % t.g.oh, count = std::min({w.p.rows, end - unit, t.g.oh - i});
    if (unit == begin || i == 0) w.x.start(unit / t.g.oh);
    w.x.need(i, count);
    const bf16* a = w.a(unit, count);
    for (int64_t first = 0; first < t.row_steps; first += w.p.segment) {
      w.pass.list(i, count, first, std::min(t.row_steps, first + w.p.segment), a, w.sums, w.jobs, w.runs);
      w.sum(w.jobs, 0, t.strips(), w.blocks * kTapBlock, unit > begin || first > 0);
    }
    unit += count;
  }
}

// All rows for one strip after the other; put(strip) takes its sums.
template <class Put>
void sum_resident(TaskWork& w, Put&& put) {
  const TapShape& t = w.p.shape;
  TapJob* jobs_end = w.jobs;
  TapRun* runs_end = w.runs;
  for (int64_t group = 0; group < t.groups; ++group) {
    w.x.start(group);
    w.x.need(0, t.g.oh);
    for (int64_t i = 0; i < t.g.oh; i += w.p.rows) {
      const int64_t count = std::min(w.p.rows, t.g.oh - i);
      const bf16* a = w.a(group * t.g.oh + i, count);
      for (int64_t first = 0; first < t.row_steps; first += w.p.segment, jobs_end += w.blocks)
        runs_end = w.pass.list(i, count, first, std::min(t.row_steps, first + w.p.segment), a, w.sums,
                               jobs_end, runs_end);
    }
  }
  for (int64_t strip = 0; strip < t.strips(); ++strip) {
    for (const TapJob* jobs = w.jobs; jobs < jobs_end; jobs += w.blocks)
      w.sum(jobs, strip, strip + 1, 0, jobs > w.jobs);
    put(strip);
  }
}

// The sums of a block, which begin at `sums` in the first chunk's, added in the order of the chunks, to where
// they belong in dw.
void put_block(const ConvCall& call, const Plan& p, const Task& task, int64_t strip, int64_t block,
               const float* sums) {
  const TapShape& t = p.shape;
  alignas(64) float total[kTapBlock];
  std::memcpy(total, sums, sizeof total);
  for (int64_t chunk = 1; chunk < p.chunks; ++chunk) {
    const float* more = sums + chunk * p.sum_size();
    for (int64_t i = 0; i < kTapBlock; ++i) total[i] += more[i];
  }
  const TapPair pair = pair_of(block, t.taps(), p.panels(task.part));
  const int64_t o0 = strip * kTapStrip, rows = std::min(kTapStrip, t.g.og() - o0);
  for (int64_t q = 0; q < pair.count; ++q) {
    const int64_t c0 = pair.panel[q] * kTapTile, n = std::min(kTapTile, task.channels - c0);
    float* dw = call.w.as<float>() + pair.tap[q] * t.channels + task.channel + c0;
    for (int64_t o = 0; o < rows; ++o) {
      const float* from = total + ((o / kTapTile * 2 + q) * kTapTile + o % kTapTile) * kTapTile;
      std::copy(from, from + n, dw + (task.conv_group * t.g.og() + o0 + o) * t.taps() * t.channels);
    }
  }
}

void put_strip(const ConvCall& call, const Plan& p, const Task& task, int64_t strip, const float* sums) {
  const int64_t blocks = p.blocks(p.panels(task.part));
  for (int64_t block = 0; block < blocks; ++block)
    put_block(call, p, task, strip, block, sums + block * kTapBlock);
}

void run_task(TaskWork& w) {
  const Plan& p = w.p;
  if (p.resident) return sum_resident(w, [&](int64_t strip) { put_strip(w.call, p, w.task, strip, w.sums); });
  sum_streaming(w);
  if (p.chunks > 1) return;
  for (int64_t strip = 0; strip < p.shape.strips(); ++strip)
    put_strip(w.call, p, w.task, strip, w.sums + strip * w.blocks * kTapBlock);
}

// What the tasks of several chunks have summed.
void add_chunks(const ConvCall& call, const Plan& p, const float* sums) {
  const int64_t strips = p.shape.strips(), blocks = p.most_blocks();
  const double cost = static_cast<double>(p.chunks) * static_cast<double>(call.g.weights());
  parallel_for(p.tasks() / p.chunks * strips * blocks, cost, [&](int64_t i) {
    const int64_t first = i / blocks / strips * p.chunks, strip = i / blocks % strips, block = i % blocks;
    const Task task = Task::make(p, first);
    const int64_t own_blocks = p.blocks(p.panels(task.part));
    if (block >= own_blocks) return;
    const float* from = sums + first * p.sum_size() + (strip * own_blocks + block) * kTapBlock;
    put_block(call, p, task, strip, block, from);
  });
}

}  // namespace

const TapSumKernels* conv2d_weights_tiles(const ConvGeom& g, Target target) {
  const bool fills_tiles = g.cg() >= kTapTile || (g.groups == 1 && g.dw == 1);
  return g.n > 1 && g.pixels() > 0 && g.weights() > 0 && fills_tiles ? tap_sum_kernels(target) : nullptr;
}

int64_t conv2d_weights_tiles_workspace(const ConvGeom& g) { return Plan::make(g).total; }

void conv2d_weights_tiles(const ConvCall& call, const TapSumKernels& kernels, float* workspace) {
  const Plan p = Plan::make(call.g);
  const TapShape& t = p.shape;
  auto* all_a = p.transposes_first() ? reinterpret_cast<bf16*>(workspace + p.all_a) : nullptr;
  if (all_a) {
    const int64_t units = t.units();
    parallel_for(t.g.groups * units, static_cast<double>(call.y.numel()), [&](int64_t i) {
      pack_gradient(call, t, kernels, i / units, i % units, 1, all_a + i * t.a_row());
    });
  }
  float* sums = workspace + p.sums;
  parallel_tasks(p.tasks(), t.g.flops() / 32, [&](int64_t i, int64_t slot) {
    float* scratch = workspace + p.scratch + slot * p.slot;
    const Task task = Task::make(p, i);
    TaskWork work(call, p, kernels, task, all_a,
                  p.chunks > 1 ? sums + i * p.sum_size() : scratch + p.own_sums_at, scratch);
    run_task(work);
  });
  if (p.chunks > 1) add_chunks(call, p, sums);
}

}  // namespace tenon
