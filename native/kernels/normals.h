// Normal numbers in double precision, from exactly rounded steps: std::log and std::cos differ between C
// libraries. Included once per target (no include guard on purpose), from inside the TENON_TARGET part of a
// kernel file; no step may be contracted to a fused one, so that every target has the same numbers.
//
// Polynomials: fdlibm's (K. C. Ng, Sun Microsystems, 1993). Errors are below two units in the last place.

// log(m / 2^24) for whole m of [1, 2^24].
inline double log_of_part(int32_t m) {
  constexpr double kHigh = 6.93147180369123816490e-01, kLow = 1.90821492927058770002e-10;  // ln 2
  constexpr uint64_t kSqrtHalf = 0x3fe6a09e00000000, kOne = 0x3ff0000000000000, kTwoTo52 = 0x4330000000000000;
  constexpr uint64_t kMantissa = 0x000fffffffffffff;
  // m = 2^k (1 + f) with 1 + f of about [sqrt(1/2), sqrt(2))
  const uint64_t bits = std::bit_cast<uint64_t>(static_cast<double>(m)) + (kOne - kSqrtHalf);
  const double k = std::bit_cast<double>(kTwoTo52 | (bits >> 52)) - (4503599627370496.0 + 1023 + 24);
  const double f = std::bit_cast<double>((bits & kMantissa) + kSqrtHalf) - 1;
  const double s = f / (2 + f), z = s * s, w = z * z;
  const double odd =
      w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const double even =
      z * (6.666666666666735130e-01 +
           w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  const double half = 0.5 * f * f;
  return k * kHigh - ((half - (s * (half + (odd + even)) + k * kLow)) - f);
}

struct Direction {
  double cos, sin;
};

// The direction at the angle 2 pi part / 2^24, part of [0, 2^24).
inline Direction direction_of_part(int32_t part) {
  constexpr double kStep = 3.7450702829239286e-07;  // 2 pi / 2^24
  const int32_t quarter = (part + (1 << 21)) >> 22;
  const double x = static_cast<double>(part - (quarter << 22)) * kStep, z = x * x;  // |x| <= pi / 4
  const double sin =
      x + x * z *
              (-1.66666666666666324348e-01 +
               z * (8.33333333332248946124e-03 +
                    z * (-1.98412698298579493134e-04 +
                         z * (2.75573137070700676789e-06 +
                              z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
  const double tail = z * z *
                      (4.16666666666666019037e-02 +
                       z * (-1.38888888888741095749e-03 +
                            z * (2.48015872894767294178e-05 +
                                 z * (-2.75573143513906633035e-07 +
                                      z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
  const double half = 0.5 * z, most = 1 - half;
  const double cos = most + (((1 - most) - half) + tail);
  const bool swapped = (quarter & 1) != 0;
  const double c = swapped ? sin : cos, s = swapped ? cos : sin;
  return {((quarter + 1) & 2) != 0 ? -c : c, (quarter & 2) != 0 ? -s : s};
}

// The words (0, 1) of each block of two make y[0] and y[1]: Box & Muller, "A note on the generation of random
// normal deviates" (1958). n is even and at most kNormals.
inline constexpr int64_t kNormals = 512;

inline void normals(const uint32_t* words, int64_t n, double* y) {
  int32_t u[kNormals / 2], v[kNormals / 2];
  double cos[kNormals / 2], sin[kNormals / 2];
  const int64_t pairs = n / 2;
  for (int64_t i = 0; i < pairs; ++i) {
    u[i] = static_cast<int32_t>(words[2 * i] >> 8);
    v[i] = static_cast<int32_t>(words[2 * i + 1] >> 8);
  }
  for (int64_t i = 0; i < pairs; ++i) {
    const double radius = std::sqrt(-2 * log_of_part((1 << 24) - u[i]));  // 1 - u is in (0, 1]
    const Direction towards = direction_of_part(v[i]);
    cos[i] = radius * towards.cos;
    sin[i] = radius * towards.sin;
  }
  for (int64_t i = 0; i < pairs; ++i) {
    y[2 * i] = cos[i];
    y[2 * i + 1] = sin[i];
  }
}
