/** Losses of outputs and targets of one shape, element by element. */
import * as ops from '../ops';
import { declareSettings, nonNegative, positive, type OptionsOf } from '../settings';
import type { Tensor } from '../tensor/tensor';
import { checkOneShape, makeLoss, reduceElements, reductionSettings } from './reduction';
import type { Loss, Reduction, ReductionOptions } from './reduction';

/** Options of mse and l1: the reduction, by default 'mean' over all elements. */
export type MseOptions = ReductionOptions;

const settings = declareSettings(reductionSettings);

function elementwise(where: string, reduction: Reduction, of: (difference: Tensor) => Tensor): Loss {
  return makeLoss(reduction, (outputs, targets, weights) => {
    checkOneShape(where, outputs, targets);
    return reduceElements(where, of(ops.sub(outputs, targets)), reduction, weights);
  });
}

/**
 * Squared difference of outputs and targets of one shape, f32 [N, ...]: PyTorch's MSELoss.
 * @throws OptionError; the loss itself ShapeError when shapes differ
 */
export function mse(options: MseOptions = {}): Loss {
  return elementwise('losses.mse', settings.read('losses.mse', options).reduction, ops.square);
}

/**
 * Absolute difference of outputs and targets of one shape, f32 [N, ...]; its derivative at 0
 * is 0. PyTorch's L1Loss.
 * @throws OptionError; the loss itself ShapeError
 */
export function l1(options: ReductionOptions = {}): Loss {
  return elementwise('losses.l1', settings.read('losses.l1', options).reduction, ops.abs);
}

/** c^2 / 2 + delta (|d| - c), c = min(|d|, delta): smooth where the two pieces meet. */
function huberOf(difference: Tensor, delta: number): Tensor {
  const size = ops.abs(difference);
  const near = ops.minimum(size, delta);
  return ops.add(ops.mul(ops.square(near), 0.5), ops.mul(ops.sub(size, near), delta));
}

const huberSettings = declareSettings({
  delta: positive('Where the parabola passes into the line, above 0.', { default: 1 }),
  ...reductionSettings,
});

export type HuberOptions = OptionsOf<typeof huberSettings>;

/**
 * For outputs and targets of one shape, f32 [N, ...], d^2 / 2 for differences |d| up to delta, delta (|d| -
 * delta / 2) beyond (Huber 1964).
 * @throws OptionError; the loss itself ShapeError when shapes differ
 */
export function huber(options: HuberOptions = {}): Loss {
  const { delta, reduction } = huberSettings.read('losses.huber', options);
  return elementwise('losses.huber', reduction, (d) => huberOf(d, delta));
}

const smoothL1Settings = declareSettings({
  beta: nonNegative('Where the parabola passes into the line; 0 makes it l1.', { default: 1 }),
  ...reductionSettings,
});

export type SmoothL1Options = OptionsOf<typeof smoothL1Settings>;

/**
 * The Huber loss divided by its delta, here called beta: a slope of 1 far out (Girshick 2015).
 * @throws as huber
 */
export function smoothL1(options: SmoothL1Options = {}): Loss {
  const { beta, reduction } = smoothL1Settings.read('losses.smoothL1', options);
  return elementwise('losses.smoothL1', reduction, (d) =>
    beta === 0 ? ops.abs(d) : ops.mul(huberOf(d, beta), 1 / beta),
  );
}
