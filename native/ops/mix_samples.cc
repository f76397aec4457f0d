// mix_samples: x real [B, ...], targets i32 [B] or real [B, K], samples, occurrence i32 [B], epoch f64
// scalar, perhaps w real [B] -> y as x, mixed real [B, K], v real [B] if there is w; attributes key[2],
// place, p, choices[]: weight, p, alpha, cut of each way of mixing. With probability p one of them is drawn
// by weight, and happens with its own p: sample b is mixed with sample b + 1, the last with the first. y_b =
// l x_b + (1 - l) x_(b+1) with l of Beta(alpha, alpha), or, for `cut`, x_b with a window of the share 1 - l
// of x_(b+1) (images only: x [B, H, W, C]; l is then what the window leaves). mixed_b = l t_b + (1 - l)
// t_(b+1), class indices being one-hot rows. What is drawn depends on (key, place, samples[b], occurrence[b],
// epoch) alone. With weights w of the samples in the loss, v_b = l w_b + (1 - l) w_(b+1) is that of the
// mixture, and mixed_b = (l w_b t_b + (1 - l) w_(b+1) t_(b+1)) / v_b, so that v_b times the cross entropy is
// the sum of the weighted ones of both; as without w where v_b is 0. A label outside of [0, K) is a Fault.
// Parallel over samples.
#include "augment/mixing.h"
#include "kernels/checks.h"
#include "ops/heavy.h"

namespace tenon {
namespace {

constexpr AttrNames kMixAttrs{"key[2]", "place", "p", "choices[]"};

// A way of mixing, as attributes hold it.
struct Choice {
  double weight, p, alpha, cut;
};
constexpr int kChoiceNumbers = 4;

int choice_count(const Call& call) { return (call.attr_count - kMixAttrs["choices"]) / kChoiceNumbers; }

Choice choice_at(const Call& call, int i) {
  const double* at = call.attrs + kMixAttrs["choices"] + kChoiceNumbers * i;
  return {at[0], at[1], at[2], at[3]};
}

// By weight; nothing is drawn where there is no choice.
Choice draw_choice(const Call& call, augment::Draws& draws) {
  const int count = choice_count(call);
  if (count == 1) return choice_at(call, 0);
  double total = 0;
  for (int i = 0; i < count; ++i) total += choice_at(call, i).weight;
  double left = draws.uniform() * total;
  int chosen = 0;
  for (int i = 0; i < count; ++i) {
    const double weight = choice_at(call, i).weight;
    if (weight == 0) continue;
    chosen = i;
    if (left < weight) break;
    left -= weight;
  }
  return choice_at(call, chosen);
}

// Operands: without weights 7, with them 9.
struct Operands {
  explicit Operands(const Call& call)
      : weighted(call.count == 9), y(call.t[weighted ? 6 : 5]), mixed(call.t[weighted ? 7 : 6]), call(call) {}

  const TensorView& weights() const { return call.t[5]; }
  const TensorView& mixed_weights() const { return call.t[8]; }

  bool weighted;
  const TensorView &y, &mixed;
  const Call& call;
};

// T is float, or double on the reference target.
template <class T>
struct Batch {
  explicit Batch(const Call& call)
      : call(call),
        operands(call),
        x(call.t[0]),
        size(x.dims[0]),
        row(size > 0 ? x.numel() / size : 0),
        classes(operands.mixed.dims[1]),
        epoch(word_of(scalar(call.t[4]))) {}

  augment::Draws draws(int64_t b) const {
    const double* key = call.attrs + kMixAttrs["key"];
    const augment::Stream stream{{word_of(key[0]), word_of(key[1])},
                                 static_cast<uint32_t>(call.t[2].as<int32_t>()[b]),
                                 static_cast<uint32_t>(call.t[3].as<int32_t>()[b]),
                                 epoch};
    return {stream, static_cast<uint32_t>(call.attrs[kMixAttrs["place"]])};
  }
  const T* input(int64_t b) const { return x.as<T>() + b * row; }
  T* output(int64_t b) const { return operands.y.as<T>() + b * row; }

  const Call& call;
  Operands operands;
  const TensorView& x;
  int64_t size, row, classes;
  uint32_t epoch;
};

// Sample b with a window of the one behind it. Returns the share of the image that it keeps.
template <class T>
double cut(const Batch<T>& batch, int64_t b, const T* other, double keep, augment::Draws& draws) {
  const int64_t h = batch.x.dims[1], w = batch.x.dims[2], c = batch.x.dims[3];
  const augment::Window window = augment::draw_window({h, w}, keep, draws);
  std::copy_n(batch.input(b), batch.row, batch.output(b));
  const int64_t n = (window.right - window.left) * c;
  for (int64_t y = window.top; y < window.bottom && n > 0; ++y) {
    const int64_t at = (y * w + window.left) * c;
    std::copy_n(other + at, n, batch.output(b) + at);
  }
  return 1 - static_cast<double>(window.pixels()) / static_cast<double>(h * w);
}

template <class T>
void blend(const Batch<T>& batch, int64_t b, const T* other, double keep) {
  const T l = static_cast<T>(keep), rest = static_cast<T>(1 - keep);
  const T* x = batch.input(b);
  T* y = batch.output(b);
  for (int64_t i = 0; i < batch.row; ++i) y[i] = l * x[i] + rest * other[i];
}

// Adds `share` of the target of sample b.
template <class T>
void add_target(const Batch<T>& batch, int64_t b, double share, T* to) {
  const TensorView& targets = batch.call.t[1];
  if (targets.dtype == DType::i32) {
    const int32_t label = targets.as<int32_t>()[b];
    if (label < 0 || label >= batch.classes) {
      batch.call.run->fault(Fault::label_out_of_range, b);
      return;
    }
    to[label] += static_cast<T>(share);
    return;
  }
  const T* from = targets.as<T>() + b * batch.classes;
  for (int64_t k = 0; k < batch.classes; ++k) to[k] += static_cast<T>(share) * from[k];
}

// Writes the inputs of sample b. Returns the share that it keeps.
template <class T>
double mix_inputs(const Batch<T>& batch, int64_t b, int64_t partner) {
  augment::Draws draws = batch.draws(b);
  if (draws.chance(batch.call.attrs[kMixAttrs["p"]])) {
    const Choice choice = draw_choice(batch.call, draws);
    if (choice.p == 1 || draws.chance(choice.p)) {
      const T* other = batch.input(partner);
      const double keep = augment::draw_beta(choice.alpha, draws);
      if (choice.cut != 0) return cut(batch, b, other, keep, draws);
      blend(batch, b, other, keep);
      return keep;
    }
  }
  std::copy_n(batch.input(b), batch.row, batch.output(b));
  return 1;
}

// The share of its own target, of a sample that keeps the share `keep`. Writes the weight of the mixture.
template <class T>
double own_share(const Batch<T>& batch, int64_t b, int64_t partner, double keep) {
  const Operands& operands = batch.operands;
  if (!operands.weighted) return keep;
  const T* weights = operands.weights().as<T>();
  T* to = operands.mixed_weights().as<T>() + b;
  *to = weights[b];
  if (keep == 1) return 1;
  const double own = keep * static_cast<double>(weights[b]);
  const double both = own + (1 - keep) * static_cast<double>(weights[partner]);
  *to = static_cast<T>(both);
  return both > 0 ? own / both : keep;
}

template <class T>
void mix(const Batch<T>& batch, int64_t b) {
  const int64_t partner = b + 1 < batch.size ? b + 1 : 0;
  const double keep = own_share(batch, b, partner, mix_inputs(batch, b, partner));
  T* mixed = batch.operands.mixed.template as<T>() + b * batch.classes;
  std::fill_n(mixed, batch.classes, T{0});
  add_target(batch, b, keep, mixed);
  if (keep < 1) add_target(batch, partner, 1 - keep, mixed);
}

void check_shapes(const Call& call, DType real) {
  const Operands operands(call);
  const TensorView &x = call.t[0], &targets = call.t[1], &mixed = operands.mixed;
  require(x.dtype == real && x.rank >= 1, "mix_samples: x must be real [B, ...]");
  require_same_dims(x, operands.y, "mix_samples: y must be as x");
  require_dtype(operands.y, real, "mix_samples: y must be real");
  require(mixed.rank == 2 && mixed.dtype == real && mixed.dims[0] == x.dims[0] && mixed.dims[1] >= 1,
          "mix_samples: mixed must be real [B, K]");
  const bool labels = targets.dtype == DType::i32 && targets.rank == 1 && targets.dims[0] == x.dims[0];
  require(labels || (targets.dtype == real && targets.rank == 2 && targets.dims[0] == x.dims[0] &&
                     targets.dims[1] == mixed.dims[1]),
          "mix_samples: targets must be i32 [B] or real [B, K]");
  for (const int i : {2, 3}) {
    require(call.t[i].rank == 1 && call.t[i].dtype == DType::i32 && call.t[i].dims[0] == x.dims[0],
            "mix_samples: samples and occurrence must be i32 [B]");
  }
  require_scalar(call.t[4], "mix_samples: epoch must be a scalar");
  if (!operands.weighted) return;
  for (const TensorView* w : {&operands.weights(), &operands.mixed_weights()}) {
    require(w->rank == 1 && w->dtype == real && w->dims[0] == x.dims[0],
            "mix_samples: weights must be real [B]");
  }
}

bool is_probability(double p) { return p >= 0 && p <= 1; }

void check_choices(const Call& call) {
  const int numbers = call.attr_count - kMixAttrs["choices"];
  require(numbers >= kChoiceNumbers && numbers % kChoiceNumbers == 0 && numbers <= 64 * kChoiceNumbers,
          "mix_samples: choices are 1 to 64 times four numbers");
  const TensorView& x = call.t[0];
  const bool images = x.rank == 4 && x.dims[1] >= 1 && x.dims[2] >= 1;
  double total = 0;
  for (int i = 0; i < choice_count(call); ++i) {
    const Choice choice = choice_at(call, i);
    require(choice.weight >= 0 && choice.weight <= 1e9, "mix_samples: a weight is out of range");
    require(is_probability(choice.p), "mix_samples: p of a choice must be between 0 and 1");
    require(choice.alpha >= 1e-3 && choice.alpha <= 1e6, "mix_samples: alpha must be from 0.001 to 1000000");
    require(choice.cut == 0 || (choice.cut == 1 && images), "mix_samples: cut is 0 or 1, and 1 for images");
    total += choice.weight;
  }
  require(total > 0, "mix_samples: all weights are 0");
}

template <class T>
Cost prepare_mix(const Call& call) {
  constexpr DType real = sizeof(T) == sizeof(double) ? DType::f64 : DType::f32;
  require_operands(call, call.count == 9 ? 9 : 7);
  check_shapes(call, real);
  require_words(call, kMixAttrs["key"], kMixAttrs["key"] + 2, "mix_samples: a key is not a 32-bit word");
  const int64_t place = integer_attr(call, kMixAttrs["place"], "mix_samples: place must be an integer");
  require(place >= 1 && place < augment::kMaxPlaces, "mix_samples: place is out of range");
  require(is_probability(call.attrs[kMixAttrs["p"]]), "mix_samples: p must be between 0 and 1");
  check_choices(call);
  const TensorView& x = call.t[0];
  return {0, 3.0 * static_cast<double>(x.numel()), 3.0 * static_cast<double>(x.bytes())};
}

template <class T>
void run_mix(const Call& call) {
  const Batch<T> batch(call);
  parallel_for(batch.size, 3.0 * static_cast<double>(batch.x.numel()), [&](int64_t b) { mix(batch, b); });
}

struct MixSamples {
  static constexpr const char* kName = "mix_samples";
  static constexpr AttrList kAttrs = kMixAttrs;
  static Cost prepare(const Call& call, const GemmKernels&) { return prepare_mix<float>(call); }
  static void run(const Call& call, const GemmKernels&) { run_mix<float>(call); }
};
const RegisterHeavy<MixSamples> registration;
const KernelRegistrar reference("mix_samples", Target::ref, prepare_mix<double>, run_mix<double>, kMixAttrs);

}  // namespace
}  // namespace tenon
