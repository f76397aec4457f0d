// The loops of linalg_f64.h, with the compiler's vectors of doubles.
#define TENON_NO_REF
#define TENON_KERNEL_FILE "kernels/linalg_f64.cc"
#include "kernels/linalg_f64.h"

#include "kernels/for_each_target.h"

#ifdef TENON_TARGET

constexpr int kLanes = W / 2;
typedef double D __attribute__((vector_size(kLanes * 8)));

  // Accumulators, two vectors of B and a broadcast of A fill the registers: 32 of them, or 16.
  #if defined(TENON_IS_AVX512) || defined(TENON_IS_NEON)
constexpr int kMr = 12;
  #else
constexpr int kMr = 6;
  #endif
constexpr int kNv = 2;
constexpr int kNr = kNv * kLanes;

inline D load_d(const double* p) {
  D v;
  std::memcpy(&v, p, sizeof(D));
  return v;
}

inline void store_d(double* p, D v) { std::memcpy(p, &v, sizeof(D)); }

inline D splat_d(double x) { return x - D{}; }

// a * b + c, rounded once where the target has the instruction.
inline D fma_d(D a, D b, D c) {
  #if defined(TENON_IS_AVX512)
  return (D)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
  #elif defined(TENON_IS_AVX2)
  return (D)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
  #elif defined(TENON_IS_NEON)
  return (D)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
  #else
  return a * b + c;
  #endif
}

template <int... I>
inline void multiply_step(const double* a, const D (&b)[kNv], D (&acc)[kMr][kNv],
                          std::integer_sequence<int, I...>) {
  ((acc[I / kNv][I % kNv] = fma_d(splat_d(a[I / kNv]), b[I % kNv], acc[I / kNv][I % kNv])), ...);
}

void tile(int64_t depth, const double* a, const double* b, double* c, int64_t ldc) {
  D acc[kMr][kNv];
  for (int m = 0; m < kMr; ++m)
    for (int v = 0; v < kNv; ++v) acc[m][v] = load_d(c + m * ldc + v * kLanes);
  for (int64_t k = 0; k < depth; ++k, a += kMr, b += kNr) {
    D row[kNv];
    for (int v = 0; v < kNv; ++v) row[v] = load_d(b + v * kLanes);
    multiply_step(a, row, acc, std::make_integer_sequence<int, kMr * kNv>());
  }
  for (int m = 0; m < kMr; ++m)
    for (int v = 0; v < kNv; ++v) store_d(c + m * ldc + v * kLanes, acc[m][v]);
}

// Four vectors of partial sums hide the latency of adding.
double dot(int64_t n, const double* x, const double* y) {
  D sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    for (int v = 0; v < 4; ++v)
      sums[v] = fma_d(load_d(x + i + v * kLanes), load_d(y + i + v * kLanes), sums[v]);
  const D folded = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double total = 0;
  for (int lane = 0; lane < kLanes; ++lane) total += folded[lane];
  for (; i < n; ++i) total += x[i] * y[i];
  return total;
}

void axpy(int64_t n, double a, const double* x, double* y) {
  const D factor = splat_d(a);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_d(y + i, fma_d(factor, load_d(x + i), load_d(y + i)));
  for (; i < n; ++i) y[i] += a * x[i];
}

constexpr int64_t kStrip = LinalgF64::kStrip;
constexpr int kStripVectors = kStrip / kLanes;

struct Column {
  D v[kStripVectors];
};

inline Column load_column(const double* p) {
  Column column;
  for (int i = 0; i < kStripVectors; ++i) column.v[i] = load_d(p + i * kLanes);
  return column;
}

inline void store_column(double* p, const Column& column) {
  for (int i = 0; i < kStripVectors; ++i) store_d(p + i * kLanes, column.v[i]);
}

// Rotates columns x and y: what becomes of x goes on in y, to the rotation of the column before; what becomes
// of y is the result.
inline Column turn(const Rotation& rotation, const Column& x, Column& y) {
  const D c = splat_d(rotation.c), s = splat_d(rotation.s);
  Column done;
  for (int i = 0; i < kStripVectors; ++i) {
    done.v[i] = fma_d(s, x.v[i], c * y.v[i]);
    y.v[i] = fma_d(c, x.v[i], -(s * y.v[i]));
  }
  return done;
}

void rotate_one(double* column, int64_t count, const Rotation* rotations) {
  Column y = load_column(column + kStrip);
  for (int64_t i = 0; i < count; ++i, column -= kStrip)
    store_column(column + kStrip, turn(rotations[i], load_column(column), y));
  store_column(column + kStrip, y);
}

// Two sweeps over the same columns, the second one column behind the first: half the memory is touched, and
// the bits are those of one sweep behind the other.
void rotate_two(double* column, int64_t count, const Rotation* rotations) {
  const Rotation* second = rotations + count;
  Column y = load_column(column + kStrip);
  Column behind = turn(rotations[0], load_column(column), y);
  for (int64_t i = 1; i < count; ++i) {
    column -= kStrip;
    const Column x = turn(rotations[i], load_column(column), y);
    store_column(column + 2 * kStrip, turn(second[i - 1], x, behind));
  }
  store_column(column + kStrip, turn(second[count - 1], y, behind));
  store_column(column, behind);
}

void rotate(double* strip, const Sweep* sweeps, int64_t count, const Rotation* rotations) {
  for (const Sweep *sweep = sweeps, *end = sweeps + count; sweep < end; ++sweep) {
    double* column = strip + sweep->first * kStrip;
    const bool two = sweep + 1 < end && sweep[1].first == sweep->first && sweep[1].count == sweep->count;
    if (two) {
      rotate_two(column, sweep->count, rotations);
      ++sweep;
    } else {
      rotate_one(column, sweep->count, rotations);
    }
    rotations += (two ? 2 : 1) * sweep->count;
  }
}

constexpr LinalgF64 kTable = {kMr, kNr, &tile, &dot, &axpy, &rotate};

#else

namespace tenon {

const LinalgF64& linalg_f64(Target target) { return TENON_TABLE(target); }

}  // namespace tenon

#endif
