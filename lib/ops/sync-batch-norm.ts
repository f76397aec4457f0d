/**
 * Batch normalization of a batch that is computed in shards, by the statistics of all of it
 * (native/ops/shard_statistics.cc). Shards advance together: where they merge what they have, each waits for
 * all others, forward for the mean and the variance, and backward for the sums of dy and of dy xhat.
 */
import { firstAlike, savedAlike } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import { positive, positiveInteger } from '../options';
import type { Tensor, TensorType } from '../tensor/tensor';
import {
  applied,
  backwardAttrs,
  checkOperands,
  forwardAttrs,
  givenOperands,
  type NormAttrs,
} from './batch-norm-operands';

interface ShardNormAttrs extends NormAttrs {
  /** How many the whole batch has, over all ranks. */
  readonly shards: number;
}

function perChannel(t: Tensor): TensorType {
  return { shape: t.shape, dtype: 'f32' };
}

const momentsOp: OpRecord<null> = {
  name: 'sync_batch_norm',
  bf16: { kind: 'reader', output: 'f32' },
  infer: ([x]) => {
    const channels: TensorType = { shape: [x!.shape[1]!], dtype: 'f32' };
    return [channels, channels];
  },
  lower: (l) => l.call('batch_norm_moments', l.inputs, l.outputs),
};

/** What all shards of a batch merge. */
interface MergeAttrs {
  readonly shards: number;
  /** Values a channel of this shard. */
  readonly count: number;
}

/** (mean, M2) of a shard -> mean, biased and unbiased variance, and number of values, of all shards. */
const mergeOp: OpRecord<MergeAttrs> = {
  name: 'shard_moments',
  bf16: 'f32',
  infer: ([mean]) => [perChannel(mean!), perChannel(mean!), perChannel(mean!), { shape: [1], dtype: 'f32' }],
  lower: (l, { shards, count }) =>
    l.callTogether('shard_moments', l.inputs, l.outputs, { shards, counts: [count] }),
};

/** Sums of a shard -> those of all shards. */
const totalsOp: OpRecord<{ readonly shards: number }> = {
  name: 'shard_totals',
  bf16: 'f32',
  infer: ([a, b]) => [perChannel(a!), perChannel(b!)],
  lower: (l, attrs) => l.callTogether('shard_totals', l.inputs, l.outputs, { ...attrs }),
};

/**
 * Sums over a shard: dgamma and dbeta. A pass may have it mask dy: it then stores the masked gradient, which
 * the shift reads as well.
 */
const sumsOp: OpRecord<NormAttrs> = {
  name: 'sync_batch_norm_backward',
  bf16: { kind: 'alike', group: [0, 1], from: [1], output: 'f32' },
  normBackward: {
    operands: ([, x, gamma, mean, variance]) => ({ x: x!, gamma: gamma!, mean: mean!, variance: variance! }),
    masks: applied,
  },
  infer: ([, , gamma]) => [perChannel(gamma!), perChannel(gamma!)],
  lower: (l, attrs) => l.call('batch_norm_backward_sums', l.inputs, l.outputs, backwardAttrs(attrs, l.fused)),
};

/** dx, by the sums over all shards. */
const shiftOp: OpRecord<NormAttrs> = {
  name: 'sync_batch_norm_backward',
  bf16: savedAlike,
  infer: ([, x]) => [{ shape: x!.shape, dtype: 'f32' }],
  lower: (l, { eps }) => l.call('batch_norm_backward_shift', l.inputs, l.outputs, { eps }, [0]),
};

/** By the statistics of all shards, which depend on x: its gradient is not that of given ones. */
const normalizeOp: OpRecord<ShardNormAttrs> = {
  name: 'sync_batch_norm',
  bf16: firstAlike,
  applies: applied,
  norm: { operands: givenOperands },
  infer: ([x, gamma, beta]) => {
    checkOperands('sync_batch_norm', x!, [gamma!, beta!]);
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  grad: ({ inputs: [x, gamma, , mean, variance, count], grads, attrs: { shards, eps }, wanted }) => {
    const operands = [grads[0]!, x!, gamma!, mean!, variance!];
    const [dgamma, dbeta] = applyOp(sumsOp, operands, { eps }) as [Tensor, Tensor];
    const dx = (): Tensor => {
      const totals = applyOp(totalsOp, [dgamma, dbeta], { shards });
      return first(applyOp(shiftOp, [...operands, ...totals, count!], { eps }));
    };
    return [wanted[0] === true ? dx() : null, dgamma, dbeta, null, null, null];
  },
  lower: (l, attrs) => {
    const inputs = l.inputs;
    inputs.splice(5, 1); // the count, which the gradient takes
    l.call('batch_norm_eval', inputs, l.outputs, forwardAttrs(attrs, l.fused), [0]);
  },
};

/** What a shard is normalized to, and by: all [C] are of the whole batch, and constants. */
export interface SyncBatchNormResult {
  readonly y: Tensor;
  readonly mean: Tensor;
  /** The unbiased one. */
  readonly variance: Tensor;
}

/**
 * Normalizes a shard x [N, C] or [N, C, H, W] of a batch with the statistics of all of its shards, which are
 * merged along their tree. gamma, beta: [C]. Gradients of a sum of losses, one of each shard, flow through y.
 * @param shards of the whole batch. Those of this process are recorded one by one, and run together
 *   (`compileTogether`); the ranks of a world have the others
 * @throws ShapeError, OptionError
 */
export function syncBatchNorm(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  shards: number,
  eps = 1e-5,
): SyncBatchNormResult {
  positiveInteger('sync_batch_norm', 'shards', shards);
  const channels = checkOperands('sync_batch_norm', x, [gamma, beta]);
  const count = x.size / Math.max(1, channels);
  const [own, m2] = applyOp(momentsOp, [x], null) as [Tensor, Tensor];
  const [mean, biased, variance, all] = applyOp(mergeOp, [own, m2], { shards, count }) as [
    ...[Tensor, Tensor, Tensor, Tensor],
  ];
  const attrs = { shards, eps: positive('sync_batch_norm', 'eps', eps) };
  const y = first(applyOp(normalizeOp, [x, gamma, beta, mean, biased, all], attrs));
  return { y, mean, variance };
}
