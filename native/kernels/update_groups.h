// What the kernels that update many tensors in one call share: their operands, and loops over all elements.
// Included once per target after vec.h (no include guard on purpose).
//
// The tensors count as one concatenated range of elements, cut in chunks of equal size: many small
// tensors (biases, norms) and a few large ones balance alike. New weights and states may be the same
// memory as the old.
inline constexpr int64_t kChunk = 8192;

inline bool flag(const Call& c, int i) { return c.attrs[i] != 0; }
inline V spread(double x) { return splat(static_cast<real>(x)); }
inline V scalar_vector(const TensorView& t) { return spread(scalar(t)); }

// The operands of such a call: `scalars` runtime scalars, an optional gradient scale, and groups of n tensors
// of equal sizes. n follows from the number of operands.
struct Groups {
  int scalars, first, groups, n;
  const TensorView* t;

  Groups(const Call& c, int scalars_, bool scaled, int count)
      : scalars(scalars_), first(scalars + scaled), groups(count), n((c.count - first) / groups), t(c.t) {}

  bool scaled() const { return first > scalars; }
  real scale() const { return scaled() ? *t[scalars].as<real>() : real{1}; }

  const TensorView& at(int group, int i) const { return t[first + group * n + i]; }
  int64_t total() const {
    int64_t sum = 0;
    for (int i = 0; i < n; ++i) sum += at(0, i).numel();
    return sum;
  }
};

inline Cost prepare_groups(const Call& c, const Groups& tensors, double operations) {
  require(tensors.n >= 1 && c.count == tensors.first + tensors.groups * tensors.n,
          "optimizer: wrong number of operands");
  for (int i = 0; i < c.attr_count; ++i)
    require(c.attrs[i] == 0 || c.attrs[i] == 1, "optimizer: flags must be 0 or 1");
  for (int i = 0; i < tensors.scalars; ++i)
    require_scalar(c.t[i], "optimizer: hyper-parameters must be runtime scalars");
  const TensorView& scale = c.t[tensors.scalars];
  require(!tensors.scaled() || (scale.dtype == kReal && scale.rank == 0),
          "optimizer: scale must be real of rank 0");
  for (int i = 0; i < tensors.n; ++i) {
    for (int group = 0; group < tensors.groups; ++group) {
      require_dtype(tensors.at(group, i), kReal, "optimizer: parameters and states must be real");
      require_same_dims(tensors.at(0, i), tensors.at(group, i),
                        "optimizer: shapes of a parameter's tensors differ");
    }
  }
  const double total = static_cast<double>(tensors.total());
  return {0, total * operations, total * tensors.groups * sizeof(real)};
}

// Calls fn(i, begin, end) for pieces of tensor i until all elements of all tensors had their turn.
template <class Fn>
inline void for_elements(const Groups& tensors, double operations, Fn&& fn) {
  const int64_t total = tensors.total();
  parallel_chunks(total, kChunk, static_cast<double>(total) * operations, [&](int64_t begin, int64_t end) {
    int64_t start = 0;  // of tensor i in the concatenated range
    for (int i = 0; i < tensors.n && start < end; ++i) {
      const int64_t size = tensors.at(0, i).numel();
      const int64_t from = std::max<int64_t>(0, begin - start), to = std::min(size, end - start);
      if (from < to) fn(i, from, to);
      start += size;
    }
  });
}

// f(x, y) for the vectors of n elements of several tensors: all inputs of a vector are read before an output
// is written, so they may be the same memory.
template <int In, int Out, class F>
inline void update(int64_t n, const real* const (&in)[In], real* const (&out)[Out], F&& f) {
  V x[In], y[Out];
  int64_t i = 0;
  for (; i + W <= n; i += W) {
    for (int k = 0; k < In; ++k) x[k] = load(in[k] + i);
    f(x, y);
    for (int k = 0; k < Out; ++k) store(out[k] + i, y[k]);
  }
  if (i == n) return;
  for (int k = 0; k < In; ++k) x[k] = load_n(in[k] + i, n - i);
  f(x, y);
  for (int k = 0; k < Out; ++k) store_n(out[k] + i, y[k], n - i);
}

// One step of a rule for all elements, in one pass. x of rule(x, y) is In vectors, one of each of the first
// In groups (w, g, states); y is Out vectors, which go to the groups that follow (w', states').
template <int In, int Out, class Rule>
inline void apply_rule(const Groups& tensors, double operations, const Rule& rule) {
  for_elements(tensors, operations, [&](int i, int64_t begin, int64_t end) {
    const real* in[In];
    real* out[Out];
    for (int k = 0; k < In; ++k) in[k] = tensors.at(k, i).template as<real>() + begin;
    for (int k = 0; k < Out; ++k) out[k] = tensors.at(In + k, i).template as<real>() + begin;
    update(end - begin, in, out, [rule](const V(&x)[In], V(&y)[Out]) { rule(x, y); });
  });
}

// Weight decay and the scale of gradients, which most rules begin with. Coupled decay is added to the
// gradient (L2 in the loss); decoupled decay shrinks the weight by 1 - lr decay first.
struct Decayed {
  V decay, keep, scale;

  Decayed(double lr, double weight_decay, bool decoupled, real scale_)
      : decay(spread(decoupled ? 0 : weight_decay)),
        keep(spread(decoupled ? 1 - lr * weight_decay : 1)),
        scale(splat(scale_)) {}

  V gradient(V w, V g) const { return fma(decay, w, scale * g); }
};
