/** Fitted steps: the tensors that a step learnt, and what it records. */
import { ShapeError } from '../errors';
import { add, div, mul, project, reshape, sub } from '../ops';
import { formatShape, numel, sameShape, type Shape } from '../tensor/shape';
import { persistent, type Tensor } from '../tensor/tensor';
import { hasDeviation, isPerChannel, isRotation } from './description';
import type { PointwiseStep, RotationStep, StepDescription } from './description';

/** What a step learnt, by name, in logical order. */
export type Learnt = ReadonlyMap<string, { readonly shape: Shape; readonly data: Float32Array }>;

export interface FittedStep {
  readonly description: StepDescription;
  /** The shape of one sample. */
  readonly inputShape: Shape;
  readonly outputShape: Shape;
  /**
   * Shapes of what was learnt, as files have them, and the memory it lies in, whose shape may have further
   * ones in it.
   */
  readonly tensors: ReadonlyMap<string, { readonly shape: Shape; readonly tensor: Tensor }>;
  /** Records the step: x f32 [N, ...inputShape]. */
  forward(x: Tensor): Tensor;
  /** Records its inverse: y f32 [N, ...outputShape]. */
  backward(y: Tensor): Tensor;
}

/**
 * The shapes of what a step of this kind learns from samples of `shape`; `kept` directions where it rotates.
 */
export function learntShapes(step: StepDescription, shape: Shape, kept: number): Map<string, Shape> {
  if (isRotation(step)) {
    const d = numel(shape);
    const own: [string, Shape][] =
      step.kind === 'zca'
        ? [
            ['matrix', [d, d]],
            ['inverse', [d, d]],
          ]
        : [['components', [kept, d]]];
    return new Map([['mean', [d]], ...own, ['eigenvalues', [kept]]]);
  }
  const each = isPerChannel(step) ? [shape[0]!] : shape;
  return new Map([['mean', each], ...(hasDeviation(step) ? [['std', each] as const] : [])]);
}

/** @throws ShapeError where samples of this shape are not what the step is for */
export function checkSampleShape(step: StepDescription, shape: Shape): void {
  const forImages = step.kind === 'meanImage' || (!isRotation(step) && isPerChannel(step));
  if (forImages && shape.length !== 3)
    throw new ShapeError(`${step.kind}: samples must be images [C, H, W], got ${formatShape(shape)}`);
  if (isRotation(step) && numel(shape) > MOST_FEATURES) {
    throw new ShapeError(
      `${step.kind}: ${formatShape(shape)} has ${numel(shape)} features, the covariance of at most ${MOST_FEATURES} fits in memory`,
    );
  }
}

/** A covariance of this many features takes 2 GiB, and so do its eigenvectors. */
export const MOST_FEATURES = 16384;

/** Puts a step together from what it learnt, which must have the {@link learntShapes}. */
export function makeStep(description: StepDescription, inputShape: Shape, learnt: Learnt): FittedStep {
  return isRotation(description)
    ? rotation(description, inputShape, learnt)
    : pointwise(description, inputShape, learnt);
}

function pointwise(description: PointwiseStep, inputShape: Shape, learnt: Learnt): FittedStep {
  const trailing = isPerChannel(description) ? [1, 1] : [];
  const tensors = stored(learnt, (shape) => [1, ...shape, ...trailing]);
  const mean = tensors.get('mean')!.tensor;
  const std = tensors.get('std')?.tensor;
  return {
    description,
    inputShape,
    outputShape: inputShape,
    tensors,
    forward: (x) => (std === undefined ? sub(x, mean) : div(sub(x, mean), std)),
    backward: (y) => add(std === undefined ? y : mul(y, std), mean),
  };
}

function rotation(description: RotationStep, inputShape: Shape, learnt: Learnt): FittedStep {
  const tensors = stored(learnt, (shape, name) => (name === 'mean' ? [1, ...shape] : shape));
  const get = (name: string): Tensor => tensors.get(name)!.tensor;
  const rows = (x: Tensor): Tensor => reshape(x, [x.shape[0]!, numel(x.shape.slice(1))]);
  const samples = (x: Tensor): Tensor => reshape(x, [x.shape[0]!, ...inputShape]);
  const centred = (x: Tensor): Tensor => sub(rows(x), get('mean'));
  const restored = (x: Tensor): Tensor => samples(add(x, get('mean')));
  if (description.kind === 'zca') {
    return {
      description,
      inputShape,
      outputShape: inputShape,
      tensors,
      forward: (x) => samples(project(centred(x), get('matrix'))),
      backward: (y) => restored(project(rows(y), get('inverse'))),
    };
  }
  const { scale, unscale } = deviations(description, learnt.get('eigenvalues')!.data);
  const whitens = description.kind === 'whiten';
  const [along, across] = [persistent(scale, [1, scale.length]), persistent(unscale, [1, scale.length])];
  const components = get('components');
  return {
    description,
    inputShape,
    outputShape: [scale.length],
    tensors,
    forward: (x) => {
      const y = project(centred(x), components);
      return whitens ? mul(y, along) : y;
    },
    backward: (y) => restored(project(whitens ? mul(y, across) : y, components, { back: true })),
  };
}

function stored(
  learnt: Learnt,
  memoryShape: (shape: Shape, name: string) => Shape,
): Map<string, { shape: Shape; tensor: Tensor }> {
  return new Map(
    [...learnt].map(([name, { shape, data }]) => [
      name,
      { shape, tensor: persistent(data, memoryShape(shape, name)) },
    ]),
  );
}

/**
 * 1 / sqrt(eigenvalue + eps) and its inverse; both 0 along directions that carry nothing: their noise must
 * not be amplified. `eigenvalues` are in descending order.
 */
export function deviations(
  { eps, tolerance }: RotationStep,
  eigenvalues: Float32Array,
): { scale: Float64Array; unscale: Float64Array } {
  const least = tolerance * eigenvalues[0]!;
  const unscale = Float64Array.from(eigenvalues, (value) => (value > least ? Math.sqrt(value + eps) : 0));
  return { scale: unscale.map((value) => (value > 0 ? 1 / value : 0)), unscale };
}

/** @throws ShapeError unless x is a batch of samples of this shape */
export function checkBatch(where: string, x: Tensor, shape: Shape): void {
  if (x.rank !== shape.length + 1 || !sameShape(x.shape.slice(1), shape))
    throw new ShapeError(`${where}: fitted to samples of ${formatShape(shape)}, got ${formatShape(x.shape)}`);
}
