/**
 * Fitting: sums over a data set in float64, in one or two passes per step, over the results of the
 * steps before it.
 */
import { DataError, ShapeError } from '../errors';
import { compile } from '../compile/compile';
import { assign } from '../graph/trace';
import { columnMoments, covariance, eigh, reshape, spectral } from '../ops';
import { formatShape, numel, type Shape } from '../tensor/shape';
import { persistent, tensor, zeros, type Tensor } from '../tensor/tensor';
import { hasDeviation, isPerChannel, isRotation } from './description';
import type { PointwiseStep, RotationStep, StepDescription } from './description';
import { FittedTransform } from './fitted';
import type { Rows } from './rows';
import { checkSampleShape, deviations, learntShapes, makeStep, type FittedStep, type Learnt } from './steps';

/** Samples per run. Sums are added up run by run, so this number affects the bits of the result. */
const BATCH = 512;

export async function fitSteps(
  descriptions: readonly StepDescription[],
  rows: Rows,
): Promise<FittedTransform> {
  const steps: FittedStep[] = [];
  for (const description of descriptions) {
    const shape = steps[steps.length - 1]?.outputShape ?? rows.shape;
    checkSampleShape(description, shape);
    const sums = new Sums(rows, [...steps], numel(shape));
    const learnt = isRotation(description)
      ? await fitRotation(description, shape, sums)
      : await fitPointwise(description, shape, sums);
    steps.push(makeStep(description, shape, learnt));
  }
  return new FittedTransform(steps);
}

/** Sums over all samples of what the steps so far make of them. */
class Sums {
  constructor(
    private readonly rows: Rows,
    private readonly before: readonly FittedStep[],
    readonly features: number,
  ) {}

  get count(): number {
    return this.rows.length;
  }

  /** The mean of each feature. @throws DataError where a sample holds something that is not finite */
  async means(): Promise<Float64Array> {
    const zero = new Float64Array(this.features);
    const means = (await this.moments(zero, 1)).map((sum) => sum / this.count);
    if (!means.every(Number.isFinite))
      throw new DataError('fit: the samples hold numbers that are not finite, or too large');
    return means;
  }

  /** Sums of the powers of (x - shift). */
  async moments(shift: Float64Array, power: 1 | 2): Promise<Float64Array> {
    const about = persistent(shift, [this.features], 'f64');
    const total = await this.over([this.features], (sum, x) => columnMoments(sum, x, about, power));
    const values = Float64Array.from(await total.data());
    total.dispose();
    about.dispose();
    return values;
  }

  /** The sum of outer products of (x - shift), its lower triangle. */
  async products(shift: Float64Array): Promise<Tensor> {
    const about = persistent(shift, [this.features], 'f64');
    const total = await this.over([this.features, this.features], (sum, x) => covariance(sum, x, about));
    about.dispose();
    return total;
  }

  private async over(shape: Shape, record: (total: Tensor, x: Tensor) => Tensor): Promise<Tensor> {
    const total = zeros(shape, 'f64');
    const program = compile((...args: Tensor[]) => {
      const x = this.before.reduce((y, step) => step.forward(y), this.rows.record(args));
      assign(total, record(total, reshape(x, [x.shape[0]!, this.features])));
      return {};
    });
    try {
      for (let begin = 0; begin < this.count; begin += BATCH)
        await program(...(await this.rows.args(begin, Math.min(this.count, begin + BATCH))));
    } finally {
      program.dispose();
    }
    return total;
  }
}

/** By name, rounded to what is stored. */
function learntOf(
  shapes: ReadonlyMap<string, Shape>,
  values: Readonly<Record<string, ArrayLike<number>>>,
): Learnt {
  return new Map(
    [...shapes].map(([name, shape]) => [name, { shape, data: new Float32Array(values[name]!) }]),
  );
}

async function fitPointwise(step: PointwiseStep, shape: Shape, sums: Sums): Promise<Learnt> {
  const groups = isPerChannel(step) ? shape[0]! : sums.features;
  const each = sums.features / groups;
  /** For each feature, the average over its group of features, which lie side by side. */
  const average = (values: Float64Array): Float64Array =>
    Float64Array.from({ length: groups }, (_, g) => {
      let sum = 0;
      for (let i = g * each; i < (g + 1) * each; i++) sum += values[i]!;
      return sum / each;
    });
  const mean = average(await sums.means());
  const shapes = learntShapes(step, shape, 0);
  if (!hasDeviation(step)) return learntOf(shapes, { mean });
  const shift = Float64Array.from({ length: sums.features }, (_, i) => mean[Math.floor(i / each)]!);
  const squares = average(await sums.moments(shift, 2));
  return learntOf(shapes, { mean, std: squares.map((sum, g) => deviation(sum / sums.count, mean[g]!)) });
}

/** The smallest deviation with a reciprocal in f32. */
const LEAST_DEVIATION = 2 ** -126;
/** A constant's deviation is not quite 0 where its mean was rounded. */
const ROUNDING = 1e-10;

/** 1 for what never changes, so that dividing by it does no harm. */
function deviation(variance: number, mean: number): number {
  const std = Math.sqrt(variance);
  return std >= LEAST_DEVIATION && std > ROUNDING * Math.abs(mean) ? std : 1;
}

async function fitRotation(step: RotationStep, shape: Shape, sums: Sums): Promise<Learnt> {
  const d = sums.features;
  if (step.components !== null && step.components >= 1 && step.components > d)
    throw new ShapeError(
      `${step.kind}: ${step.components} components of samples ${formatShape(shape)}, which have ${d} features`,
    );
  const mean = await sums.means();
  const products = await sums.products(mean);
  const solve = compile(() => eigh(products));
  const { values, vectors } = await solve();
  solve.dispose();
  products.dispose();
  // From the smallest to the largest; a sum of squares that is below zero was rounded.
  const variances = Float64Array.from(await values.data(), (sum) => Math.max(0, sum / sums.count)).reverse();
  const kept = countKept(step.components, variances);
  const eigenvalues = Float32Array.from(variances.subarray(0, kept));
  const shapes = learntShapes(step, shape, kept);
  if (step.kind === 'zca') {
    const { scale, unscale } = deviations(step, eigenvalues);
    const matrix = await spectralOf(vectors, scale);
    return learntOf(shapes, { mean, matrix, inverse: await spectralOf(vectors, unscale), eigenvalues });
  }
  return learntOf(shapes, { mean, components: await leading(vectors, kept), eigenvalues });
}

/** How many directions are kept. */
function countKept(components: number | null, variances: Float64Array): number {
  if (components === null) return variances.length;
  if (components >= 1) return components;
  const total = variances.reduce((sum, value) => sum + value, 0);
  let held = 0;
  for (let k = 0; k < variances.length; k++) {
    held += variances[k]!;
    if (held >= components * total) return k + 1;
  }
  return variances.length;
}

/** V^T diag(scale) V; scale is in descending order of the eigenvalues, vectors are in ascending. */
async function spectralOf(vectors: Tensor, scale: Float64Array): Promise<ArrayLike<number>> {
  const factors = tensor(scale.slice().reverse(), [scale.length], 'f64');
  const run = compile((v: Tensor, s: Tensor) => spectral(v, s));
  try {
    return await (await run(vectors, factors)).data();
  } finally {
    run.dispose();
  }
}

/** The last `kept` rows, in reverse. */
async function leading(vectors: Tensor, kept: number): Promise<Float32Array> {
  const d = vectors.shape[1]!;
  const values = await vectors.data();
  const rows = new Float32Array(kept * d);
  for (let k = 0; k < kept; k++) rows.set(values.subarray((d - 1 - k) * d, (d - k) * d), k * d);
  return rows;
}
