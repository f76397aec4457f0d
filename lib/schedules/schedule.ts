/** What a schedule is: a pure function of progress. */
import { OptionError } from '../errors';
import { checkFunction, checkObject, show } from '../options';
import { oneOf } from '../settings';

/** What an epoch came to: entries of `History.epochs`. */
export interface EpochMetrics {
  readonly trainLoss?: number;
  readonly trainAccuracy?: number;
  readonly validationLoss?: number;
  readonly validationAccuracy?: number;
}

/** How far training is, before a step is taken. */
export interface Progress {
  /** Steps taken so far. */
  readonly step: number;
  /** Epochs finished so far. */
  readonly epoch: number;
  /** Steps of the whole training; Infinity if the number is not known (a stream). */
  readonly totalSteps: number;
  /** Infinity where nobody knows. */
  readonly stepsPerEpoch: number;
  /** Epochs of the whole training. Default: from the steps. */
  readonly totalEpochs?: number;
  /** The epochs finished so far, for schedules that depend on results. Default: none. */
  readonly history?: readonly EpochMetrics[];
}

/** Factor of the learning rate for the step that comes next. */
export type Schedule = (progress: Progress) => number;

/** What a schedule counts: it changes in every step, or once per epoch. */
export type Per = 'step' | 'epoch';

const PER: readonly Per[] = ['step', 'epoch'];

/** The setting `per`. */
export const perUnit = oneOf(PER);

/** The time of a schedule. @throws OptionError if it is not known */
export function elapsed(progress: Progress, per: Per): number {
  // Only the one that is asked for: a part of a sequence on a stream may not know its steps.
  return per === 'step' ? progress.step : progress.epoch;
}

/** How long the training is, in the same unit. @throws OptionError if it is not known */
export function lengthOf(where: string, progress: Progress, per: Per): number {
  checkObject(where, 'progress', progress);
  const { totalSteps, stepsPerEpoch, totalEpochs } = progress;
  const length = per === 'step' ? totalSteps : (totalEpochs ?? Math.ceil(totalSteps / stepsPerEpoch));
  if (Number.isFinite(length)) return length;
  throw new OptionError(`${where}: the number of ${per}s of this training is not known; pass a length`);
}

/**
 * The factor of the schedule, or 1 if there is none.
 * @throws OptionError when that is not a finite number of at least 0
 */
export function scheduledFactor(schedule: Schedule | undefined, progress: Progress): number {
  if (schedule !== undefined) checkFunction('schedule', 'a schedule', schedule);
  checkObject('schedule', 'progress', progress);
  const factor: unknown = schedule?.(progress) ?? 1;
  if (typeof factor === 'number' && Number.isFinite(factor) && factor >= 0) return factor;
  throw new OptionError(
    `schedule: a factor of the learning rate must be a finite number of at least 0, got ${show(factor)} at step ${progress.step}`,
  );
}
