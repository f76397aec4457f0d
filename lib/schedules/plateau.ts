/** A rate that falls when a figure stops improving. */
import { OptionError } from '../errors';
import { checkKeys, nonNegative, nonNegativeInteger, oneOf, show } from '../options';
import type { EpochMetrics, Schedule } from './schedule';

const METRICS = ['trainLoss', 'trainAccuracy', 'validationLoss', 'validationAccuracy'] as const;

export interface PlateauOptions {
  /** What is watched; losses should fall, accuracies rise. Default 'validationLoss'. */
  readonly metric?: keyof EpochMetrics;
  /** The factor of each decay, from 0 to below 1. Default 0.1. */
  readonly factor?: number;
  /** How many epochs without improvement are tolerated. Default 10. */
  readonly patience?: number;
  /** Better by less than this does not count as an improvement. Default 1e-4. */
  readonly threshold?: number;
  /** Whether the threshold is a share of the best so far, or a difference. Default 'relative'. */
  readonly mode?: 'relative' | 'absolute';
  /** Epochs after a decay in which nothing is counted. Default 0. */
  readonly cooldown?: number;
  /** The factor falls no lower. Default 0. */
  readonly min?: number;
}

/**
 * Multiplied by `factor` when `metric` has not improved for more than `patience` epochs, as PyTorch's
 * ReduceLROnPlateau. It follows from the history of the run alone, which checkpoints keep. @throws
 * OptionError, also when an epoch has no such figure
 */
export function reduceOnPlateau(options: PlateauOptions = {}): Schedule {
  const where = 'schedules.reduceOnPlateau';
  checkKeys(where, options, ['metric', 'factor', 'patience', 'threshold', 'mode', 'cooldown', 'min']);
  const metric = oneOf(where, 'metric', options.metric ?? 'validationLoss', METRICS);
  const factor = nonNegative(where, 'factor', options.factor ?? 0.1);
  if (factor >= 1) throw new OptionError(`${where}: factor must be below 1, got ${show(factor)}`);
  const patience = nonNegativeInteger(where, 'patience', options.patience ?? 10);
  const threshold = nonNegative(where, 'threshold', options.threshold ?? 1e-4);
  const mode = oneOf(where, 'mode', options.mode ?? 'relative', ['relative', 'absolute']);
  const cooldown = nonNegativeInteger(where, 'cooldown', options.cooldown ?? 0);
  const min = nonNegative(where, 'min', options.min ?? 0);
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
