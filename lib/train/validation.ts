/** The validation set of a run: how `fit` is told of it, and its evaluation after each epoch. */
import { Dataset } from '../data/dataset';
import { viewsOf, type ViewOptions } from '../data/views';
import { OptionError } from '../errors';
import type { Running } from '../metrics';
import { samplingOf, type Sampling, type SamplingOptions } from '../nn/sampling';
import type { WeightAverage } from '../optim/average';
import { checkKeys, positiveInteger, show } from '../options';
import { requireSamples } from './batch-source';
import { evaluateSource, type EvaluatedSet } from './evaluate';
import { valuesOf, type Validated } from './figures';
import type { Ranks } from './ranks';
import type { StepParts } from './steps';

/**
 * A validation set that is evaluated over views of each image (`crops`, `scales`), or over passes with noise
 * (`samples`, `seed`), as by `Trainer.evaluate`.
 */
export interface Validation extends ViewOptions, SamplingOptions {
  readonly data: Dataset;
  /** Samples at once. Default 128. Does not change the result. */
  readonly batchSize?: number;
}

/** A validation set with its settings. */
export interface CheckedValidation extends EvaluatedSet {
  readonly sampling: Sampling | undefined;
}

const WHERE = 'fit: validation';
const KEYS = ['data', 'batchSize', 'crops', 'scales', 'samples', 'seed'] as const;

/** @throws OptionError; DataError for an empty set */
export function checkValidation(value: unknown): CheckedValidation | undefined {
  if (value === undefined) return undefined;
  const given = value instanceof Dataset ? { data: value } : value;
  if (typeof given !== 'object' || given === null || !('data' in given) || !(given.data instanceof Dataset))
    throw new OptionError(`${WHERE} must be a Dataset, or { data: a Dataset, ... }, got ${show(value)}`);
  checkKeys(WHERE, given, KEYS);
  const { data, batchSize = 128, ...options } = given as Validation;
  requireSamples(WHERE, data);
  return {
    data,
    batchSize: positiveInteger(WHERE, 'batchSize', batchSize),
    views: viewsOf(WHERE, options),
    sampling: samplingOf(WHERE, options),
  };
}

export interface ValidateOptions {
  readonly average: WeightAverage | undefined;
  readonly sampling: Sampling | undefined;
  readonly metrics: readonly Running<unknown>[];
  readonly signal: AbortSignal | undefined;
  readonly ranks: Ranks | undefined;
}

/** Evaluates the source of `parts`: with an average of steps, for the averaged weights. */
export async function validate(parts: StepParts, options: ValidateOptions): Promise<Validated> {
  const { average, metrics, ...rest } = options;
  const averaged = average?.kind === 'ema' && average.count > 0 ? average : undefined;
  const averages = await evaluateSource(parts, { average: averaged, metrics, ...rest });
  return { ...averages, ...(metrics.length > 0 && { metrics: await valuesOf(metrics) }) };
}
