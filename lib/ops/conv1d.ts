/** 1-D convolution: the 2-D one over images of one row. */
import { checkKeys, nonNegativeInteger, positiveInteger } from '../options';
import type { Tensor } from '../tensor/tensor';
import { checkRank } from './checks';
import { conv2d } from './conv2d';
import { reshape } from './shape-ops';

/** Steps and borders of a convolution along one axis. */
export interface Conv1dOptions {
  /** Default 1. */
  readonly stride?: number;
  /** Zeros added on each side. Default 0. */
  readonly padding?: number;
  /** Distance between kernel elements. Default 1. */
  readonly dilation?: number;
  /** Channels are split in this many groups that do not see each other. Default 1. */
  readonly groups?: number;
}

/** [N, C, L] as [N, C, 1, L]. */
export function asRows(op: string, name: string, x: Tensor): Tensor {
  checkRank(op, name, x, 3);
  const [n, c, length] = x.shape as [number, number, number];
  return reshape(x, [n, c, 1, length]);
}

/** The opposite. */
export function withoutRows(y: Tensor): Tensor {
  const [n, c, , length] = y.shape as [number, number, number, number];
  return reshape(y, [n, c, length]);
}

/** A step along L beside one that does nothing along the single row. */
export function alongWidth(
  op: string,
  name: string,
  value: number | undefined,
  neutral: 0 | 1,
): [number, number] {
  const check = neutral === 0 ? nonNegativeInteger : positiveInteger;
  return [neutral, check(op, name, value ?? neutral)];
}

/** Options of the 2-D convolution. @throws OptionError for bad steps */
export function conv1dSteps(
  op: string,
  { stride, padding, dilation, groups = 1 }: Conv1dOptions,
): {
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
} {
  return {
    stride: alongWidth(op, 'stride', stride, 1),
    padding: alongWidth(op, 'padding', padding, 0),
    dilation: alongWidth(op, 'dilation', dilation, 1),
    groups,
  };
}

/**
 * Convolves x [N, C, L] with weight [O, C / groups, k], adds bias [O].
 * Result: [N, O, floor((L + 2 padding - dilation (k - 1) - 1) / stride) + 1].
 * @throws ShapeError when channels, groups or the kernel do not fit; OptionError
 */
export function conv1d(x: Tensor, weight: Tensor, bias?: Tensor, options: Conv1dOptions = {}): Tensor {
  const where = 'conv1d';
  checkKeys(where, options, ['stride', 'padding', 'dilation', 'groups']);
  const [image, kernel] = [asRows(where, 'x', x), asRows(where, 'weight', weight)];
  return withoutRows(conv2d(image, kernel, bias, conv1dSteps(where, options)));
}
