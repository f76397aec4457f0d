/** Built-in callbacks of `fit`. */
import { resolve } from 'node:path';
import { OptionError } from '../errors';
import { checkKeys, nonEmptyString, positiveInteger, showMade } from '../options';
import { checkStates } from './callback-state';
import type { Callback, FitControl } from './events';

/** Options of `checkpoint`. */
export interface CheckpointOptions {
  /** How many epochs lie between two saves. The end of training is saved too. Default 1. */
  readonly everyEpochs?: number;
  /** How many steps lie between two saves within an epoch. Default: saves after epochs only. */
  readonly everySteps?: number;
  /** How many checkpoints to keep: the newest ones. Default 2. */
  readonly keep?: number;
}

/**
 * Saves checkpoints into `directory`. `fit({ resume: directory })` continues from there as if nothing had
 * happened. An interrupted save (kill -9, a full disk) leaves the earlier ones whole. While one run saves
 * into a directory, a second one that wants to is refused with a BusyError when it starts.
 * @throws OptionError
 */
export function checkpoint(directory: string, options: CheckpointOptions = {}): Callback {
  nonEmptyString('checkpoint', 'directory', directory);
  checkKeys('checkpoint', options, ['everyEpochs', 'everySteps', 'keep']);
  const everyEpochs = positiveInteger('checkpoint', 'everyEpochs', options.everyEpochs ?? 1);
  const keep = positiveInteger('checkpoint', 'keep', options.keep ?? 2);
  /** The step of the last save, or of the start. */
  let saved = 0;
  const save = async (control: FitControl, step: number): Promise<void> => {
    await control.saveCheckpoint(directory, { keep });
    saved = step;
  };
  return {
    async onEvent(event, control) {
      if (event.type === 'start') {
        // Taken now: at the first save, a refusal would cost the epoch before it.
        await control.lockDirectory(directory);
        saved = event.step;
      }
      if (event.type === 'checkpoint' && resolve(event.directory, '..') === resolve(directory))
        saved = event.step;
      if (event.type === 'epoch' && event.epoch % everyEpochs === 0) await save(control, event.step);
      if (event.type === 'done' && event.history.steps !== saved) await save(control, event.history.steps);
    },
    ...(options.everySteps !== undefined && {
      everySteps: positiveInteger('checkpoint', 'everySteps', options.everySteps),
      onSteps: (step: number, control: FitControl) => save(control, step),
    }),
  };
}

/** @throws OptionError unless `callbacks` is a list of objects with `onEvent`, `onSteps` or `onEnd` */
export function checkCallbacks(callbacks: unknown): asserts callbacks is readonly Callback[] {
  if (!Array.isArray(callbacks))
    throw new OptionError(`fit: callbacks must be a list, got ${showMade(callbacks)}`);
  callbacks.forEach((callback: unknown, i) => {
    if (!isCallback(callback))
      throw new OptionError(
        `fit: callback ${i} must have onEvent, onSteps or onEnd, got ${showMade(callback)}`,
      );
    const { everySteps } = callback;
    if (everySteps !== undefined) positiveInteger('fit', `everySteps of callback ${i}`, everySteps);
  });
  checkStates(callbacks as readonly Callback[]);
}

function isCallback(value: unknown): value is Callback {
  if (typeof value !== 'object' || value === null) return false;
  return ['onEvent', 'onSteps', 'onEnd'].some((name) => name in value);
}
