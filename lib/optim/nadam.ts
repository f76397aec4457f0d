/** The optimizer NAdam. */
import { updateRule } from '../ops/update';
import { bool, declareSettings, nonNegative, type OptionsOf, type ValuesOf } from '../settings';
import { adamNumbers, commonSettings, decoupled } from './common';
import { maker, optimizerOf, type Maker } from './declare';

const numbers = {
  ...adamNumbers,
  momentumDecay: nonNegative('How fast the momentum rises to beta1.', { default: 4e-3 }),
};
const settings = declareSettings({
  lr: nonNegative('Learning rate.', { default: 2e-3 }),
  ...numbers,
  epsInside: bool('eps is added to the second moment instead of to its root.', { default: false }),
  decoupled,
  ...commonSettings(numbers),
});

/** Numbers of NAdam that groups may set. */
export type NadamNumbers = ValuesOf<typeof numbers>;
export type NadamOptions = OptionsOf<typeof settings>;

const mu = ({ betas, momentumDecay }: NadamNumbers, step: number): number =>
  betas[0] * (1 - 0.5 * 0.96 ** (step * momentumDecay));

/**
 * P_t. It is a function of the step and the settings alone, so that no checkpoint has to keep it; the last
 * one is remembered.
 */
function momentumProduct(): (numbers: NadamNumbers, step: number) => number {
  let known = { beta: NaN, decay: NaN, step: 0, product: 1 };
  return (numbers, step) => {
    const [beta, decay] = [numbers.betas[0], numbers.momentumDecay];
    const goesOn = known.beta === beta && known.decay === decay && known.step <= step;
    let { step: at, product } = goesOn ? known : { step: 0, product: 1 };
    // Once it is too small to be told from nothing, no further factor matters.
    while (at < step && product > Number.MIN_VALUE) product *= mu(numbers, ++at);
    known = { beta, decay, step, product };
    return product;
  };
}

export class Nadam extends optimizerOf({
  kind: 'nadam',
  settings,
  numbers,
  rule: updateRule(
    'nadam',
    ['lr', 'gradientShare', 'momentShare', 'beta1', 'beta2', 'eps', 'weightDecay', 'step'],
    ['decoupled', 'epsInside'],
  ),
  states: () => ['exp_avg', 'exp_avg_sq'],
  flags: ({ decoupled, epsInside }) => ({ decoupled, epsInside }),
}) {
  protected override derivedScalars(numbers: NadamNumbers, steps: () => number) {
    const product = momentumProduct();
    const rest = (step: number): number => 1 - product(numbers, step);
    const { check } = settings.declared.momentumDecay;
    const share = (get: () => number) => this.scalar('momentumDecay', check, get);
    return {
      gradientShare: share(() => (1 - mu(numbers, steps() + 1)) / rest(steps() + 1)),
      momentShare: share(() => mu(numbers, steps() + 2) / rest(steps() + 2)),
    };
  }
}

/**
 * NAdam (Dozat 2016, "Incorporating Nesterov momentum into Adam") as in PyTorch: moments as in Adam;
 * mu_t = b1 (1 - 0.96^(t momentumDecay) / 2); P_t = mu_1 ... mu_t;
 * w -= lr ((1 - mu_t) g / (1 - P_t) + mu_(t+1) m / (1 - P_(t+1))) / (sqrt(v / (1 - b2^t)) + eps).
 */
export const nadam: Maker<NadamOptions, Nadam> = maker(settings, (given) => new Nadam(given));
