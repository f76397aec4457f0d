/**
 * The normal distribution of CMA-ES and its update after a generation: Hansen 2016, "The CMA evolution
 * strategy: a tutorial" (arXiv:1604.00772), with its defaults and the negative weights of active CMA.
 */
import { eigenOf, identity, type Eigen, type Matrix } from './eigen';
import type { Random } from './random-numbers';

export interface Distribution {
  readonly mean: readonly number[];
  readonly sigma: number;
  readonly covariance: Readonly<Matrix>;
  readonly sigmaPath: readonly number[];
  readonly covariancePath: readonly number[];
  /** Updates so far. */
  readonly generation: number;
}

/** The learning rates and weights for a number of dimensions and points per generation. */
interface Rates {
  /** For the points of a generation, the best first; negative for the worse half. */
  readonly weights: readonly number[];
  /** The variance-effective number of points that the mean is made of. */
  readonly effective: number;
  readonly sigmaPath: number;
  readonly damping: number;
  readonly covariancePath: number;
  readonly rankOne: number;
  readonly rankMany: number;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const effectiveOf = (weights: readonly number[]): number =>
  sum(weights) ** 2 / sum(weights.map((w) => w * w));

/** 4 + 3 ln(dimensions): enough for a smooth function. */
export function usualPopulation(dimensions: number): number {
  return 4 + Math.floor(3 * Math.log(dimensions));
}

function ratesOf(n: number, population: number): Rates {
  const raw = Array.from({ length: population }, (_, i) => Math.log((population + 1) / 2) - Math.log(i + 1));
  const parents = Math.floor(population / 2);
  const effective = effectiveOf(raw.slice(0, parents));
  const effectiveWorse = effectiveOf(raw.slice(parents));
  const rankOne = 2 / ((n + 1.3) ** 2 + effective);
  const many = (2 * (effective - 2 + 1 / effective)) / ((n + 2) ** 2 + effective);
  const rankMany = Math.min(1 - rankOne - 1e-8, many);
  const positive = sum(raw.filter((w) => w >= 0));
  const negative = -sum(raw.filter((w) => w < 0));
  const least = Math.min(
    1 + rankOne / rankMany,
    1 + (2 * effectiveWorse) / (effective + 2),
    (1 - rankOne - rankMany) / (n * rankMany),
  );
  const sigmaPath = (effective + 2) / (n + effective + 5);
  return {
    weights: raw.map((w) => (w >= 0 ? w / positive : (least * w) / negative)),
    effective,
    sigmaPath,
    damping: 1 + 2 * Math.max(0, Math.sqrt((effective - 1) / (n + 1)) - 1) + sigmaPath,
    covariancePath: (4 + effective / n) / (n + 4 + (2 * effective) / n),
    rankOne,
    rankMany,
  };
}

export function begin(mean: readonly number[], sigma: number): Distribution {
  const zeros = mean.map(() => 0);
  const covariance = identity(mean.length);
  return { mean, sigma, covariance, sigmaPath: zeros, covariancePath: zeros, generation: 0 };
}

/** Variances below it, relative to the largest, are rounding errors. */
const LEAST_VARIANCE = 1e-14;

/** The square roots of the eigenvalues, and the eigenvectors. */
export function axesOf({ covariance }: Distribution): Eigen {
  const { values, vectors } = eigenOf(covariance);
  const most = Math.max(...values);
  return { values: values.map((value) => Math.sqrt(Math.max(value, LEAST_VARIANCE * most))), vectors };
}

/** vectors * diagonal * transposed(vectors) * vector. */
function transform({ vectors }: Eigen, diagonal: readonly number[], vector: readonly number[]): number[] {
  const inner = diagonal.map((d, k) => d * sum(vector.map((value, i) => vectors[i]![k]! * value)));
  return vectors.map((row) => sum(row.map((value, k) => value * inner[k]!)));
}

/** A step from the mean, in units of sigma. */
export function drawStep({ values, vectors }: Eigen, random: Random): number[] {
  const scaled = values.map((length) => length * random.normal());
  return vectors.map((row) => sum(row.map((value, k) => value * scaled[k]!)));
}

/** Beyond these, the search has nothing to gain: a millionth of a millionth of a range, and all of it. */
const SIGMAS = [1e-12, 1] as const;

/** What moves the mean, whitened by the covariance, and the paths that it makes longer. */
function pathsAfter(before: Distribution, axes: Eigen, step: readonly number[], rates: Rates) {
  const n = step.length;
  const { effective, sigmaPath: rate, covariancePath: slower } = rates;
  const whitened = transform(axes, inverseOf(axes), step);
  const gain = Math.sqrt(rate * (2 - rate) * effective);
  const sigmaPath = before.sigmaPath.map((p, i) => (1 - rate) * p + gain * whitened[i]!);
  // The length of the path, in units of that of a random one.
  const expected = Math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));
  const length = Math.hypot(...sigmaPath) / expected;
  const settled = Math.sqrt(1 - (1 - rate) ** (2 * (before.generation + 1)));
  // A path that grows fast says more about sigma than about the covariance.
  const slow = length / settled < 1.4 + 2 / (n + 1);
  const covarianceGain = slow ? Math.sqrt(slower * (2 - slower) * effective) : 0;
  const covariancePath = before.covariancePath.map((p, i) => (1 - slower) * p + covarianceGain * step[i]!);
  return { sigmaPath, covariancePath, length, slow };
}

const inverseOf = ({ values }: Eigen): number[] => values.map((length) => 1 / length);

/** The matrix after a generation, whose steps come with the best first. */
function covarianceAfter(
  { covariance }: Distribution,
  axes: Eigen,
  steps: readonly (readonly number[])[],
  { path, slow, rates }: { path: readonly number[]; slow: boolean; rates: Rates },
): Matrix {
  const { weights, rankOne, rankMany, covariancePath: rate } = rates;
  const inverse = inverseOf(axes);
  // Bad steps count by their direction alone, so that the matrix stays positive.
  const counted = weights.map((w, k) =>
    w >= 0 ? w : (w * path.length) / (sum(transform(axes, inverse, steps[k]!).map((x) => x * x)) + 1e-8),
  );
  const missing = slow ? 0 : rate * (2 - rate);
  const rest = 1 + rankOne * missing - rankOne - rankMany * sum(weights);
  return covariance.map((row, i) =>
    row.map((value, j) => {
      const many = sum(steps.map((step, k) => counted[k]! * step[i]! * step[j]!));
      return rest * value + rankOne * path[i]! * path[j]! + rankMany * many;
    }),
  );
}

/** The distribution after a generation. @param points where they were drawn, the best first */
export function update(before: Distribution, points: readonly (readonly number[])[]): Distribution {
  const rates = ratesOf(before.mean.length, points.length);
  const steps = points.map((point) => point.map((x, i) => (x - before.mean[i]!) / before.sigma));
  const parents = steps.slice(0, Math.floor(points.length / 2));
  const step = before.mean.map((_, i) => sum(parents.map((one, k) => rates.weights[k]! * one[i]!)));
  const axes = axesOf(before);
  const { sigmaPath, covariancePath, length, slow } = pathsAfter(before, axes, step, rates);
  const sigma = before.sigma * Math.exp((rates.sigmaPath / rates.damping) * (length - 1));
  return {
    mean: before.mean.map((x, i) => x + before.sigma * step[i]!),
    sigma: Math.min(Math.max(sigma, SIGMAS[0]), SIGMAS[1]),
    covariance: covarianceAfter(before, axes, steps, { path: covariancePath, slow, rates }),
    sigmaPath,
    covariancePath,
    generation: before.generation + 1,
  };
}
