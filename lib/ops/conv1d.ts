/** 1-D convolution: a 2-D convolution of images that have one row. */
import { declareSettings, positiveInteger, type OptionsOf, type ValuesOf } from '../settings';
import type { Tensor } from '../tensor/tensor';
import { checkRank } from './checks';
import { conv2d } from './conv2d';
import { aroundRow, rowPadding, type RowPadding } from './padding';
import { reshape } from './shape-ops';

/** Steps and borders of convolutions along one axis. */
export const rowSettings = {
  stride: positiveInteger('Step of the kernel.', { default: 1 }),
  padding: rowPadding("Zeros added on each side: a number, [left, right] or 'same'.", { default: 0 }),
  dilation: positiveInteger('Distance between kernel elements.', { default: 1 }),
  groups: positiveInteger('Channels are split into this many groups that do not see each other.', {
    default: 1,
  }),
};

const settings = declareSettings(rowSettings);

/** Steps and borders of a convolution along one axis. */
export type Conv1dOptions = OptionsOf<typeof settings>;

/** [N, C, L] as [N, C, 1, L]. */
export function asRows(op: string, name: string, x: Tensor): Tensor {
  checkRank(op, name, x, 3);
  const [n, c, length] = x.shape as [number, number, number];
  return reshape(x, [n, c, 1, length]);
}

/** [N, C, 1, L] as [N, C, L]. */
export function withoutRows(y: Tensor): Tensor {
  const [n, c, , length] = y.shape as [number, number, number, number];
  return reshape(y, [n, c, length]);
}

/** The steps of the 2-D convolution: those given along L, and neutral ones along the single row. */
export function alongRow<P extends RowPadding, T extends RowSteps & { readonly padding: P }>(
  steps: T & { readonly padding: P },
): Omit<T, keyof RowSteps | 'padding'> & ImageSteps<P> {
  const { stride, padding, dilation } = steps;
  return { ...steps, stride: [1, stride], padding: aroundRow(padding), dilation: [1, dilation] };
}

type RowSteps = Pick<ValuesOf<typeof rowSettings>, 'stride' | 'dilation'>;

interface ImageSteps<P extends RowPadding> {
  readonly stride: [number, number];
  readonly padding: ReturnType<typeof aroundRow<P>>;
  readonly dilation: [number, number];
}

/**
 * Convolves x [N, C, L] with weight [O, C / groups, k] and adds bias [O].
 * Result: [N, O, floor((L + left + right - dilation (k - 1) - 1) / stride) + 1], where the padding is
 * [left, right].
 * @throws ShapeError if channels, groups or the kernel do not fit; OptionError
 */
export function conv1d(x: Tensor, weight: Tensor, bias?: Tensor, options: Conv1dOptions = {}): Tensor {
  const where = 'conv1d';
  const steps = settings.read(where, options);
  const [image, kernel] = [asRows(where, 'x', x), asRows(where, 'weight', weight)];
  return withoutRows(conv2d(image, kernel, bias, alongRow(steps)));
}
