/** The optimizer RMSProp. */
import { updateRule } from '../ops/update';
import { bool, declareSettings, nonNegative, type OptionsOf, type ValuesOf } from '../settings';
import { commonSettings, decayRate, decoupled, velocityOf } from './common';
import { maker, optimizerOf, type Maker } from './declare';

const numbers = {
  alpha: decayRate('Decay of the running mean of g^2.', { default: 0.99 }),
  eps: nonNegative('Added to the root of the mean square.', { default: 1e-8 }),
  momentum: nonNegative('Share of the velocity that is kept; at 0 no velocity is kept.', { default: 0 }),
};
const settings = declareSettings({
  lr: nonNegative('Learning rate.', { default: 0.01 }),
  ...numbers,
  centred: bool('Divides by the root of the variance instead of the mean square.', { default: false }),
  epsInside: bool('eps is added to the mean square instead of to its root.', { default: false }),
  decoupled,
  ...commonSettings(numbers),
});

/** Numbers of RMSProp that groups may set. */
export type RmspropNumbers = ValuesOf<typeof numbers>;
export type RmspropOptions = OptionsOf<typeof settings>;

export class Rmsprop extends optimizerOf({
  kind: 'rmsprop',
  settings,
  numbers,
  rule: updateRule(
    'rmsprop',
    ['lr', 'alpha', 'eps', 'momentum', 'weightDecay'],
    ['decoupled', 'epsInside', 'centred', 'momentum'],
  ),
  states: (values) => ['square_avg', ...(values.centred ? ['grad_avg'] : []), ...velocityOf(values)],
  flags: (values) => ({ ...values, momentum: velocityOf(values).length > 0 }),
}) {}

/**
 * RMSProp (Tieleman & Hinton 2012, lecture 6.5) as in PyTorch: v = alpha v + (1 - alpha) g^2;
 * w -= lr g / (sqrt(v) + eps). Centred (Graves 2013): a = alpha a + (1 - alpha) g; the root is of v - a^2.
 * With momentum: b = momentum b + g / (sqrt(v) + eps); w -= lr b. The lecture's form is
 * `rmsprop({ lr, alpha, eps: 1e-7 })`, where alpha is its decay_rate.
 */
export const rmsprop: Maker<RmspropOptions, Rmsprop> = maker(settings, (given) => new Rmsprop(given), {
  lr: 0.001,
});
