/** The standard normal distribution, to about 1e-13 relative, far into its tails too. */

const LOG_ROOT_2PI = Math.log(2 * Math.PI) / 2;
/** Below it the series is exact, from it on the continued fraction. */
const SERIES_UNTIL = 2;
const FRACTIONS = 60;

/** erf(x) for |x| <= 2, by the series of positive terms (Abramowitz & Stegun 7.1.6). */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** exp(x^2) erfc(x) for x >= 2, by the continued fraction (Abramowitz & Stegun 7.1.14). */
function scaledErfc(x: number): number {
  let below = x;
  for (let k = FRACTIONS; k >= 1; k--) below = x + k / 2 / below;
  return 1 / (Math.sqrt(Math.PI) * below);
}

/** The logarithm of its density. */
export function logDensity(z: number): number {
  return -z * z * 0.5 - LOG_ROOT_2PI;
}

/** The probability of being below `z`. */
export function cdf(z: number): number {
  const x = z * Math.SQRT1_2;
  if (Math.abs(x) < SERIES_UNTIL) return 0.5 + 0.5 * erfSeries(x);
  const tail = 0.5 * Math.exp(-x * x) * scaledErfc(Math.abs(x));
  return x < 0 ? tail : 1 - tail;
}

/** The place below which a probability lies: the inverse of {@link cdf}, by halving an interval. */
export function quantile(probability: number): number {
  let [low, high] = [-40, 40];
  while (high - low > 1e-14 * Math.max(1, Math.abs(low))) {
    const middle = (low + high) / 2;
    // Differences from 1 are exact in the lower tail only.
    const below = middle > 0 ? cdf(-middle) > 1 - probability : cdf(middle) < probability;
    if (below) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Its probability of being below `z` over its density there, for `z` of -3 and less. */
export function millsRatio(z: number): number {
  return Math.sqrt(Math.PI / 2) * scaledErfc(-z * Math.SQRT1_2);
}

/** The logarithm of {@link cdf}, which does not underflow. */
export function logCdf(z: number): number {
  if (z > 0) return Math.log1p(-cdf(-z));
  const x = -z * Math.SQRT1_2;
  return x < SERIES_UNTIL ? Math.log(cdf(z)) : -x * x + Math.log(0.5 * scaledErfc(x));
}

/** The logarithm of the probability of being between `a` and `b`; -Infinity where `b` is not above `a`. */
export function logMass(a: number, b: number): number {
  if (!(a < b)) return -Infinity;
  // Differences are exact in the lower tail only.
  if (a > 0) return logMass(-b, -a);
  if (b > 0) return Math.log1p(-cdf(a) - cdf(-b));
  const high = logCdf(b);
  return high + Math.log(-Math.expm1(logCdf(a) - high));
}
