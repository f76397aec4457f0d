/** What all ranks of a world must have in common before they train together. */
import { info } from '../native';
import type { WeightAverage } from '../optim/average';
import type { Optimizer } from '../optim/optimizer';
import type { CheckedFitOptions, FitOptions, ShardSettings } from './fit-options';
import type { Facts } from './ranks';
import type { Shared } from './shared-state';

/** A call of `fit`, and the trainer's part in it. */
interface Compared {
  readonly trainer: Pick<Shared, 'precision' | 'average' | 'optimizer'> & {
    readonly seed: number;
  } & ShardSettings;
  readonly options: FitOptions;
  readonly checked: CheckedFitOptions;
}

/** By the names that a message calls them. */
export function factsOf({ trainer, options, checked }: Compared): Facts {
  const { seed, shards, syncBatchNorm, precision, average, optimizer } = trainer;
  const { batches, validation, callbacks } = checked;
  return {
    "tenon's version": info().version,
    ...{ seed, precision, shards: shards ?? null },
    syncBatchNorm: syncBatchNorm === undefined ? null : String(syncBatchNorm),
    ...settingsOf('optimizer', optimizer),
    ...(average && settingsOf('average', average)),
    ...{ batchSize: batches.batchSize, accumulate: batches.accumulate, lastBatch: batches.lastBatch ?? null },
    'the number of samples': batches.samples,
    'the samples and their labels': batches.selection,
    ...{ epochs: checked.epochs, maxSteps: String(checked.maxSteps) },
    'the validation set': validation?.data.fingerprint ?? null,
    'the metrics': checked.metrics.length,
    'everySteps of callbacks': callbacks.map(({ everySteps }) => everySteps ?? '').join(),
    resume: options.resume === undefined ? 'no' : 'yes',
  };
}

/** What changes the last bits of results, but may differ. */
export function kernelsOf(): Facts {
  const { isa, bf16 } = info();
  return { kernels: isa, 'products of bf16': bf16.path };
}

/** What counts steps, and what a schedule sets: rank 0's are sent to all. */
const COUNTERS = ['step', 'lrFactor', 'count', 'statistics'];

/** Its kind, and all plain numbers and flags that it was made with. */
function settingsOf(owner: string, settings: Optimizer | WeightAverage): Facts {
  const plain = Object.entries(settings).filter(
    ([name, value]) => !COUNTERS.includes(name) && ['string', 'number', 'boolean'].includes(typeof value),
  );
  return Object.fromEntries(plain.map(([name, value]) => [`the ${owner}'s ${name}`, String(value)]));
}
