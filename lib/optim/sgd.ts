/** The optimizer SGD. */
import { OptionError } from '../errors';
import { splitsProduct, updateRule } from '../ops/update';
import { bool, declareSettings, nonNegative, oneOf, type OptionsOf, type ValuesOf } from '../settings';
import { commonSettings, decoupled, velocityOf } from './common';
import { maker, optimizerOf, type Maker } from './declare';

export const momentumNumbers = {
  momentum: nonNegative('Share of the velocity that is kept; at 0 no velocity is kept.', { default: 0 }),
  dampening: nonNegative('Share of the gradient that the velocity does not take in.', { default: 0 }),
};
/** What SGD and LARS have in common besides. */
export const momentumSettings = {
  nesterov: bool('Looks ahead along the velocity. Needs momentum and no dampening.', { default: false }),
  velocity: oneOf(['gradients', 'steps'])(
    'What the velocity holds: `gradients`, so that a change of lr acts at once, or `steps`.',
    { default: 'gradients' },
  ),
};
const numbers = momentumNumbers;
const settings = declareSettings({
  lr: nonNegative('Learning rate.'),
  decoupled,
  ...numbers,
  ...momentumSettings,
  ...commonSettings(numbers),
});

/** Numbers of SGD that groups may set. */
export type SgdNumbers = ValuesOf<typeof numbers>;
export type SgdOptions = OptionsOf<typeof settings>;
/** What SGD and LARS have in common. */
export type MomentumOptions = OptionsOf<typeof momentumNumbers & typeof momentumSettings>;

/** @throws OptionError where Nesterov has no momentum to look ahead along */
export function checkNesterov(where: string, { nesterov, momentum, dampening }: MomentumOptions): void {
  if (nesterov && (momentum === 0 || dampening !== 0))
    throw new OptionError(`${where}: nesterov needs a momentum above 0 and no dampening`);
}

/** The flags that the rules of SGD and LARS have in common. */
export function momentumFlags(values: Parameters<typeof velocityOf>[0] & ValuesOf<typeof momentumSettings>) {
  const { nesterov, velocity } = values;
  return { nesterov, momentum: velocityOf(values).length > 0, steps: velocity === 'steps' };
}

export class Sgd extends optimizerOf({
  kind: 'sgd',
  settings,
  numbers,
  rule: updateRule(
    'sgd',
    ['lr', 'momentum', 'dampening', 'weightDecay', 'step'],
    ['nesterov', 'momentum', 'steps', 'decoupled'],
    { splits: splitsProduct },
  ),
  states: velocityOf,
  flags: (values) => ({ ...momentumFlags(values), decoupled: values.decoupled }),
  check: checkNesterov,
}) {}

/**
 * Stochastic gradient descent as in PyTorch: g += weightDecay w; v = momentum v + (1 - dampening) g (v = g at
 * the first step); w -= lr v, or with Nesterov w -= lr (g + momentum v). Sutskever et al. 2013, "On the
 * importance of initialization and momentum".
 *
 * With `velocity: 'steps'` the rate is in the velocity: v = momentum v - lr g; w += v, or with Nesterov
 * w += -momentum v_old + (1 + momentum) v. Both give the same weights as long as lr stays the same.
 */
export const sgd: Maker<SgdOptions, Sgd> = maker(settings, (given) => new Sgd(given), {
  ...{ lr: 0.02, deep: 0.1, plain: 0.01, momentum: 0.9, weightDecay: 5e-4 },
  options: (momentum) => ({ nesterov: momentum > 0 }),
});
