/**
 * Local response normalization (Krizhevsky, Sutskever, Hinton 2012, section 3.3) as in PyTorch:
 * y[n, c] = x[n, c] / (k + alpha / size sum x[n, j]^2)^beta at every position. The sum is over the channels j
 * from c - floor(size / 2) to c + floor((size - 1) / 2) that exist. The paper's alpha is not divided by size:
 * its 1e-4 with 5 channels is 5e-4 here.
 */
import { alike, savedAlike } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import {
  declareSettings,
  nonNegative,
  positive,
  positiveInteger,
  type OptionsOf,
  type ValuesOf,
} from '../settings';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank } from './checks';
import { asRows, withoutRows } from './conv1d';

export const localResponseNormSettings = declareSettings({
  size: positiveInteger('How many neighbouring channels a sum has.'),
  alpha: nonNegative('Factor of the mean of squares.', { default: 1e-4 }),
  beta: nonNegative('Exponent.', { default: 0.75 }),
  k: positive('Added to the sum, above 0.', { default: 1 }),
});

export type LocalResponseNormOptions = OptionsOf<typeof localResponseNormSettings>;

type Attrs = ValuesOf<typeof localResponseNormSettings>;

const NAME = 'local_response_norm';

const localResponseNormOp: OpRecord<Attrs> = {
  name: NAME,
  bf16: alike,
  infer: ([x]) => {
    checkDType(NAME, 'x', x!, 'f32');
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  grad: ({ inputs: [x], grads: [dy], attrs }) => [first(applyOp(backwardOp, [dy!, x!], attrs))],
  lower: (l, attrs) => l.call(NAME, l.inputs, l.outputs, { ...attrs }, [0]),
};

// With s = k + alpha / size sum x^2: dx = dy s^-beta - 2 alpha beta / size x sum dy x s^(-beta - 1). The
// second sum is over the channels that have this one among their neighbours.
const backwardOp: OpRecord<Attrs> = {
  name: `${NAME}_backward`,
  bf16: savedAlike,
  infer: ([dy]) => [{ shape: dy!.shape, dtype: 'f32' }],
  lower: (l, attrs) => l.call(`${NAME}_backward`, l.inputs, l.outputs, { ...attrs }, [0, 1]),
};

/**
 * x / (k + alpha / size sum x^2)^beta, of x [N, C, H, W] or [N, C, L]. The sum is over
 * `size` neighbouring channels.
 * @throws OptionError, ShapeError, DTypeError
 */
export function localResponseNorm(x: Tensor, options: LocalResponseNormOptions): Tensor {
  const attrs = localResponseNormSettings.read(NAME, options);
  checkRank(NAME, 'x', x, 3, 4);
  if (x.rank === 4) return first(applyOp(localResponseNormOp, [x], attrs));
  return withoutRows(first(applyOp(localResponseNormOp, [asRows(NAME, 'x', x)], attrs)));
}
