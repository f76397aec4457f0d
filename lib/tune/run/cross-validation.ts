/** Objectives that are measured on samples held back from training: on k folds in turn, or on one part. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Dataset, type Fold } from '../../data/dataset';
import { FOLDS_OPTIONS, type FoldsOptions } from '../../data/units';
import { OptionError } from '../../errors';
import { checkFunction, checkKeys, show } from '../../options';
import type { Json } from '../../settings';
import type { Objective } from './objective';
import type { Trial } from './trial';

/** What trials note: `{ values, mean, deviation }`. */
const NOTE = 'crossValidation';

export interface CrossValidationOptions extends FoldsOptions {
  /** How many folds. Default 5. */
  readonly folds?: number;
}

export interface HoldOutOptions extends FoldsOptions {
  /** Share of the samples that validates, between 0 and 1. Default 0.2. */
  readonly share?: number;
}

/** A fold of a trial. */
export interface TrialFold extends Fold {
  /** From 0. */
  readonly number: number;
}

/**
 * A trial as the objective of one fold sees it: reports are made of whole folds. `folder` and `continues` are
 * the fold's own, within those of the trial, and notes are called `fold0.NAME`.
 */
export type FoldTrial<P> = Pick<
  Trial<P>,
  'number' | 'params' | 'budget' | 'folder' | 'continues' | 'signal' | 'note'
>;

type Value = number | readonly number[];

/**
 * An objective that trains and validates on each of k folds of a data set, and returns the mean of their
 * values. It reports the mean so far after each fold, with the number of folds as the step, so that
 * rules can end the trial before the last one; with several objectives it reports nothing. The folds are
 * the same in all trials. The values and their standard deviation (of k - 1 degrees of freedom) are
 * noted as `crossValidation`.
 *
 * `study.run(tune.crossValidation(train, ({ lr }, { train, validation }) => ..., { folds: 5 }))`
 *
 * @param objective returns the value of one fold, or one for each direction of the study
 * @throws OptionError, DataError as `Dataset.folds`
 */
export function crossValidation<P>(
  data: Dataset,
  objective: (params: P, fold: TrialFold, trial: FoldTrial<P>) => Value | Promise<Value>,
  options: CrossValidationOptions = {},
): Objective<P> {
  const where = 'tune.crossValidation';
  check(where, data, objective, options, 'folds');
  const { folds: count = 5, ...rest } = options;
  const folds = data.folds(count, rest);
  return async (params, trial) => {
    const values: (readonly number[])[] = [];
    for (const [number, fold] of folds.entries()) {
      trial.signal.throwIfAborted();
      const value = await objective(params, { number, ...fold }, foldTrial(trial, number));
      values.push(numbersOf(number, value, values[0]?.length));
      const means = meansOf(values);
      if (means.length === 1) await trial.report(values.length, means[0]!);
      // Rules see what is not finite before the trial fails of it.
      if (!means.every(Number.isFinite))
        throw new OptionError(`fold ${number}: the objective returned ${show(value)}`);
    }
    await trial.note(NOTE, spreadOf(values));
    const means = meansOf(values);
    return means.length === 1 ? means[0]! : means;
  };
}

/**
 * An objective that trains on a part of a data set and validates on the rest of it, the same in all trials.
 *
 * `study.run(tune.holdOut(train, ({ lr }, { train, validation }, trial) => ..., { share: 0.2 }))`
 *
 * @throws OptionError, DataError as `Dataset.holdOut`
 */
export function holdOut<P>(
  data: Dataset,
  objective: (params: P, parts: Fold, trial: Trial<P>) => Value | Promise<Value>,
  options: HoldOutOptions = {},
): Objective<P> {
  check('tune.holdOut', data, objective, options, 'share');
  const { share = 0.2, ...rest } = options;
  const parts = data.holdOut(share, rest);
  return (params, trial) => objective(params, parts, trial);
}

function check(where: string, data: unknown, objective: unknown, options: unknown, own: string): void {
  if (!(data instanceof Dataset))
    throw new OptionError(`${where}: data must be a Dataset, got ${show(data)}`);
  checkFunction(where, 'objective', objective);
  checkKeys(where, options, [own, ...FOLDS_OPTIONS]);
}

function foldTrial<P>(trial: Trial<P>, fold: number): FoldTrial<P> {
  const { number, params, budget, signal } = trial;
  const name = `fold${fold}`;
  const continues = trial.continues === undefined ? undefined : join(trial.continues, name);
  return {
    number,
    params,
    budget,
    signal,
    continues: continues !== undefined && existsSync(continues) ? continues : undefined,
    get folder() {
      const { folder } = trial;
      if (folder === undefined) return undefined;
      const own = join(folder, name);
      mkdirSync(own, { recursive: true });
      return own;
    },
    note: (key: string, value: Json) => trial.note(`${name}.${key}`, value),
  };
}

/** What an objective returned of a fold, which may be anything. @throws OptionError */
function numbersOf(fold: number, value: unknown, count: number | undefined): readonly number[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  const numbers = values.filter((one): one is number => typeof one === 'number');
  if (numbers.length > 0 && numbers.length === values.length && numbers.length === (count ?? numbers.length))
    return numbers;
  const expected = count === undefined || count === 1 ? 'a number' : `${count} numbers`;
  throw new OptionError(`fold ${fold}: the objective returned ${show(value)}, not ${expected}`);
}

function meansOf(values: readonly (readonly number[])[]): number[] {
  return values[0]!.map((_, i) => values.reduce((sum, each) => sum + each[i]!, 0) / values.length);
}

function spreadOf(values: readonly (readonly number[])[]): Json {
  const mean = meansOf(values);
  const deviation = mean.map((center, i) => {
    const squares = values.reduce((sum, each) => sum + (each[i]! - center) ** 2, 0);
    return Math.sqrt(squares / (values.length - 1));
  });
  if (mean.length > 1) return { values: values.map((each) => [...each]), mean, deviation };
  return { values: values.map((each) => each[0]!), mean: mean[0]!, deviation: deviation[0]! };
}
