/** The figures of an epoch by name, and those that `fit`'s metrics add. */
import { OptionError } from '../errors';
import type { Running } from '../metrics';
import { show } from '../options';
import type { EpochRecord } from './events';
import type { Evaluation, TrainAverages } from './totals';

/** Figures that every epoch can have. */
const FIGURES = ['trainLoss', 'trainAccuracy', 'validationLoss', 'validationAccuracy'] as const;

/** Objects in one another that the value of a metric may have. */
const MOST_DEPTH = 4;

/** A figure of an epoch; undefined if it has none of this name. */
export function figureOf(record: EpochRecord, name: string): number | undefined {
  const figure = FIGURES.find((known) => known === name);
  if (figure !== undefined) return record[figure];
  const { validationMetrics = {} } = record;
  return Object.hasOwn(validationMetrics, name) ? validationMetrics[name] : undefined;
}

/** What was measured in an epoch. */
export interface Measurements extends Pick<
  EpochRecord,
  'epoch' | 'step' | 'imagesPerSecond' | 'dataWaitMs' | 'learningRate' | 'seconds'
> {
  readonly train: TrainAverages;
  readonly validation: Validated | undefined;
}

/** Averages over the validation set, and what metrics measured there by name, if there are any. */
export interface Validated extends Evaluation {
  readonly metrics?: Readonly<Record<string, number>>;
}

/** The record of an epoch, without the figures that it does not have. */
export function epochRecord(measured: Measurements): EpochRecord {
  const { train, validation, epoch, step, ...rest } = measured;
  return {
    epoch,
    step,
    trainLoss: train.loss,
    ...(train.accuracy !== undefined && { trainAccuracy: train.accuracy }),
    ...(train.penalty !== undefined && { penalty: train.penalty }),
    ...(validation && { validationLoss: validation.loss }),
    ...(validation?.accuracy !== undefined && { validationAccuracy: validation.accuracy }),
    ...(validation?.metrics && { validationMetrics: validation.metrics }),
    ...rest,
  };
}

/** @throws OptionError unless each metric has a name of its own, which no figure has */
export function checkNames(metrics: readonly Running<unknown>[]): void {
  const seen = new Set<string>(FIGURES);
  for (const { metric } of metrics) {
    if (typeof metric.name !== 'string' || metric.name === '')
      throw new OptionError(`fit: a metric must have a name, got ${show(metric.name)}`);
    if (seen.has(metric.name))
      throw new OptionError(
        `fit: metrics has two of the name ${show(metric.name)}, or it is a figure of fit`,
      );
    seen.add(metric.name);
  }
}

/** The numbers of metrics after the batches that they have seen. A value of parts has a number for each. */
export async function valuesOf(metrics: readonly Running<unknown>[]): Promise<Record<string, number>> {
  const entries: [string, number][] = [];
  for (const running of metrics) collect(running.metric.name, await running.value(), entries);
  return Object.fromEntries(entries);
}

/** Lists, such as the rows of a confusion matrix, are not figures. */
function collect(name: string, value: unknown, entries: [string, number][], depth = MOST_DEPTH): void {
  if (typeof value === 'number') entries.push([name, value]);
  if (typeof value !== 'object' || value === null || depth === 0) return;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return;
  for (const [key, part] of Object.entries(value)) collect(`${name}.${key}`, part, entries, depth - 1);
}

/** What there is to measure in a run. */
export interface Measured {
  /** Whether accuracy may be measured. */
  readonly classes: boolean;
  readonly validation: { readonly classes: boolean } | undefined;
  readonly metrics: readonly Running<unknown>[];
}

/** The names of all figures that the epochs of a run will have. */
export async function figureNames({ classes, validation, metrics }: Measured): Promise<string[]> {
  const own = FIGURES.filter((name) => {
    if (name.startsWith('validation') && validation === undefined) return false;
    const wanted = name.startsWith('validation') ? validation!.classes : classes;
    return wanted || name.endsWith('Loss');
  });
  await Promise.all(metrics.map((metric) => metric.reset()));
  return [...own, ...Object.keys(await valuesOf(metrics))];
}
