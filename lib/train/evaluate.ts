/** Mean loss and accuracy of a model over the batches of a source. */
import { AbortedError, DataError } from '../errors';
import type { Running } from '../metrics';
import type { WeightAverage } from '../optim/average';
import { abortable, whileNotAborted } from './abort';
import type { EpochBatches } from './source';
import { EvalStep, type StepParts } from './steps';
import type { Averages } from './totals';

export interface EvaluateSourceOptions {
  /** The model computes with the averaged weights. */
  readonly average?: WeightAverage | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Set to no examples first, then updated with each batch. */
  readonly metrics?: readonly Running<unknown>[] | undefined;
}

/** @throws AbortedError, DataError for no batches, what reading the data throws */
export async function evaluateSource(
  parts: StepParts,
  { average, signal, metrics = [] }: EvaluateSourceOptions,
): Promise<Averages> {
  const step = new EvalStep(parts, metrics, average);
  let last: Promise<void> | undefined;
  let batches: EpochBatches | undefined;
  const pass = async (): Promise<Averages> => {
    await Promise.all(metrics.map((metric) => metric.reset()));
    batches = await parts.source.open(0, 0);
    for (;;) {
      const batch = signal?.aborted === true ? undefined : await abortable(batches.next(), signal);
      if (batch === undefined) break;
      const queued = step.queue(batch);
      queued.catch(() => undefined); // seen below, when the batch after it is in the queue
      await last;
      last = queued;
    }
    signal?.throwIfAborted();
    if (last === undefined) throw new DataError('evaluate: there are no batches');
    await last;
    return step.totals.averages();
  };
  try {
    return await whileNotAborted(signal, () => step.cancel(), pass);
  } catch (error) {
    throw signal?.aborted === true ? new AbortedError('evaluate: aborted', { cause: signal.reason }) : error;
  } finally {
    batches?.close().catch(() => undefined); // not awaited, as in fit
    await last?.catch(() => undefined);
    step.dispose();
  }
}
