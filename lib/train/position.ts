/** Where in a training run something is: all the numbers that the next step depends on, besides weights and optimizer state. */
import { FormatError } from '../errors';
import { clip } from '../options';
import type { EpochRecord } from './events';
import { LAST_BATCHES, type LastBatch } from '../data/cut';
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
  /** What `position` counts; null for streams. */
  readonly batches: {
    readonly batchSize: number | null;
    readonly samples: number | null;
    /** `Dataset.fingerprint`; null also in checkpoints of versions that did not write it down. */
    readonly selection: string | null;
    /** Batches a step. */
    readonly accumulate: number;
    readonly lastBatch: LastBatch | null;
  };
  readonly history: readonly EpochRecord[];
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads a position out of JSON that may hold anything. @throws FormatError naming the entry */
export function parsePosition(file: string, value: unknown): Position {
  const fields = record(file, 'position', value);
  const totals = record(file, 'position.totals', fields.totals);
  const batches = record(file, 'position.batches', fields.batches);
  if (!Array.isArray(fields.history)) throw new FormatError(`${clip(file)}: position.history is not a list`);
  return {
    seed: count(file, fields, 'seed'),
    epoch: count(file, fields, 'epoch'),
    step: count(file, fields, 'step'),
    position: count(file, fields, 'position'),
    randomStep: count(file, fields, 'randomStep'),
    totals: {
      lossSum: number(file, totals, 'lossSum'),
      correct: number(file, totals, 'correct'),
      samples: count(file, totals, 'samples'),
      classes: totals.classes === true,
    },
    batches: {
      batchSize: batches.batchSize === null ? null : count(file, batches, 'batchSize'),
      samples: batches.samples === null ? null : count(file, batches, 'samples'),
      selection: typeof batches.selection === 'string' ? batches.selection : null,
      // Absent in checkpoints of versions that knew one batch a step only.
      accumulate: batches.accumulate === undefined ? 1 : count(file, batches, 'accumulate'),
      lastBatch: lastBatch(file, batches),
    },
    history: fields.history.map((entry, i) => epochRecord(file, `position.history[${i}]`, entry)),
  };
}

function record(file: string, name: string, value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FormatError(`${clip(file)}: ${name} is missing`);
  return value as Fields;
}

function lastBatch(file: string, batches: Fields): LastBatch | null {
  if (batches.batchSize === null) return null;
  // Absent in checkpoints of versions that knew this form only.
  const value = batches.lastBatch ?? 'keep';
  const known = LAST_BATCHES.find((name) => name === value);
  if (known === undefined)
    throw new FormatError(`${clip(file)}: lastBatch is not one of ${LAST_BATCHES.join(', ')}`);
  return known;
}

function number(file: string, fields: Fields, key: string): number {
  const value = fields[key];
  if (typeof value !== 'number') throw new FormatError(`${clip(file)}: ${key} is not a number`);
  return value;
}

function count(file: string, fields: Fields, key: string): number {
  const value = number(file, fields, key);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new FormatError(`${clip(file)}: ${key} is ${value}, not a count`);
  return value;
}

const required = [
  'epoch',
  'step',
  'trainLoss',
  'imagesPerSecond',
  'dataWaitMs',
  'learningRate',
  'seconds',
] as const;
const optional = ['trainAccuracy', 'validationLoss', 'validationAccuracy'] as const;

/** JSON with NaN and infinities as strings, where JSON has null: the loss of a validation set may be any of them. */
export function stateJson(value: object): string {
  const readable = (_key: string, entry: unknown): unknown =>
    typeof entry === 'number' && !Number.isFinite(entry) ? String(entry) : entry;
  return JSON.stringify(value, readable, 1);
}

function measured(file: string, fields: Fields, key: string): number {
  const value = fields[key];
  if (value === null) return NaN; // as earlier versions wrote it
  return ['NaN', 'Infinity', '-Infinity'].includes(value as string)
    ? Number(value)
    : number(file, fields, key);
}

function epochRecord(file: string, name: string, value: unknown): EpochRecord {
  const fields = record(file, name, value);
  const entries: [string, number][] = required.map((key) => [key, number(file, fields, key)]);
  for (const key of optional) if (fields[key] !== undefined) entries.push([key, measured(file, fields, key)]);
  return Object.fromEntries(entries) as Readonly<Record<(typeof required)[number], number>>;
}
