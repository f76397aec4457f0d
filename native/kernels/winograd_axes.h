// The axes of Winograd's transforms; see winograd.h for the algorithm. Included once per target after vec.h
// (no include guard on purpose).
//
// Interpolation points 0, a, -a, b, -b and infinity. m(x) = x (x^2 - a^2) (x^2 - b^2); row p of B^T holds the
// coefficients of m(x) / (x - p), row p of A the powers of p, and row p of G those powers over m'(p). The
// points +-p share their even and odd parts.

// a and b. Among the pairs tried (1 and 2, 1/2 and 2, 5/8 and 3/2, 3/4 and 3/2, ...) these lose the fewest
// digits: the error is a quarter of that with the customary 1 and 2. Their squares are exact, and a b = 1.
constexpr float kA = 0.707106781186547524f, kB = 1.41421356237309505f;
constexpr float kA2 = 0.5f, kB2 = 2, kA3 = kA2 * kA, kB3 = kB2 * kB;
// 1 / m'(p); 1 for p = 0.
constexpr float kWeightA = 1 / (2 * kA2 * (kA2 - kB2)), kWeightB = 1 / (2 * kB2 * (kB2 - kA2));

// Each of these is one axis of a transform, kIn values to kOut. kTogether: rows between the axes that are
// computed together, as they share arithmetic or as registers hold them all.
struct InputAxis {  // B^T
  static constexpr int kIn = 6, kOut = 6;
  static constexpr int kTogether[][2] = {{0, 5}, {1, 2}, {3, 4}};
  [[gnu::always_inline]] static void apply(const V (&d)[kIn], V (&v)[kOut]) {
    const V even_a = fma(splat(-kB2), d[2], d[4]), odd_a = fma(splat(-kB2), d[1], d[3]);
    const V even_b = fma(splat(-kA2), d[2], d[4]), odd_b = fma(splat(-kA2), d[1], d[3]);
    v[0] = fma(splat(-kA2 - kB2), d[2], d[0] + d[4]);
    v[1] = fma(splat(kA), odd_a, even_a);
    v[2] = fma(splat(-kA), odd_a, even_a);
    v[3] = fma(splat(kB), odd_b, even_b);
    v[4] = fma(splat(-kB), odd_b, even_b);
    v[5] = fma(splat(-kA2 - kB2), d[3], d[1] + d[5]);
  }
};

struct OutputAxis {  // A^T
  static constexpr int kIn = 6, kOut = 4;
#if defined(TENON_IS_AVX512) || defined(TENON_IS_NEON)
  static constexpr int kTogether[][4] = {{0, 1, 2, 3}};
#else
  static constexpr int kTogether[][2] = {{0, 2}, {1, 3}};
#endif
  [[gnu::always_inline]] static void apply(const V (&m)[kIn], V (&y)[kOut]) {
    const V even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + even_a + even_b;
    y[1] = fma(splat(kA), odd_a, splat(kB) * odd_b);
    y[2] = fma(splat(kA2), even_a, splat(kB2) * even_b);
    y[3] = fma(splat(kA3), odd_a, fma(splat(kB3), odd_b, m[5]));
  }
};

struct FilterAxis {  // G
  static constexpr int kIn = 3, kOut = 6;
  static constexpr int kTogether[][2] = {{0, 5}, {1, 2}, {3, 4}};
  [[gnu::always_inline]] static void apply(const V (&g)[kIn], V (&u)[kOut]) {
    const V even_a = splat(kWeightA) * fma(splat(kA2), g[2], g[0]), odd_a = splat(kWeightA * kA) * g[1];
    const V even_b = splat(kWeightB) * fma(splat(kB2), g[2], g[0]), odd_b = splat(kWeightB * kB) * g[1];
    u[0] = g[0];
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = g[2];
  }
};

struct OutputGradientAxis {  // A
  static constexpr int kIn = 4, kOut = 6;
  static constexpr int kTogether[][2] = {{0, 5}, {1, 2}, {3, 4}};
  [[gnu::always_inline]] static void apply(const V (&y)[kIn], V (&m)[kOut]) {
    const V even_a = fma(splat(kA2), y[2], y[0]), odd_a = fma(splat(kA2), y[3], y[1]);
    const V even_b = fma(splat(kB2), y[2], y[0]), odd_b = fma(splat(kB2), y[3], y[1]);
    m[0] = y[0];
    m[1] = fma(splat(kA), odd_a, even_a);
    m[2] = fma(splat(-kA), odd_a, even_a);
    m[3] = fma(splat(kB), odd_b, even_b);
    m[4] = fma(splat(-kB), odd_b, even_b);
    m[5] = y[3];
  }
};

struct FilterGradientAxis {  // G^T
  static constexpr int kIn = 6, kOut = 3;
  static constexpr int kTogether[][3] = {{0, 1, 2}};
  [[gnu::always_inline]] static void apply(const V (&u)[kIn], V (&g)[kOut]) {
    const V even_a = splat(kWeightA) * (u[1] + u[2]), odd_a = splat(kWeightA * kA) * (u[1] - u[2]);
    const V even_b = splat(kWeightB) * (u[3] + u[4]), odd_b = splat(kWeightB * kB) * (u[3] - u[4]);
    g[0] = u[0] + even_a + even_b;
    g[1] = odd_a + odd_b;
    g[2] = fma(splat(kA2), even_a, fma(splat(kB2), even_b, u[5]));
  }
};

// Both axes, for some rows of what the first one makes: columns, then those rows. What is between the axes
// stays in registers, where all 36 vectors would go through memory. What other rows would need is dead code:
// inputs are loaded again for others, but these share no arithmetic. get(i, j) returns an input, put(i, j, v)
// takes an output.
template <class Axis, int... Row, class Has, class Get, class Put>
[[gnu::always_inline]] inline void transform_rows(Has has, Get get, Put put) {
  constexpr int kRows = sizeof...(Row), kRow[] = {Row...};
  V between[kRows][Axis::kIn] = {}, out[Axis::kOut];
#pragma GCC unroll 6
  for (int j = 0; j < Axis::kIn; ++j) {
    if (!has(j)) continue;
    V in[Axis::kIn];
    for (int i = 0; i < Axis::kIn; ++i) in[i] = get(i, j);
    Axis::apply(in, out);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) between[i][j] = out[kRow[i]];
  }
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) {
    Axis::apply(between[i], out);
    for (int j = 0; j < Axis::kOut; ++j) put(kRow[i], j, out[j]);
  }
}

// The functions hold what they need by value, and are inlined with the loops: through references every
// address would be loaded anew.
template <class Axis, int Group, size_t... I, class Has, class Get, class Put>
[[gnu::always_inline]] inline void transform_group(std::index_sequence<I...>, Has has, Get get, Put put) {
  transform_rows<Axis, Axis::kTogether[Group][I]...>(has, get, put);
}
template <class Axis, size_t... Group, class Has, class Get, class Put>
[[gnu::always_inline]] inline void transform_groups(std::index_sequence<Group...>, Has has, Get get,
                                                    Put put) {
  constexpr auto kRows = std::make_index_sequence<std::size(Axis::kTogether[0])>();
  (transform_group<Axis, Group>(kRows, has, get, put), ...);
}
template <class Axis, class Has, class Get, class Put>
[[gnu::always_inline]] inline void transform(Has has, Get get, Put put) {
  transform_groups<Axis>(std::make_index_sequence<std::size(Axis::kTogether)>(), has, get, put);
}
template <class Axis, class Get, class Put>
[[gnu::always_inline]] inline void transform(Get get, Put put) {
  transform<Axis>([](int) { return true; }, get, put);
}
