/** Gaussian-process regression: what trials say about points that have not been tried. */
import { cholesky, dot, solve, solveLower, solveUpper } from './cholesky';
import { distance, matern, maternSlope, type Choices, type Kernel } from './kernel';

export interface Observations {
  /** Each with a coordinate for each dimension. */
  readonly points: readonly Float64Array[];
  readonly values: Float64Array;
  readonly choices: Choices;
}

export interface Posterior {
  readonly mean: number;
  /** The variance of the function, without noise; never negative. */
  readonly variance: number;
}

export interface PosteriorSlope extends Posterior {
  /** By each coordinate; 0 for choices. */
  readonly meanSlope: Float64Array;
  readonly varianceSlope: Float64Array;
}

/** The covariance of the values, noise included, row by row. */
export function covariance({ points, choices }: Observations, kernel: Kernel): Float64Array {
  const size = points.length;
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    matrix[i * size + i] = kernel.scale + kernel.noise;
    for (let j = 0; j < i; j++) {
      const value = kernel.scale * matern(distance(points[i]!, points[j]!, kernel.weights, choices));
      matrix[i * size + j] = value;
      matrix[j * size + i] = value;
    }
  }
  return matrix;
}

export class GaussianProcess {
  private readonly lower: Float64Array;
  /** The inverse of the covariance times the values. */
  private readonly alpha: Float64Array;

  constructor(
    readonly observations: Observations,
    readonly kernel: Kernel,
  ) {
    const lower = cholesky(covariance(observations, kernel), observations.points.length);
    if (lower === undefined)
      throw new RangeError('the covariance of a Gaussian process is not positive definite');
    this.lower = lower;
    this.alpha = solve(lower, observations.values);
  }

  posterior(x: Float64Array): Posterior {
    const cross = this.cross(x);
    const { length } = cross;
    const half = solveLower(this.lower, cross);
    const variance = Math.max(0, this.kernel.scale - dot(half, 0, half, 0, length));
    return { mean: dot(cross, 0, this.alpha, 0, length), variance };
  }

  posteriorSlope(x: Float64Array): PosteriorSlope {
    const { points, choices } = this.observations;
    const { weights, scale } = this.kernel;
    const cross = this.cross(x);
    const half = solveLower(this.lower, cross);
    const solved = solveUpper(this.lower, half);
    const meanSlope = new Float64Array(x.length);
    const varianceSlope = new Float64Array(x.length);
    const { length } = points;
    points.forEach((point, i) => {
      const slope = 2 * maternSlope(distance(x, point, weights, choices), cross[i]);
      for (let j = 0; j < x.length; j++) {
        if (choices[j]!) continue;
        const by = slope * weights[j]! * (x[j]! - point[j]!);
        meanSlope[j] = meanSlope[j]! + by * this.alpha[i]!;
        varianceSlope[j] = varianceSlope[j]! - 2 * by * solved[i]!;
      }
    });
    const variance = Math.max(0, scale - dot(half, 0, half, 0, length));
    return { mean: dot(cross, 0, this.alpha, 0, length), variance, meanSlope, varianceSlope };
  }

  /** The process that also believes its own mean at these points, for trials that still run. */
  believing(points: readonly Float64Array[]): GaussianProcess {
    if (points.length === 0) return this;
    const { observations, kernel } = this;
    const means = points.map((point) => this.posterior(point).mean);
    const values = Float64Array.from([...observations.values, ...means]);
    return new GaussianProcess(
      { ...observations, points: [...observations.points, ...points], values },
      kernel,
    );
  }

  private cross(x: Float64Array): Float64Array {
    const { points, choices } = this.observations;
    const { weights, scale } = this.kernel;
    return Float64Array.from(points, (point) => scale * matern(distance(x, point, weights, choices)));
  }
}
