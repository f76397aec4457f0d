/** The optimizer LARS. */
import { updateRule } from '../ops/update';
import { declareSettings, nonNegative, type OptionsOf, type ValuesOf } from '../settings';
import { adapt, commonSettings, velocityOf, withoutAdapting } from './common';
import { maker, optimizerOf, type Maker } from './declare';
import { checkNesterov, momentumFlags, momentumNumbers, momentumSettings } from './sgd';

const numbers = {
  ...momentumNumbers,
  trust: nonNegative('Trust coefficient.', { default: 1e-3 }),
  eps: nonNegative('Added to the norms that the ratio divides by.', { default: 1e-8 }),
  adapt,
};
const settings = declareSettings({
  lr: nonNegative('Learning rate.'),
  ...numbers,
  ...momentumSettings,
  ...commonSettings(numbers),
});

/** Numbers of LARS that groups may set. */
export type LarsNumbers = ValuesOf<typeof numbers>;
export type LarsOptions = OptionsOf<typeof settings>;

export class Lars extends optimizerOf({
  kind: 'lars',
  settings,
  numbers,
  rule: updateRule(
    'lars',
    ['lr', 'momentum', 'dampening', 'weightDecay', 'step', 'trust', 'eps', 'adapt'],
    ['nesterov', 'momentum', 'steps'],
  ),
  states: velocityOf,
  flags: momentumFlags,
  check: checkNesterov,
}) {}

/**
 * LARS (You et al. 2017, "Large batch training of convolutional networks"): SGD whose rate for each tensor is
 * multiplied by trust |w| / (|g| + weightDecay |w| + eps); 1 where |w| or |g| is 0. Momentum and Nesterov are
 * SGD's; the paper's momentum holds the rate, `velocity: 'steps'`.
 */
export const lars: Maker<LarsOptions, Lars> = maker(settings, (given) => new Lars(given), {
  lr: 1,
  momentum: 0.9,
  weightDecay: 5e-4,
  options: withoutAdapting,
});
