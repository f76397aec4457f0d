/**
 * Dropout and its kin: elements, channels, examples, whole tensors or connections are set to zero with
 * probability p. What is kept is divided by 1 - p ("inverted"), or left as it is ("plain"); then evaluation
 * has to multiply by 1 - p.
 */
import { firstAlike } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import { bool, checkKeys } from '../options';
import { declareSettings, oneOf, type OptionsOf } from '../settings';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank, checkScalar } from './checks';
import { nextDraws, type DrawAttrs } from './draws';

/** What shares a draw. The order is that of the kernel's numbers. */
const units = ['element', 'channel', 'row', 'batch'] as const;
type Unit = (typeof units)[number];

interface Attrs extends DrawAttrs {
  readonly unit: Unit;
  readonly inverted: boolean;
}

const dropoutOp: OpRecord<Attrs> = {
  name: 'dropout',
  bf16: firstAlike,
  infer: ([x, p, step, example], { unit }) => {
    checkDType('dropout', 'x', x!, 'f32');
    checkScalar('dropout', 'p', p!);
    checkScalar('dropout', 'step', step!);
    checkScalar('dropout', 'example', example!);
    if (unit === 'channel') checkRank('dropout', 'x of spatial dropout', x!, 4);
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  // The mask is a function of its counter, so the backward pass draws it again instead of keeping it.
  grad: ({ inputs: [, ...scalars], grads, attrs }) => [
    first(applyOp(dropoutOp, [grads[0]!, ...scalars], attrs)),
    null,
    null,
    null,
  ],
  lower: (l, { unit, ...attrs }) =>
    l.call('dropout', l.inputs, l.outputs, { ...attrs, unit: units.indexOf(unit) }, [0]),
};

function drawsOf(x: Tensor, unit: Unit): number | undefined {
  if (unit === 'batch') return undefined;
  const axes = { element: x.rank, channel: 2, row: 1 }[unit];
  return x.shape.slice(0, axes).reduce((n, d) => n * d, 1);
}

function drop(name: string, x: Tensor, p: Tensor, unit: Unit, inverted: boolean): Tensor {
  const { attrs, scalars } = nextDraws(name, drawsOf(x, unit));
  return first(applyOp(dropoutOp, [x, p, ...scalars], { ...attrs, unit, inverted }));
}

/** The setting of layers that drop. */
export const scaling = oneOf(['training', 'evaluation'])(
  'When values are scaled so that both have the same mean: `training` divides what is kept by 1 - p (inverted dropout), `evaluation` multiplies by 1 - p, as the papers do.',
  // Sparse, so that files without it stay readable by versions that do not know it.
  { default: 'training', sparse: true },
);

/**
 * Drops elements of x with probability `p`, a runtime scalar (Srivastava et al. 2014). The mask is a function
 * of seed, layer, call, step and position. `perChannel` drops whole channels of x [N, C, H, W] (Tompson et
 * al. 2015). `inverted` (the default) divides what is kept by 1 - p.
 * @throws OptionError, ShapeError
 */
export function dropout(
  x: Tensor,
  p: Tensor,
  options: { perChannel?: boolean; inverted?: boolean } = {},
): Tensor {
  checkKeys('dropout', options, ['perChannel', 'inverted']);
  const perChannel = bool('dropout', 'perChannel', options.perChannel ?? false);
  const inverted = bool('dropout', 'inverted', options.inverted ?? true);
  checkDType('dropout', 'x', x, 'f32');
  if (perChannel) checkRank('dropout', 'x of spatial dropout', x, 4);
  return drop('dropout', x, p, perChannel ? 'channel' : 'element', inverted);
}

/**
 * Drops elements of a weight with probability `p`, a runtime scalar, the same for all examples of a batch,
 * and divides the others by 1 - p: DropConnect (Wan et al. 2013) with one mask for each step.
 * @throws DTypeError
 */
export function dropConnect(weight: Tensor, p: Tensor): Tensor {
  checkDType('dropConnect', 'weight', weight, 'f32');
  const { attrs, scalars } = nextDraws('drop_connect', undefined);
  const everyWeight: Attrs = { ...attrs, unit: 'element', inverted: true };
  return first(applyOp(dropoutOp, [weight, p, ...scalars], everyWeight));
}

export const depthSettings = declareSettings({
  mode: oneOf(['row', 'batch'])('Whether each example is dropped by itself, or all of a batch at once.', {
    default: 'row',
  }),
  scaling,
});

/**
 * Drops whole examples of x [N, ...] with probability `p`, a runtime scalar, or with
 * `mode: 'batch'` all of them at once: stochastic depth (Huang et al. 2016), for the branch of a
 * residual block. torchvision's `stochastic_depth`.
 * @throws OptionError, ShapeError
 */
export function stochasticDepth(x: Tensor, p: Tensor, options: OptionsOf<typeof depthSettings> = {}): Tensor {
  const { mode, scaling } = depthSettings.read('stochasticDepth', options);
  checkDType('stochasticDepth', 'x', x, 'f32');
  checkRank('stochasticDepth', 'x', x, 1, 2, 3, 4);
  return drop('stochastic_depth', x, p, mode, scaling === 'training');
}
