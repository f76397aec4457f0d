/**
 * The kernel that observations make likely: the maximum of the marginal likelihood times a prior, by L-BFGS
 * in the logarithms of its numbers.
 */
import type { Steps } from '../steps';
import { cholesky, inverse, solve } from './cholesky';
import { distance, maternSlope, squared, type Kernel } from './kernel';
import { minimizing } from './lbfgs';
import { covariance, type Observations } from './process';

/** Variance of noise, for values of variance 1: less than it makes the covariance singular. */
export const LEAST_NOISE = 1e-6;
/** Logarithms are kept within; the prior keeps them nearer. */
const WIDEST = 12;
const TOLERANCE = 1e-2;
const ITERATIONS = 60;

/**
 * Priors of Optuna's GPSampler: weights by exp(-0.1 / w - 0.1 w), the scale by Gamma(2, 1), the
 * noise by Gamma(1.1, 30). Returns their negative logarithm, and adds its derivatives by the
 * logarithms of the numbers.
 */
function penalty({ weights, scale, noise }: Kernel, gradient: Float64Array): number {
  const d = weights.length;
  let sum = scale - Math.log(scale) + 30 * noise - 0.1 * Math.log(noise);
  weights.forEach((weight, j) => {
    sum += 0.1 / weight + 0.1 * weight;
    gradient[j] = gradient[j]! + 0.1 * weight - 0.1 / weight;
  });
  gradient[d] = gradient[d]! + scale - 1;
  gradient[d + 1] = gradient[d + 1]! + (30 - 0.1 / noise) * (noise - LEAST_NOISE);
  return sum;
}

/** The kernel of: the logarithms of the weights, of the scale, and of the noise above the least. */
export function kernelOf(logs: Float64Array): Kernel {
  const d = logs.length - 2;
  const weights = logs.subarray(0, d).map(Math.exp);
  return { weights, scale: Math.exp(logs[d]!), noise: LEAST_NOISE + Math.exp(logs[d + 1]!) };
}

/**
 * What is minimized: the negative logarithm of likelihood times prior, but for constants. `gradient` is
 * filled with its derivatives by `logs`.
 */
export function unlikelihood(observations: Observations, logs: Float64Array, gradient: Float64Array): number {
  const { points, values } = observations;
  const size = points.length;
  const kernel = kernelOf(logs);
  gradient.fill(0);
  const matrix = covariance(observations, kernel);
  const lower = cholesky(matrix, size);
  if (lower === undefined) return Infinity;
  const alpha = solve(lower, values);
  let sum = 0;
  for (let i = 0; i < size; i++) sum += Math.log(lower[i * size + i]!) + 0.5 * values[i]! * alpha[i]!;
  addSlopes(observations, kernel, { matrix, alpha, inverted: inverse(lower, size) }, gradient);
  return sum + penalty(kernel, gradient);
}

interface Solved {
  /** The covariance. */
  readonly matrix: Float64Array;
  readonly inverted: Float64Array;
  /** The inverse times the values. */
  readonly alpha: Float64Array;
}

/** Half the trace of (K^-1 - alpha alpha^T) dK, for each of the logarithms (Rasmussen & Williams, 5.9). */
function addSlopes(
  { points, choices }: Observations,
  { weights, scale, noise }: Kernel,
  { matrix, alpha, inverted }: Solved,
  gradient: Float64Array,
): void {
  const size = points.length;
  const d = weights.length;
  let byScale = 0;
  let byNoise = 0;
  for (let i = 0; i < size; i++) {
    const own = inverted[i * size + i]! - alpha[i]! * alpha[i]!;
    byScale += 0.5 * own * scale;
    byNoise += 0.5 * own;
    for (let k = 0; k < i; k++) {
      // Twice, above and below the diagonal.
      const share = inverted[i * size + k]! - alpha[i]! * alpha[k]!;
      const value = matrix[i * size + k]!;
      byScale += share * value;
      const slope = share * maternSlope(distance(points[i]!, points[k]!, weights, choices), value);
      for (let j = 0; j < d; j++)
        gradient[j] = gradient[j]! + slope * weights[j]! * squared(points[i]!, points[k]!, j, choices);
    }
  }
  gradient[d] = gradient[d]! + byScale;
  gradient[d + 1] = gradient[d + 1]! + byNoise * (noise - LEAST_NOISE);
}

/** Where the descent begins: lengths and scale of 1, and little noise. */
const FIRST_NOISE = Math.log(1e-2);

/** @param observations values of mean 0 and variance 1, or all 0 */
export function* fitKernel(observations: Observations): Steps<Kernel> {
  const d = observations.choices.length;
  const start = new Float64Array(d + 2);
  start[d + 1] = FIRST_NOISE;
  const { x } = yield* minimizing((logs, gradient) => unlikelihood(observations, logs, gradient), start, {
    low: start.map((_, i) => (i === d + 1 ? -2 * WIDEST : -WIDEST)),
    high: start.map(() => WIDEST),
    tolerance: TOLERANCE,
    iterations: ITERATIONS,
  });
  return kernelOf(x);
}
