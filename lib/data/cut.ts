/** How an epoch is cut into batches, and its batches into steps. */
import { OptionError } from '../errors';

export const LAST_BATCHES = ['even', 'keep', 'drop'] as const;

/**
 * What happens to samples that do not fill a batch. 'even': all batches share them, so that sizes differ
 * by at most one. A last batch of a few samples would count as much as a whole one. 'keep': the last batch
 * is smaller, but a single sample left over joins the batch before it. 'drop': they are left out of this
 * epoch (PyTorch's `drop_last`).
 */
export type LastBatch = (typeof LAST_BATCHES)[number];

export interface CutOptions {
  readonly batchSize: number;
  /** Batches a step. Default 1. */
  readonly accumulate?: number;
  /** Default 'even'. */
  readonly lastBatch?: LastBatch;
}

/** Batches and steps of one epoch, each counted from 0. */
export interface EpochCut {
  readonly batches: number;
  readonly steps: number;
  /** Samples of the smallest batch. */
  readonly smallest: number;
  /** The positions of a batch's samples in the order of the epoch. */
  bounds(batch: number): [begin: number, end: number];
  /** The step that a batch belongs to. */
  stepOf(batch: number): number;
}

/** @throws OptionError where 'drop' leaves no batch */
export function cutEpoch(length: number, options: CutOptions): EpochCut {
  const { batchSize, accumulate = 1, lastBatch = 'even' } = options;
  if (lastBatch === 'even') return new EvenCut(length, batchSize, accumulate);
  const batches = lastBatch === 'keep' ? keptBatches(length, batchSize) : Math.floor(length / batchSize);
  if (batches === 0)
    throw new OptionError(
      `fit: lastBatch 'drop' leaves no batch of ${batchSize}: there are ${length} samples`,
    );
  const rest = lastBatch === 'keep' ? length - (batches - 1) * batchSize : batchSize;
  return {
    batches,
    steps: Math.ceil(batches / accumulate),
    smallest: batches === 1 ? rest : Math.min(batchSize, rest),
    bounds(batch) {
      const last = lastBatch === 'keep' && batch === batches - 1;
      return [batch * batchSize, last ? length : (batch + 1) * batchSize];
    },
    stepOf: (batch) => Math.floor(batch / accumulate),
  };
}

/** A single sample left over joins the batch before it: batch normalization has no variance over one. */
function keptBatches(length: number, batchSize: number): number {
  const remainder = length % batchSize;
  const whole = (length - remainder) / batchSize;
  return remainder > 1 || whole === 0 ? Math.ceil(length / batchSize) : whole;
}

/**
 * As few steps as can hold the samples, whose sizes differ by at most one sample. Each step is cut into as
 * few batches as possible, in the same way. A step of accumulated batches therefore has the samples that one
 * large batch would have. No batch has a single sample, unless batchSize is 1 or the epoch has one sample: if
 * pairs do not come out even, one batch has three.
 */
class EvenCut implements EpochCut {
  readonly steps: number;
  readonly batches: number;
  readonly smallest: number;
  /** How many steps have a sample more than the others; they come first. */
  private readonly larger: number;
  /** Batches of a larger step, and of the others. */
  private readonly perLarger: number;
  private readonly perStep: number;

  constructor(
    private readonly length: number,
    batchSize: number,
    accumulate: number,
  ) {
    const atMost = (samples: number): number =>
      batchSize === 1 ? samples : Math.max(1, Math.floor(samples / 2));
    this.steps = Math.min(Math.ceil(length / (batchSize * accumulate)), atMost(length));
    const size = Math.floor(length / this.steps);
    this.larger = length % this.steps;
    const wanted = Math.ceil((size + Math.sign(this.larger)) / batchSize);
    this.perStep = Math.min(wanted, atMost(size));
    this.perLarger = Math.min(wanted, atMost(size + 1));
    this.batches = this.larger * this.perLarger + (this.steps - this.larger) * this.perStep;
    const ofLarger = this.larger === 0 ? Infinity : Math.floor((size + 1) / this.perLarger);
    this.smallest = Math.min(Math.floor(size / this.perStep), ofLarger);
  }

  stepOf(batch: number): number {
    const { larger, perLarger, perStep } = this;
    const rest = batch - larger * perLarger;
    return rest < 0 ? Math.floor(batch / perLarger) : larger + Math.floor(rest / perStep);
  }

  bounds(batch: number): [begin: number, end: number] {
    const { larger, perLarger, perStep, length, steps } = this;
    const step = this.stepOf(batch);
    const first = Math.min(step, larger) * perLarger + Math.max(0, step - larger) * perStep;
    const [from, to] = part(length, steps, step);
    const [begin, end] = part(to - from, step < larger ? perLarger : perStep, batch - first);
    return [from + begin, from + end];
  }
}

/** Where part `index` of `count` begins and ends; the first ones have the samples that are left over. */
function part(length: number, count: number, index: number): [begin: number, end: number] {
  const size = Math.floor(length / count);
  const left = length % count;
  const begin = index * size + Math.min(index, left);
  return [begin, begin + size + (index < left ? 1 : 0)];
}
