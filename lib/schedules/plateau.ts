/** A rate that falls when a figure stops improving. */
import { OptionError } from '../errors';
import { declareSettings, nonNegative, nonNegativeInteger, number, oneOf, type OptionsOf } from '../settings';
import type { Schedule } from './schedule';

const METRICS = ['trainLoss', 'trainAccuracy', 'validationLoss', 'validationAccuracy'] as const;

const settings = declareSettings({
  metric: oneOf(METRICS)('What is watched; losses should fall, accuracies rise.', {
    default: 'validationLoss',
  }),
  factor: number({ minimum: 0, exclusiveMaximum: 1 })('The factor of each decay.', { default: 0.1 }),
  patience: nonNegativeInteger('How many epochs without improvement are tolerated.', { default: 10 }),
  threshold: nonNegative('Better by less than this does not count as an improvement.', { default: 1e-4 }),
  mode: oneOf(['relative', 'absolute'])(
    'Whether the threshold is a share of the best so far, or a difference.',
    {
      default: 'relative',
    },
  ),
  cooldown: nonNegativeInteger('Epochs after a decay in which nothing is counted.', { default: 0 }),
  min: nonNegative('The factor falls no lower.', { default: 0 }),
});

export type PlateauOptions = OptionsOf<typeof settings>;

/**
 * Multiplied by `factor` when `metric` has not improved for more than `patience` epochs, as PyTorch's
 * ReduceLROnPlateau. It follows from the history of the run alone, which checkpoints keep.
 * @throws OptionError, also when an epoch has no such figure
 */
export function reduceOnPlateau(options: PlateauOptions = {}): Schedule {
  const where = 'schedules.reduceOnPlateau';
  const { metric, factor, patience, threshold, mode, cooldown, min } = settings.read(where, options);
  // Accuracies are negated, so that less is better.
  const sign = metric.endsWith('Loss') ? 1 : -1;
  // A share of infinity makes no sense. A NaN is never better.
  const better = (value: number, best: number): boolean =>
    value < (best === Infinity ? best : best - threshold * (mode === 'relative' ? Math.abs(best) : 1));
  return ({ history = [] }) => {
    let [best, bad, rest, current] = [Infinity, 0, 0, 1];
    for (const [i, epoch] of history.entries()) {
      const value = epoch[metric];
      if (value === undefined) throw new OptionError(`${where}: epoch ${i + 1} has no ${metric}`);
      if (better(sign * value, best)) [best, bad] = [sign * value, 0];
      else bad++;
      if (rest > 0) [rest, bad] = [rest - 1, 0];
      if (bad <= patience) continue;
      [current, rest, bad] = [Math.max(current * factor, min), cooldown, 0];
    }
    return current;
  };
}
