/** Built-in callbacks of `fit`. */
import { OptionError } from '../errors';
import { checkKeys, nonEmptyString, positiveInteger } from '../options';
import type { Callback } from './events';

/** Options of `checkpoint`. */
export interface CheckpointOptions {
  /** Save after every so many epochs, and after the last. Default 1. */
  readonly everyEpochs?: number;
  /** Save after every so many steps as well. Default: only after epochs. */
  readonly everySteps?: number;
  /** How many checkpoints to keep, the newest. Default 2. */
  readonly keep?: number;
}

/**
 * Saves checkpoints into `directory`, from which `fit({ resume: directory })` goes on as if nothing had happened.
 * A save that is interrupted, by kill -9 or a full disk, leaves the ones before it whole.
 * @throws OptionError
 */
export function checkpoint(directory: string, options: CheckpointOptions = {}): Callback {
  nonEmptyString('checkpoint', 'directory', directory);
  checkKeys('checkpoint', options, ['everyEpochs', 'everySteps', 'keep']);
  const everyEpochs = positiveInteger('checkpoint', 'everyEpochs', options.everyEpochs ?? 1);
  const keep = positiveInteger('checkpoint', 'keep', options.keep ?? 2);
  let epochs = 0;
  return {
    async onEvent(event, control) {
      if (event.type === 'start') epochs = event.epochs;
      if (event.type !== 'epoch') return;
      if (event.epoch % everyEpochs === 0 || event.epoch === epochs)
        await control.saveCheckpoint(directory, { keep });
    },
    ...(options.everySteps !== undefined && {
      everySteps: positiveInteger('checkpoint', 'everySteps', options.everySteps),
      onSteps: async (
        _step: number,
        control: { saveCheckpoint: (dir: string, o: { keep: number }) => Promise<string> },
      ) => {
        await control.saveCheckpoint(directory, { keep });
      },
    }),
  };
}

/** @throws OptionError unless `callbacks` is a list of objects with `onEvent` or `onSteps` */
export function checkCallbacks(callbacks: unknown): readonly Callback[] {
  if (callbacks === undefined) return [];
  if (!Array.isArray(callbacks)) throw new OptionError('fit: callbacks must be an array');
  for (const [i, callback] of (callbacks as unknown[]).entries()) {
    const usable =
      typeof callback === 'object' && callback !== null && ('onEvent' in callback || 'onSteps' in callback);
    if (!usable) throw new OptionError(`fit: callback ${i} has neither onEvent nor onSteps`);
  }
  return callbacks as Callback[];
}
