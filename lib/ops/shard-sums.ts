/**
 * Sums over the shards of a batch in the order of a fixed binary tree (native/kernels/shard_sums.cc). They
 * lie in one flat buffer, so that any range of them can be sent.
 */
import { OptionError, ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { formatShape, numel, type Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank, checkScalar } from './checks';

/** Elements that a segment of a row is aligned to. */
const ALIGN = 16;

/** Where the segments of tensors begin in a row, one behind the other, and the length of the row. */
export function segmentsOf(shapes: readonly Shape[]): { begins: number[]; length: number } {
  let length = 0;
  const begins = shapes.map((shape) => {
    const begin = length;
    length += Math.ceil(numel(shape) / ALIGN) * ALIGN;
    return begin;
  });
  return { begins, length };
}

/** Runtime scalars: what becomes of the sum of a shard. */
export interface ShardPlace {
  /** The row of its sum. */
  readonly level: Tensor;
  /** The row whose sum it is added to, which is used up then; below 0: none. */
  readonly from: Tensor;
  /** How many sums of neighbours, in the rows below, it is added to afterwards. */
  readonly merges: Tensor;
}

/** What is added: a factor times `x`. */
export interface ShardTerm {
  readonly x: Tensor;
  /** 'weight': the weight that the terms of a shard have in common. */
  readonly factor: number | 'weight';
}

function checkSums(op: string, sums: Tensor): void {
  checkDType(op, 'sums', sums, 'f32');
  checkRank(op, 'sums', sums, 2);
}

interface AddAttrs {
  /** Where the segments of the terms begin. */
  readonly begin: number;
  readonly factors: readonly number[];
}

const addOp: OpRecord<AddAttrs> = {
  name: 'shard_add',
  bf16: 'f32',
  infer: (inputs, { begin, factors }) => {
    for (const scalar of inputs.slice(0, 3)) checkScalar('shard_add', 'each of the place', scalar);
    const xs = inputs.slice(4, -1);
    const sums = inputs[inputs.length - 1]!;
    for (const x of [inputs[3]!, ...xs]) checkDType('shard_add', 'each term', x, 'f32');
    checkSums('shard_add', sums);
    const { length } = segmentsOf(xs.map(({ shape }) => shape));
    if (xs.length !== factors.length || begin + length > sums.shape[1]!)
      throw new ShapeError(
        `shard_add: terms of ${length} elements from ${begin} on for sums ${formatShape(sums.shape)}`,
      );
    return [{ shape: sums.shape, dtype: 'f32' }];
  },
  inPlaceState: ({ factors }) => [[0, 4 + factors.length]],
  lower: (l, attrs) => l.call('shard_add', l.inputs, l.outputs, { ...attrs }),
};

/** Not the last part of a row: nobody takes the row for a shard's sum before that. */
const addPartOp: OpRecord<AddAttrs> = { ...addOp, schedule: 'early' };

/**
 * The sums, f32 [L, N], with a shard's terms added to their place, in the segments from `begin` on. Assign
 * them back. The last segment of a row is a number, the samples of the shard: it becomes NaN in a row whose
 * sum has been used. Parts of a row before the last one are added while the pass goes on.
 * @param weight f32, rank 0
 * @throws ShapeError, DTypeError, OptionError
 */
export function shardAdd(
  sums: Tensor,
  { level, from, merges }: ShardPlace,
  weight: Tensor,
  terms: readonly ShardTerm[],
  begin = 0,
): Tensor {
  const factors = terms.map(({ factor }) => {
    if (factor === 'weight') return 0;
    if (!(factor > 0)) throw new OptionError(`shard_add: factors must be above 0, got ${factor}`);
    return factor;
  });
  const xs = terms.map(({ x }) => x);
  const { length } = segmentsOf(xs.map(({ shape }) => shape));
  const op = begin + length < sums.shape[1]! ? addPartOp : addOp;
  return first(applyOp(op, [level, from, merges, weight, ...xs, sums], { begin, factors }));
}

const readOp: OpRecord<{ readonly begin: number; readonly shapes: readonly Shape[] }> = {
  name: 'shard_read',
  bf16: 'f32',
  infer: ([sums, divisor], { shapes }) => {
    checkSums('shard_read', sums!);
    checkDType('shard_read', 'divisor', divisor!, 'f32');
    return shapes.map((shape) => ({ shape, dtype: 'f32' }));
  },
  lower: (l, { begin }) => l.call('shard_read', l.inputs, l.outputs, { begin }),
};

/**
 * Tensors of these shapes from row 0, whose segments begin at `begin`, divided by a number.
 * @param divisor f32, rank 0
 * @throws ShapeError, DTypeError
 */
export function shardRead(
  sums: Tensor,
  divisor: Tensor,
  begin: number,
  shapes: readonly Shape[],
): readonly Tensor[] {
  return applyOp(readOp, [sums, divisor], { begin, shapes });
}

const spendOp: OpRecord<null> = {
  name: 'shard_spend',
  bf16: 'f32',
  infer: ([sums]) => {
    checkSums('shard_spend', sums!);
    return [{ shape: sums!.shape, dtype: 'f32' }];
  },
  inPlaceState: () => [[0, 0]],
  lower: (l) => l.call('shard_spend', l.inputs, l.outputs),
};

/** The sums, of which all rows count as used. Assign them back. */
export function shardSpend(sums: Tensor): Tensor {
  return first(applyOp(spendOp, [sums], null));
}

interface Bucket {
  readonly shards: number;
  /** Elements of a row. */
  readonly begin: number;
  readonly end: number;
}

const submitOp: OpRecord<Bucket> = {
  name: 'shard_submit',
  bf16: 'f32',
  schedule: 'early',
  infer: ([last, sums]) => {
    checkScalar('shard_submit', 'last', last!);
    checkSums('shard_submit', sums!);
    return [{ shape: sums!.shape, dtype: 'f32' }];
  },
  inPlaceState: () => [[0, 1]],
  lower: (l, bucket) => l.call('shard_submit', l.inputs, l.outputs, { ...bucket }),
};

/**
 * The sums, of which the ranks of a world begin to add up elements [begin, end) of the rows while the pass
 * goes on, where `last`, a runtime scalar, is not 0. Nothing may touch them until `shardExchange` has run.
 */
export function shardSubmit(sums: Tensor, last: Tensor, bucket: Bucket): Tensor {
  return first(applyOp(submitOp, [last, sums], bucket));
}

const exchangeOp: OpRecord<{ readonly shards: number; readonly ends: readonly number[] }> = {
  name: 'shard_exchange',
  bf16: 'f32',
  infer: ([sums]) => {
    checkSums('shard_exchange', sums!);
    return [{ shape: sums!.shape, dtype: 'f32' }];
  },
  inPlaceState: () => [[0, 0]],
  lower: (l, attrs) => l.call('shard_exchange', l.inputs, l.outputs, { ...attrs }),
};

/**
 * The sums of `shards` shards that the ranks of a world share out, each with the rows of its own: row 0 is
 * the sum of all. Assign them back. A run begins what is left of the buckets, which end at `ends`, and waits
 * for all of them.
 */
export function shardExchange(sums: Tensor, shards: number, ends: readonly number[]): Tensor {
  return first(applyOp(exchangeOp, [sums], { shards, ends }));
}
