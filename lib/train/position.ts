/**
 * A place in a run of training: all numbers that the next step depends on, besides weights
 * and optimizer state.
 */
import { LAST_BATCHES, type LastBatch } from '../data/cut';
import { FormatError } from '../errors';
import { countIn, fieldsOf, numberIn, type Fields } from '../files/json-fields';
import { clip } from '../options';
import type { EpochRecord } from './events';
import type { TotalsState } from './totals';

export interface Position {
  readonly seed: number;
  /** Epochs finished. */
  readonly epoch: number;
  /** Steps trained in all. */
  readonly step: number;
  /** Batches of the current epoch trained. */
  readonly position: number;
  /** Counter of random draws. */
  readonly randomStep: number;
  /** Sums of the current epoch. */
  readonly totals: TotalsState;
  /** How the epoch that `position` counts in is cut; null for streams. */
  readonly batches: {
    readonly batchSize: number | null;
    readonly samples: number | null;
    /** `Dataset.fingerprint`; also null in checkpoints of versions that did not save it. */
    readonly selection: string | null;
    /** Batches per step. */
    readonly accumulate: number;
    readonly lastBatch: LastBatch | null;
    /** Parts that each batch is computed in. */
    readonly shards: number;
    /** Whether batch norm takes its statistics of all of them. */
    readonly syncBatchNorm: boolean;
  };
  readonly history: readonly EpochRecord[];
}

/** Reads a position from JSON that may hold anything. @throws FormatError naming the entry */
export function parsePosition(file: string, value: unknown): Position {
  const fields = fieldsOf(file, 'position', value);
  const totals = fieldsOf(file, 'position.totals', fields.totals);
  const batches = fieldsOf(file, 'position.batches', fields.batches);
  if (!Array.isArray(fields.history)) throw new FormatError(`${clip(file)}: position.history is not a list`);
  return {
    seed: countIn(file, fields, 'seed'),
    epoch: countIn(file, fields, 'epoch'),
    step: countIn(file, fields, 'step'),
    position: countIn(file, fields, 'position'),
    randomStep: countIn(file, fields, 'randomStep'),
    totals: {
      lossSum: numberIn(file, totals, 'lossSum'),
      correct: numberIn(file, totals, 'correct'),
      samples: countIn(file, totals, 'samples'),
      classes: totals.classes === true,
      ...(totals.weight !== undefined && { weight: numberIn(file, totals, 'weight') }),
      ...(totals.penaltySum !== undefined && { penaltySum: numberIn(file, totals, 'penaltySum') }),
    },
    batches: {
      batchSize: batches.batchSize === null ? null : countIn(file, batches, 'batchSize'),
      samples: batches.samples === null ? null : countIn(file, batches, 'samples'),
      selection: typeof batches.selection === 'string' ? batches.selection : null,
      // Absent in checkpoints of versions that knew only one batch per step.
      accumulate: batches.accumulate === undefined ? 1 : countIn(file, batches, 'accumulate'),
      lastBatch: lastBatch(file, batches),
      // Absent in checkpoints of versions that computed each batch in one part.
      shards: batches.shards === undefined ? 1 : countIn(file, batches, 'shards'),
      // Absent in checkpoints of versions without it.
      syncBatchNorm: batches.syncBatchNorm === true,
    },
    history: fields.history.map((entry, i) => epochRecord(file, `position.history[${i}]`, entry)),
  };
}

function lastBatch(file: string, batches: Fields): LastBatch | null {
  if (batches.batchSize === null) return null;
  // Absent in checkpoints of versions that knew only 'keep'.
  const value = batches.lastBatch ?? 'keep';
  const known = LAST_BATCHES.find((name) => name === value);
  if (known === undefined)
    throw new FormatError(`${clip(file)}: lastBatch is not one of ${LAST_BATCHES.join(', ')}`);
  return known;
}

/**
 * JSON that writes NaN and infinities as strings instead of null: the loss of a validation set may be
 * any of them.
 */
export function stateJson(value: object): string {
  const readable = (_key: string, entry: unknown): unknown =>
    typeof entry === 'number' && !Number.isFinite(entry) ? String(entry) : entry;
  return JSON.stringify(value, readable, 1);
}

/** A number that `stateJson` wrote. */
function measured(file: string, fields: Fields, key: string): number {
  const value = fields[key];
  if (value === null) return NaN; // as earlier versions wrote it
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
  return numberIn(file, fields, key);
}

function epochRecord(file: string, name: string, value: unknown): EpochRecord {
  const fields = fieldsOf(file, name, value);
  const optional = ['trainAccuracy', 'penalty', 'validationLoss', 'validationAccuracy'] as const;
  const given = optional.filter((key) => fields[key] !== undefined);
  const { validationMetrics } = fields;
  const metrics =
    validationMetrics === undefined ? undefined : fieldsOf(file, 'validationMetrics', validationMetrics);
  return {
    epoch: numberIn(file, fields, 'epoch'),
    step: numberIn(file, fields, 'step'),
    trainLoss: measured(file, fields, 'trainLoss'),
    ...Object.fromEntries(given.map((key) => [key, measured(file, fields, key)])),
    ...(metrics && {
      validationMetrics: Object.fromEntries(
        Object.keys(metrics).map((key) => [key, measured(file, metrics, key)]),
      ),
    }),
    imagesPerSecond: numberIn(file, fields, 'imagesPerSecond'),
    dataWaitMs: numberIn(file, fields, 'dataWaitMs'),
    learningRate: numberIn(file, fields, 'learningRate'),
    seconds: numberIn(file, fields, 'seconds'),
  };
}
