/** Checks of what training and evaluation are made of. */
import { Dataset } from '../data/dataset';
import { OptionError } from '../errors';
import * as losses from '../losses';
import type { Loss } from '../losses';
import { show } from '../options';
import * as regularizers from '../regularizers';
import type { Regularizer } from '../regularizers';
import * as schedules from '../schedules';
import type { Schedule } from '../schedules';

/** @throws OptionError */
export function checkLoss(where: string, value: unknown): asserts value is Loss {
  if (typeof value !== 'function')
    throw new OptionError(`${where}: loss must be a loss such as losses.crossEntropy(), got ${show(value)}`);
  refuseMaker(where, 'loss', 'losses', losses, value);
}

/**
 * @throws OptionError for a function that would ignore the weights of samples. Those of `losses` take them
 */
export function checkWeighable(loss: Loss): void {
  if (loss.length < 3)
    throw new OptionError(
      'the samples have weights, but the loss takes none: it needs a third parameter, (outputs, targets, weights), without a default',
    );
}

/**
 * The loss for a data set to train on: weights that are 'balanced' become numbers. @throws OptionError where
 * there are no classes to count, DataError for a class without samples
 */
export function settledLoss(loss: Loss, data: unknown): Loss {
  if (loss.settle === undefined) return loss;
  if (!(data instanceof Dataset) || !data.labelled)
    throw new OptionError(
      "fit: the loss has 'balanced' weights, for which the classes of a Dataset are counted; for a stream, or targets that are numbers, pass numbers",
    );
  return loss.settle(data.classCounts());
}

/** @throws OptionError */
export function checkSchedule(where: string, value: unknown): asserts value is Schedule {
  if (typeof value !== 'function')
    throw new OptionError(`${where}: schedule must be one such as schedules.cosine(), got ${show(value)}`);
  refuseMaker(where, 'schedule', 'schedules', schedules, value);
}

/** One regularizer, or a list of them. @throws OptionError */
export function checkRegularizers(value: unknown): readonly Regularizer[] {
  const given: readonly unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
  for (const one of given) {
    if (typeof one !== 'function')
      throw new OptionError(
        `Trainer: regularizer must be one such as regularizers.l2(1e-4), got ${show(one)}`,
      );
    refuseMaker('Trainer', 'regularizer', 'regularizers', regularizers, one);
  }
  return given as readonly Regularizer[];
}

/** @throws OptionError where `value` is what makes a loss or a schedule, which are functions themselves */
function refuseMaker(where: string, name: string, space: string, makers: object, value: unknown): void {
  const maker = Object.entries(makers).find(([, candidate]) => candidate === value);
  if (maker !== undefined)
    throw new OptionError(
      `${where}: ${name} is ${space}.${maker[0]}, a function that makes one; call it: ${space}.${maker[0]}()`,
    );
}
