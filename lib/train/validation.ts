/** The evaluation of a run's validation set after each epoch. */
import type { Running } from '../metrics';
import type { WeightAverage } from '../optim/average';
import { evaluateSource } from './evaluate';
import { valuesOf, type Validated } from './figures';
import type { StepParts } from './steps';

export interface ValidationOptions {
  readonly average: WeightAverage | undefined;
  readonly metrics: readonly Running<unknown>[];
  readonly signal: AbortSignal | undefined;
}

/** Evaluates the source of `parts`: with an average of steps, for the averaged weights. */
export async function validate(parts: StepParts, options: ValidationOptions): Promise<Validated> {
  const { average, metrics, signal } = options;
  const averaged = average?.kind === 'ema' && average.count > 0 ? average : undefined;
  const averages = await evaluateSource(parts, { average: averaged, signal, metrics });
  return { ...averages, ...(metrics.length > 0 && { metrics: await valuesOf(metrics) }) };
}
