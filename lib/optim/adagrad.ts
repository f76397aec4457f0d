/** The optimizer AdaGrad. */
import { updateRule } from '../ops/update';
import { bool, declareSettings, nonNegative, type OptionsOf, type ValuesOf } from '../settings';
import { commonSettings, decoupled } from './common';
import { maker, optimizerOf, type Maker } from './declare';

const numbers = {
  eps: nonNegative('Added to the root of the sum.', { default: 1e-10 }),
  lrDecay: nonNegative('The rate of step t is lr / (1 + (t - 1) lrDecay).', { default: 0 }),
};
const settings = declareSettings({
  lr: nonNegative('Learning rate.', { default: 0.01 }),
  ...numbers,
  initialAccumulator: nonNegative('What the sum of squares begins with.', { default: 0 }),
  epsInside: bool('eps is added to the sum instead of to its root.', { default: false }),
  decoupled,
  ...commonSettings(numbers),
});

/** Numbers of AdaGrad that groups may set. */
export type AdagradNumbers = ValuesOf<typeof numbers>;
export type AdagradOptions = OptionsOf<typeof settings>;

export class Adagrad extends optimizerOf({
  kind: 'adagrad',
  settings,
  numbers,
  rule: updateRule('adagrad', ['lr', 'eps', 'weightDecay'], ['decoupled', 'epsInside']),
  states: () => ['sum'],
  initial: ({ initialAccumulator }) => initialAccumulator,
  flags: ({ decoupled, epsInside }) => ({ decoupled, epsInside }),
}) {
  protected override rate(lr: number, { lrDecay }: AdagradNumbers): number {
    return lr / (1 + this.step * lrDecay);
  }
}

/**
 * AdaGrad (Duchi et al. 2011, "Adaptive subgradient methods") as in PyTorch: s += g^2, and with t from 1
 * w -= lr / (1 + (t - 1) lrDecay) g / (sqrt(s) + eps). The lecture's form: `adagrad({ lr, eps: 1e-7 })`.
 */
export const adagrad: Maker<AdagradOptions, Adagrad> = maker(settings, (given) => new Adagrad(given));
