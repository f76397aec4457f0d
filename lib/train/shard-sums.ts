/**
 * What the shards of a step add up before the step is taken: gradients, statistics, losses, counts. All of it
 * lies in one flat row a partial sum, gradients in the order in which backward makes them. A row is added to
 * in parts, while backward goes on: these are also the buckets that ranks exchange.
 */
import { grad } from '../compile/grad';
import { assign, currentTrace, type BatchStatistics, type TraceDependency } from '../graph/trace';
import * as ops from '../ops';
import {
  segmentsOf,
  shardAdd,
  shardExchange,
  shardRead,
  shardSpend,
  shardSubmit,
  type ShardPlace,
  type ShardTerm,
} from '../ops/shard-sums';
import type { Parameter } from '../tensor/parameter';
import type { Shape } from '../tensor/shape';
import { zeros, type PersistentTensor, type Tensor } from '../tensor/tensor';

/** What the pass over a shard leaves. */
export interface Pass {
  readonly statistics: readonly BatchStatistics[];
  /** The mean over its samples, or over weights that sum up to `divisor`. */
  readonly loss: Tensor;
  readonly divisor: Tensor | undefined;
  readonly samples: number;
  /** Samples classified correctly; undefined where there are no classes. */
  readonly correct: Tensor | undefined;
  /** 1 where this process asks to end the run, else 0. */
  readonly asks: Tensor;
}

/** Elements from which on a part of a row is added by itself: 4 MB. */
const BUCKET = 2 ** 20;

/** What the ranks of a world exchange of a pass. */
export interface Exchanged {
  readonly shards: number;
  /** A runtime scalar: 1 in this process's last pass of a step, else 0. */
  readonly last: Tensor;
}

/** Statistics that a layer's running ones move to. */
export type MeanStatistics = Omit<BatchStatistics, 'count'>;

/** The means over all passes of a step. */
export interface PassMeans {
  readonly gradients: [Parameter, Tensor][];
  readonly statistics: readonly MeanStatistics[];
  readonly loss: Tensor;
  /** Sums. */
  readonly lossSum: Tensor;
  readonly samples: Tensor;
  /** The sum of divisors; undefined where losses are means over samples. */
  readonly weight: Tensor | undefined;
  readonly correct: Tensor | undefined;
  /** Above 0 where a process asks to end the run. */
  readonly asks: Tensor;
}

/** What the tensors of a row are, in order. Figures are of rank 0; the number of samples comes last. */
interface Layout {
  readonly parameters: readonly Parameter[];
  readonly statistics: readonly MeanStatistics[];
  readonly weighted: boolean;
  readonly classes: boolean;
}

export class ShardSums implements TraceDependency {
  private layout: Layout | undefined;
  private rows: PersistentTensor | undefined;
  private version = 0;

  /**
   * @param levels how many partial sums exist at once
   * @param lockstep whether a loss depends on the other shards of its batch: its gradients are then those of
   *   the sum of all losses, and not of its own mean
   */
  constructor(
    private readonly levels: number,
    private readonly lockstep = false,
  ) {}

  /** Changes where the sums of before cannot be used any more. */
  signature(): string {
    return `shard sums ${this.version}`;
  }

  /**
   * Records that what a pass leaves is added at a place: gradients, and the rest.
   * @param exchanged undefined where this process computes all shards
   */
  add(pass: Pass, place: ShardPlace, exchanged: Exchanged | undefined): void {
    const { statistics, loss, divisor, samples, correct, asks } = pass;
    // Before the gradients: parts of the row need it while backward goes on.
    const weight = divisor === undefined ? ops.full([], samples) : ops.reshape(divisor, []);
    const factor = divisor === undefined ? samples : 'weight';
    const descended = this.lockstep ? ops.mul(ops.reshape(loss, []), weight) : loss;
    const entries = grad(descended).entries().reverse();
    this.settle({
      parameters: entries.map(([p]) => p),
      statistics,
      weighted: divisor !== undefined,
      classes: correct !== undefined,
    });
    const terms: ShardTerm[] = [
      ...entries.map(([, x]) => ({ x, factor: this.lockstep ? 1 : factor }) as const),
      ...statistics.flatMap(({ batch: [mean, variance], count }) => [
        { x: mean, factor: samples },
        { x: variance, factor: samples * unbiasing(count) },
      ]),
      { x: ops.reshape(loss, []), factor },
      ...(divisor === undefined ? [] : [{ x: weight, factor: 1 }]),
      ...(correct === undefined ? [] : [{ x: correct, factor: 1 }]),
      { x: asks, factor: 1 },
      { x: ops.full([], samples), factor: 1 },
    ];
    currentTrace()?.depend(this);
    this.addParts(terms, { place, weight, exchanged });
  }

  /** Records that the sum of all is read, and used up. */
  means(): PassMeans {
    const { parameters, statistics, weighted, classes } = this.layout!;
    const rows = this.rows!;
    currentTrace()?.depend(this);
    const { begins } = segmentsOf(shapesOf(this.layout!));
    const read = (from: number, shapes: readonly Shape[], divisor: Tensor): readonly Tensor[] =>
      shapes.length === 0 ? [] : shardRead(rows, divisor, begins[from]!, shapes);
    const ofStatistics = statistics.flatMap(({ running }) => running.map(({ shape }) => shape));
    const first = parameters.length + ofStatistics.length;
    const figures = [...read(first, Array<Shape>(begins.length - first).fill([]), ops.full([], 1))];
    const samples = figures.pop()!;
    const asks = figures.pop()!;
    const correct = classes ? figures.pop() : undefined;
    const weight = weighted ? figures.pop() : undefined;
    const [lossSum] = figures as [Tensor];
    const divisor = weight === undefined ? samples : orOne(weight);
    const gradients = read(
      0,
      parameters.map(({ shape }) => shape),
      divisor,
    );
    const means = read(parameters.length, ofStatistics, samples);
    assign(rows, shardSpend(rows));
    return {
      gradients: parameters.map((p, i) => [p, gradients[i]!] as [Parameter, Tensor]).reverse(),
      statistics: statistics.map((s, i) => ({ ...s, batch: [means[2 * i]!, means[2 * i + 1]!] })),
      loss: ops.div(lossSum, divisor),
      ...{ lossSum, samples, weight, correct, asks },
    };
  }

  /** Records that the rows of all ranks are added up. */
  exchange(shards: number): void {
    const rows = this.rows!;
    currentTrace()?.depend(this);
    assign(
      rows,
      shardExchange(
        rows,
        shards,
        bucketsOf(shapesOf(this.layout!)).map(({ end }) => end),
      ),
    );
  }

  dispose(): void {
    this.rows?.dispose();
    this.rows = undefined;
  }

  private addParts(
    terms: readonly ShardTerm[],
    {
      place,
      weight,
      exchanged,
    }: { readonly place: ShardPlace; readonly weight: Tensor; readonly exchanged: Exchanged | undefined },
  ): void {
    const rows = this.rows!;
    let sums: Tensor = rows;
    const buckets = bucketsOf(terms.map(({ x }) => x.shape));
    for (const [i, { from, to, begin, end }] of buckets.entries()) {
      sums = shardAdd(sums, place, weight, terms.slice(from, to), begin);
      if (exchanged !== undefined && i < buckets.length - 1)
        sums = shardSubmit(sums, exchanged.last, { shards: exchanged.shards, begin, end });
    }
    assign(rows, sums);
  }

  private settle(layout: Layout): void {
    const before = this.layout;
    if (before !== undefined && sameLayout(before, layout)) return;
    this.rows?.dispose();
    this.rows = zeros([this.levels, segmentsOf(shapesOf(layout)).length]);
    this.layout = layout;
    this.version++;
  }
}

/** Segments [from, to) of a row, which are its elements [begin, end). */
interface Bucket {
  readonly from: number;
  readonly to: number;
  readonly begin: number;
  readonly end: number;
}

/**
 * Each has as many of the next segments as fill it; the last one has what is left, and always the figures.
 */
function bucketsOf(shapes: readonly Shape[]): Bucket[] {
  const { begins, length } = segmentsOf(shapes);
  const starts = [0];
  const figures = shapes.findLastIndex((shape) => shape.length > 0) + 1;
  for (let i = 1; i <= figures; i++) if (begins[i]! - begins[starts.at(-1)!]! >= BUCKET) starts.push(i);
  return starts.map((from, i) => {
    const to = starts[i + 1] ?? shapes.length;
    return { from, to, begin: begins[from]!, end: begins[to] ?? length };
  });
}

/** What makes the variance of so many values unbiased, as in PyTorch. */
function unbiasing(count: number): number {
  return count === Infinity ? 1 : count / Math.max(1, count - 1);
}

/** A weight of 0 where nothing counts: then there is nothing to be divided. */
function orOne(weight: Tensor): Tensor {
  return ops.add(weight, ops.equal(weight, 0));
}

function shapesOf({ parameters, statistics, weighted, classes }: Layout): Shape[] {
  const figures = 3 + Number(weighted) + Number(classes);
  return [
    ...parameters.map(({ shape }) => shape),
    ...statistics.flatMap(({ running }) => running.map(({ shape }) => shape)),
    ...Array<Shape>(figures).fill([]),
  ];
}

function sameLayout(a: Layout, b: Layout): boolean {
  const tensors = ({ parameters, statistics }: Layout): Tensor[] => [
    ...parameters,
    ...statistics.flatMap(({ running, momentum }) => [...running, momentum]),
  ];
  const [of, other] = [tensors(a), tensors(b)];
  return (
    a.weighted === b.weighted &&
    a.classes === b.classes &&
    a.parameters.length === b.parameters.length &&
    of.length === other.length &&
    of.every((t, i) => t === other[i])
  );
}
