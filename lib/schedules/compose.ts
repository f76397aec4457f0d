/** Schedules made of schedules, and the rule for large batches. */
import { OptionError } from '../errors';
import {
  checkKeys,
  nonNegative,
  nonNegativeInteger,
  oneOf,
  positive,
  positiveInteger,
  show,
} from '../options';
import { constant } from './decays';
import { elapsed, PER, type Per, type Progress, type Schedule } from './schedule';

function checkSchedule(where: string, name: string, value: unknown): Schedule {
  if (typeof value !== 'function')
    throw new OptionError(`${where}: ${name} must be a schedule, got ${show(value)}`);
  return value as Schedule;
}

/** Progress as a schedule sees it that begins after `steps`. Epochs count from the one in which it begins. */
function after(steps: number, progress: Progress): Progress {
  if (steps === 0) return progress;
  const { totalEpochs } = progress;
  const epochs = Math.floor(steps / progress.stepsPerEpoch);
  return {
    ...progress,
    step: Math.max(0, progress.step - steps),
    epoch: Math.max(0, progress.epoch - epochs),
    totalSteps: Math.max(0, progress.totalSteps - steps),
    ...(totalEpochs !== undefined && { totalEpochs: Math.max(0, totalEpochs - epochs) }),
    ...(progress.history && { history: progress.history.slice(epochs) }),
  };
}

/** The number of steps in this many epochs. @throws OptionError if it is not known */
function inSteps(where: string, count: number, per: Per, { stepsPerEpoch }: Progress): number {
  if (per === 'step') return count;
  if (Number.isFinite(stepsPerEpoch)) return count * stepsPerEpoch;
  throw new OptionError(`${where}: the number of steps in an epoch of a stream is not known; count in steps`);
}

export interface WarmupOptions {
  /** What the length of the warm-up is counted in; it rises in every step. Default 'step'. */
  readonly per?: Per;
}

/**
 * Rises from 1/n to 1 over the first `n` steps (or epochs, which may be a fraction), then follows `inner`,
 * whose progress begins where the warm-up ended (Goyal et al. 2017). @throws OptionError
 */
export function warmup(n: number, inner: Schedule = constant(), options: WarmupOptions = {}): Schedule {
  const where = 'schedules.warmup';
  checkSchedule(where, 'the inner schedule', inner);
  checkKeys(where, options, ['per']);
  const per = oneOf(where, 'per', options.per ?? 'step', PER);
  const count = per === 'step' ? nonNegativeInteger(where, 'steps', n) : nonNegative(where, 'epochs', n);
  return (progress) => {
    const steps = Math.round(inSteps(where, count, per, progress));
    const rise = steps === 0 ? 1 : Math.min(1, (progress.step + 1) / steps);
    return rise * inner(after(steps, progress));
  };
}

/** A part of a sequence. */
export interface SequencePart {
  readonly schedule: Schedule;
  /** How long it lasts. The last part may have no length; it lasts to the end. */
  readonly length?: number;
}

export interface SequenceOptions {
  /** What lengths are counted in. Default 'epoch'. */
  readonly per?: Per;
}

/**
 * One schedule after the other. Each sees a training that begins with it and is as long as it. The last one
 * goes on past its end. PyTorch's SequentialLR. @throws OptionError, also on a stream where a later part
 * counts steps and the sequence epochs
 */
export function sequence(parts: readonly SequencePart[], options: SequenceOptions = {}): Schedule {
  const where = 'schedules.sequence';
  checkKeys(where, options, ['per']);
  const per = oneOf(where, 'per', options.per ?? 'epoch', PER);
  if (!Array.isArray(parts) || parts.length === 0)
    throw new OptionError(`${where}: expected a list of { schedule, length }, got ${show(parts)}`);
  const checked = (parts as readonly (SequencePart | undefined)[]).map((part, i) => {
    checkKeys(where, part, ['schedule', 'length']);
    const schedule = checkSchedule(where, `part ${i}`, part?.schedule);
    const last = i === parts.length - 1 && part?.length === undefined;
    const length = last ? Infinity : positiveInteger(where, `length of part ${i}`, part?.length);
    return { schedule, length };
  });
  return (progress) => {
    let begin = 0;
    let at = 0;
    // The last part is not left.
    for (; at < checked.length - 1 && elapsed(progress, per) >= begin + checked[at]!.length; at++)
      begin += checked[at]!.length;
    const { schedule, length } = checked[at]!;
    return schedule(within(progress, per, begin, length, where));
  };
}

/** The progress of a part that begins at `begin` and lasts `length`. */
function within(progress: Progress, per: Per, begin: number, length: number, where: string): Progress {
  if (begin === 0 && length === Infinity) return progress;
  if (per === 'epoch' && !Number.isFinite(progress.stepsPerEpoch))
    return withinStream(progress, begin, length, where);
  const rest = after(inSteps(where, begin, per, progress), progress);
  if (length === Infinity) return rest;
  const steps = inSteps(where, length, per, progress);
  return { ...rest, totalSteps: steps, totalEpochs: Math.ceil(steps / progress.stepsPerEpoch) };
}

/** The same for a stream, counted in epochs, because the number of their steps is not known. */
function withinStream(progress: Progress, begin: number, length: number, where: string): Progress {
  const { totalEpochs = Infinity, history = [] } = progress;
  return {
    // Asked for by parts that count steps; the others go on working.
    get step() {
      if (begin === 0) return progress.step;
      throw new OptionError(
        `${where}: the step at which epoch ${begin} of a stream began is not known, so what follows cannot count steps from there; count its time in epochs, or the sequence in steps`,
      );
    },
    epoch: progress.epoch - begin,
    totalSteps: Infinity,
    stepsPerEpoch: Infinity,
    totalEpochs: Math.min(length, totalEpochs - begin),
    history: history.slice(begin),
  };
}

/** `inner` times a number. @throws OptionError */
export function scaled(factor: number, inner: Schedule): Schedule {
  const by = nonNegative('schedules.scaled', 'factor', factor);
  checkSchedule('schedules.scaled', 'the inner schedule', inner);
  return (progress) => by * inner(progress);
}

export interface LinearScalingOptions {
  readonly batchSize: number;
  /** The batch size that `lr` is good for. Default 256. */
  readonly baseBatchSize?: number;
}

/**
 * The learning rate for another batch size: batch times N, rate times N (Goyal et al. 2017, with a warm-up).
 * `optim.sgd({ lr: schedules.linearScaling(0.1, { batchSize: 1024 }) })` @throws OptionError
 */
export function linearScaling(lr: number, options: LinearScalingOptions): number {
  const where = 'schedules.linearScaling';
  checkKeys(where, options, ['batchSize', 'baseBatchSize']);
  const rate = nonNegative(where, 'lr', lr);
  const batch = positive(where, 'batchSize', options?.batchSize);
  return (rate * batch) / positive(where, 'baseBatchSize', options.baseBatchSize ?? 256);
}
