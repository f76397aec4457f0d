// What the group-norm kernels share. Included once per target after lanes.h (no include guard on purpose).

// Number, mean and sum of squared deviations of some values.
struct Moments {
  double count = 0, mean = 0, m2 = 0;

  // Chan, Golub and LeVeque 1979.
  void merge(const Moments& more) {
    const double total = count + more.count, delta = more.mean - mean;
    mean += delta * (more.count / total);
    m2 += more.m2 + delta * delta * (count * more.count / total);
    count = total;
  }
};

// Moments of n values from the sums of their deviations from `center` and of the squares of those: a center
// that is off by its rounding is made up for.
inline Moments moments_about(double center, double deviations, double squares, double n) {
  const double m2 = squares - deviations * deviations / n;
  return {n, center + deviations / n, m2 < 0 ? 0 : m2};
}

// Whether vectors run along one group's channels, or along all of them.
inline bool in_runs(const GroupGeom& g) { return g.run() >= W; }

// Some arrays of one value per channel, side by side.
struct Columns {
  real* first;
  int64_t channels;
  real* operator[](int i) const { return first + i * channels; }
};

// gamma and beta, or ones and zeros where a layer has none.
struct Affine {
  const real* gamma;
  const real* beta;
};

template <class Op>
inline real rstd_of(const Op& op, int64_t group) {
  return static_cast<real>(1 / std::sqrt(static_cast<double>(op.var.template as<real>()[group]) + op.eps));
}

// The scratch memory of a call: partial results per task and group, ones and zeros, columns per chunk.
template <class Partial>
class Workspace {
 public:
  Workspace(const GroupGeom& g, int columns, std::byte* memory)
      : geom_(g), columns_(columns), partial_(reinterpret_cast<Partial*>(memory)) {
    ones_ = reinterpret_cast<real*>(partial_ + g.tasks() * g.groups());
  }
  Partial* partial(int64_t task) const { return partial_ + task * geom_.groups(); }
  Columns columns(int64_t chunk) const {
    const int64_t channels = geom_.channels();
    return {ones_ + (2 + chunk * columns_) * channels, channels};
  }
  // Writes the ones and zeros where they are needed.
  template <class Op>
  Affine affine_of(const Op& op) const {
    const int64_t channels = geom_.channels();
    real* zeros = ones_ + channels;
    if (!op.affine) std::fill_n(ones_, channels, real{1});
    std::fill_n(zeros, channels, real{0});
    const real* gamma = op.affine ? op.gamma.template as<real>() : ones_;
    if constexpr (requires { op.beta; }) return {gamma, op.affine ? op.beta.template as<real>() : zeros};
    return {gamma, zeros};
  }

 private:
  const GroupGeom& geom_;
  int columns_;
  Partial* partial_;
  real* ones_;
};

template <class Partial = Moments>
inline size_t workspace_bytes(const GroupGeom& g, int columns) {
  return static_cast<size_t>(g.tasks() * g.groups()) * sizeof(Partial) +
         static_cast<size_t>((2 + g.chunks() * columns) * g.channels()) * sizeof(real);
}

// body(chunk, task) for every task; those of a chunk in order on one thread.
template <class Body>
inline void for_chunks(const GroupGeom& g, double cost, Body&& body) {
  parallel_for(g.chunks(), cost, [&](int64_t chunk) {
    const int64_t end = std::min((chunk + 1) * g.chunk(), g.tasks());
    for (int64_t task = chunk * g.chunk(); task < end; ++task) body(chunk, task);
  });
}
