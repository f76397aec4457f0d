/** Losses of outputs and targets of one shape, element by element. */
import * as ops from '../ops';
import { checkKeys, nonNegative, positive } from '../options';
import type { Tensor } from '../tensor/tensor';
import { checkOneShape, reduceElements, reductionOf } from './reduction';
import type { Loss, ReductionOptions } from './reduction';

/** Options of mse and l1: the reduction, by default 'mean' over all elements. */
export type MseOptions = ReductionOptions;

function elementwise(where: string, options: ReductionOptions, of: (difference: Tensor) => Tensor): Loss {
  const reduction = reductionOf(where, options);
  return (outputs, targets, weights) => {
    checkOneShape(where, outputs, targets);
    return reduceElements(where, of(ops.sub(outputs, targets)), reduction, weights);
  };
}

/**
 * Squared difference of outputs and targets of one shape. @throws OptionError; the loss itself ShapeError
 * when shapes differ
 */
export function mse(options: MseOptions = {}): Loss {
  checkKeys('losses.mse', options, ['reduction']);
  return elementwise('losses.mse', options, ops.square);
}

/**
 * Absolute difference of outputs and targets of one shape; its derivative at 0 is 0. @throws OptionError; the
 * loss itself ShapeError
 */
export function l1(options: ReductionOptions = {}): Loss {
  checkKeys('losses.l1', options, ['reduction']);
  return elementwise('losses.l1', options, ops.abs);
}

/** c^2 / 2 + delta (|d| - c), c = min(|d|, delta): smooth where the two pieces meet. */
function huberOf(difference: Tensor, delta: number): Tensor {
  const size = ops.abs(difference);
  const near = ops.minimum(size, delta);
  return ops.add(ops.mul(ops.square(near), 0.5), ops.mul(ops.sub(size, near), delta));
}

export interface HuberOptions extends ReductionOptions {
  /** Where the parabola passes into the line, above 0. Default 1. */
  readonly delta?: number;
}

/**
 * d^2 / 2 for differences |d| up to delta, delta (|d| - delta / 2) beyond (Huber 1964).
 * @throws OptionError; the loss itself ShapeError when shapes differ
 */
export function huber(options: HuberOptions = {}): Loss {
  checkKeys('losses.huber', options, ['delta', 'reduction']);
  const delta = positive('losses.huber', 'delta', options.delta ?? 1);
  return elementwise('losses.huber', options, (d) => huberOf(d, delta));
}

export interface SmoothL1Options extends ReductionOptions {
  /** Where the parabola passes into the line; 0 makes it l1. Default 1. */
  readonly beta?: number;
}

/**
 * The Huber loss divided by its delta, here called beta: a slope of 1 far out (Girshick
 * 2015). @throws as huber
 */
export function smoothL1(options: SmoothL1Options = {}): Loss {
  checkKeys('losses.smoothL1', options, ['beta', 'reduction']);
  const beta = nonNegative('losses.smoothL1', 'beta', options.beta ?? 1);
  return elementwise('losses.smoothL1', options, (d) =>
    beta === 0 ? ops.abs(d) : ops.mul(huberOf(d, beta), 1 / beta),
  );
}
