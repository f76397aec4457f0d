/** Schedules made of schedules, and the rule for large batches. */
import { OptionError } from '../errors';
import { nonNegative, nonNegativeInteger, positiveInteger as checkCount, show } from '../options';
import { declareSettings, kind, positive, positiveInteger, probability, type OptionsOf } from '../settings';
import { constant } from './decays';
import { elapsed, perUnit, type Per, type Progress, type Schedule } from './schedule';

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

const warmupSettings = declareSettings({
  per: perUnit('What the length of the warm-up is counted in; it rises in every step.', { default: 'step' }),
  start: probability('The factor that it rises from.', { default: 0 }),
});

export type WarmupOptions = OptionsOf<typeof warmupSettings>;

/**
 * Rises in a straight line over the first `n` steps (or epochs, which may be a fraction), from `start` before
 * the first of them to 1 in the last, then follows `inner`, whose progress begins where the warm-up ended
 * (Goyal et al. 2017).
 * @throws OptionError
 */
export function warmup(n: number, inner: Schedule = constant(), options: WarmupOptions = {}): Schedule {
  const where = 'schedules.warmup';
  checkSchedule(where, 'the inner schedule', inner);
  const { per, start } = warmupSettings.read(where, options);
  const count = per === 'step' ? nonNegativeInteger(where, 'steps', n) : nonNegative(where, 'epochs', n);
  return (progress) => {
    const steps = Math.round(inSteps(where, count, per, progress));
    const rise = steps === 0 ? 1 : Math.min(1, (progress.step + 1) / steps);
    return (rise + start * (1 - rise)) * inner(after(steps, progress));
  };
}

const aSchedule = kind<Schedule>({ check: checkSchedule, domain: { type: 'other' } });

const partSettings = declareSettings({
  schedule: aSchedule('What the rate follows.'),
  length: positiveInteger('How long it lasts. The last part may have no length; it lasts to the end.', {
    optional: true,
  }),
});

/** A part of a sequence. */
export type SequencePart = OptionsOf<typeof partSettings>;

const sequenceSettings = declareSettings({
  per: perUnit('What lengths are counted in.', { default: 'epoch' }),
});

export type SequenceOptions = OptionsOf<typeof sequenceSettings>;

/**
 * One schedule after the other. Each sees a training that begins with it and is as long as it. The last one
 * continues past its end. PyTorch's SequentialLR.
 * @throws OptionError, also on a stream where a later part counts steps and the sequence epochs
 */
export function sequence(parts: readonly SequencePart[], options: SequenceOptions = {}): Schedule {
  const where = 'schedules.sequence';
  const { per } = sequenceSettings.read(where, options);
  if (!Array.isArray(parts) || parts.length === 0)
    throw new OptionError(`${where}: expected a list of { schedule, length }, got ${show(parts)}`);
  const checked = (parts as readonly unknown[]).map((part, i) => {
    const { schedule, length } = partSettings.read(`${where}: part ${i}`, part);
    const last = i === parts.length - 1 && length === undefined;
    return { schedule, length: last ? Infinity : checkCount(`${where}: part ${i}`, 'length', length) };
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
    // Asked for by parts that count steps; the others still work.
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

const scalingSettings = declareSettings({
  batchSize: positive('The batch size of the training.'),
  baseBatchSize: positive('The batch size that `lr` is good for.', { default: 256 }),
});

export type LinearScalingOptions = OptionsOf<typeof scalingSettings>;

/**
 * The learning rate for another batch size: batch times N, rate times N (Goyal et al. 2017, with a warm-up).
 * `optim.sgd({ lr: schedules.linearScaling(0.1, { batchSize: 1024 }) })`
 * @throws OptionError
 */
export function linearScaling(lr: number, options: LinearScalingOptions): number {
  const where = 'schedules.linearScaling';
  const { batchSize, baseBatchSize } = scalingSettings.read(where, options);
  return (nonNegative(where, 'lr', lr) * batchSize) / baseBatchSize;
}
