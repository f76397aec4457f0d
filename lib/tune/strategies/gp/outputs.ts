/**
 * Losses as the process sees them: of mean 0 and variance 1, and with as little skew as a curve can leave.
 */

/** The same with mean 0 and variance 1; all 0 where they are equal. */
export function standardized(losses: ArrayLike<number>): Float64Array {
  const given = Float64Array.from(losses);
  // They may be so large that their squares are infinite.
  const largest = given.reduce((most, loss) => Math.max(most, Math.abs(loss)), 0) || 1;
  const scaled = given.map((loss) => loss / largest);
  const { mean, variance } = momentsOf(scaled);
  const deviation = Math.sqrt(variance);
  return scaled.map((loss) => (deviation < 1e-14 ? 0 : (loss - mean) / deviation));
}

function momentsOf(values: Float64Array): { readonly mean: number; readonly variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, variance };
}

/**
 * Yeo and Johnson's curve, which rises: a power of 1 + value for values above 0, and of 1 - value below. A
 * power of 1 leaves values as they are; 0 is a logarithm on the side above 0, and 2 on the side below.
 */
export function bent(value: number, power: number): number {
  const side = value < 0 ? 2 - power : power;
  const size = Math.log1p(Math.abs(value));
  const moved = Math.abs(side) < 1e-9 ? size : Math.expm1(side * size) / side;
  return value < 0 ? -moved : moved;
}

/** The curve bends at most as much as a logarithm, on either side. */
const LEAST = 0;
const MOST = 2;
const SECTIONS = 30;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** The power that makes values most likely as draws from a normal distribution, by golden sections. */
export function powerOf(values: Float64Array): number {
  const { length } = values;
  const stretch = values.reduce((sum, value) => sum + Math.sign(value) * Math.log1p(Math.abs(value)), 0);
  // Minus the log likelihood, which has one minimum (Yeo & Johnson 2000).
  const unlikelihood = (power: number): number =>
    (length / 2) * Math.log(momentsOf(values.map((value) => bent(value, power))).variance) -
    (power - 1) * stretch;
  let low = LEAST;
  let high = MOST;
  for (let i = 0; i < SECTIONS; i++) {
    const part = GOLDEN * (high - low);
    if (unlikelihood(high - part) < unlikelihood(low + part)) high = low + part;
    else low = high - part;
  }
  return (low + high) / 2;
}

/**
 * Losses on the curve that makes them look most like draws from a normal distribution, which is what a
 * Gaussian process expects of them (Cowen-Rivers et al. 2022, "HEBO"). A few large ones, or a few that are
 * far better than the others, then hide less of the differences among the others.
 */
export function normalized(losses: ArrayLike<number>): Float64Array {
  const values = standardized(losses);
  if (values.every((value) => value === 0)) return values;
  const power = powerOf(values);
  return standardized(values.map((value) => bent(value, power)));
}
