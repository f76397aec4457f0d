/**
 * Batch normalization (Ioffe & Szegedy 2015): y = gamma (x - mean) / sqrt(var + eps) + beta per channel, over
 * N (and H, W). Training takes the mean and the biased variance of the batch; evaluation takes running
 * averages. Passes may add a residual, and a relu or relu6.
 */
import { ShapeError } from '../errors';
import { firstAlike, savedAlike } from '../graph/facts';
import { applyOp, first, type GradContext, type OpRecord } from '../graph/op';
import { checkList, positive } from '../options';
import { formatShape } from '../tensor/shape';
import type { Tensor, TensorType } from '../tensor/tensor';
import {
  applied,
  backwardAttrs,
  checkOperands,
  forwardAttrs,
  givenOperands,
  type NormAttrs,
} from './batch-norm-operands';
import { checkScalar } from './checks';

/** Outputs dx, dgamma and dbeta, and the residual's gradient if a pass asks for it. */
function backwardOp(name: string): OpRecord<NormAttrs> {
  return {
    name,
    bf16: savedAlike,
    normBackward: {
      operands: ([, x, gamma, mean, variance]) => ({
        x: x!,
        gamma: gamma!,
        mean: mean!,
        variance: variance!,
      }),
      masks: applied,
    },
    infer: ([, x]) => {
      const channels: TensorType = { shape: [x!.shape[1]!], dtype: 'f32' };
      return [{ shape: x!.shape, dtype: 'f32' }, channels, channels];
    },
    lower: (l, attrs) => l.call(name, l.inputs, l.outputs, backwardAttrs(attrs, l.fused), [0]),
  };
}

const trainBackwardOp = backwardOp('batch_norm_backward');
const evalBackwardOp = backwardOp('batch_norm_eval_backward');

const trainOp: OpRecord<NormAttrs> = {
  name: 'batch_norm_train',
  bf16: firstAlike,
  applies: applied,
  norm: {
    operands: ([x, gamma, beta], [, mean, variance]) => ({
      x: x!,
      gamma: gamma!,
      beta: beta!,
      mean: mean!,
      variance: variance!,
    }),
  },
  infer: ([x, gamma, beta]) => {
    const channels = checkOperands('batch_norm', x!, [gamma!, beta!]);
    if (x!.size / Math.max(1, channels) < 2) {
      throw new ShapeError(
        `batch_norm: training needs more than one value per channel, x is ${formatShape(x!.shape)}`,
      );
    }
    const statistic: TensorType = { shape: [channels], dtype: 'f32' };
    return [{ shape: x!.shape, dtype: 'f32' }, statistic, statistic];
  },
  grad: ({ inputs: [x, gamma], outputs: [, mean, variance], grads, attrs }: GradContext<NormAttrs>) =>
    grads[0] === null
      ? [null, null, null]
      : applyOp(trainBackwardOp, [grads[0]!, x!, gamma!, mean!, variance!], attrs),
  lower: (l, attrs) => l.call('batch_norm_train', l.inputs, l.outputs, forwardAttrs(attrs, l.fused), [0]),
};

const evalOp: OpRecord<NormAttrs> = {
  name: 'batch_norm_eval',
  bf16: firstAlike,
  applies: applied,
  norm: {
    operands: givenOperands,
    eps: ({ eps }) => eps,
  },
  infer: ([x, ...perChannel]) => {
    checkOperands('batch_norm', x!, perChannel);
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  grad: ({ inputs: [x, gamma, , mean, variance], grads, attrs }) => [
    ...applyOp(evalBackwardOp, [grads[0]!, x!, gamma!, mean!, variance!], attrs),
    null,
    null,
  ],
  lower: (l, attrs) => l.call('batch_norm_eval', l.inputs, l.outputs, forwardAttrs(attrs, l.fused), [0]),
};

export interface BatchNormResult {
  readonly y: Tensor;
  /** Mean and biased variance of the batch, [C]. They are constants: gradients do not flow through them. */
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/**
 * Normalizes x [N, C] or [N, C, H, W] with its own statistics. gamma, beta: [C]. The mean and the variance in
 * the result are constants: gradients flow through y alone.
 * @throws ShapeError on one value per channel
 */
export function batchNormTrain(x: Tensor, gamma: Tensor, beta: Tensor, eps = 1e-5): BatchNormResult {
  const [y, mean, variance] = applyOp(trainOp, [x, gamma, beta], { eps: positive('batch_norm', 'eps', eps) });
  return { y: y!, mean: mean!, variance: variance! };
}

/** Normalizes with given statistics, which are constants. */
export function batchNormEval(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  mean: Tensor,
  variance: Tensor,
  eps = 1e-5,
): Tensor {
  return first(
    applyOp(evalOp, [x, gamma, beta, mean, variance], { eps: positive('batch_norm', 'eps', eps) }),
  );
}

const runningOp: OpRecord<{ count: number }> = {
  name: 'batch_norm_running',
  bf16: 'f32',
  infer: ([mean, variance, , , momentum]) => {
    checkScalar('batch_norm_running', 'momentum', momentum!);
    return [
      { shape: mean!.shape, dtype: 'f32' },
      { shape: variance!.shape, dtype: 'f32' },
    ];
  },
  inPlaceState: () => [
    [0, 0],
    [1, 1],
  ],
  lower: (l, { count }) => l.call('batch_norm_running', l.inputs, l.outputs, { count }),
};

/**
 * Running averages after one batch: r' = (1 - momentum) r + momentum s. The factor count / (count - 1) makes
 * the variance unbiased, as in PyTorch.
 * @param momentum a runtime scalar
 * @param count values per channel in the batch
 */
export function batchNormRunning(
  running: readonly [Tensor, Tensor],
  batch: readonly [Tensor, Tensor],
  momentum: Tensor,
  count: number,
): [Tensor, Tensor] {
  checkList('batch_norm_running', 'running', running);
  checkList('batch_norm_running', 'batch', batch);
  const [mean, variance] = applyOp(runningOp, [...running, ...batch, momentum], { count });
  return [mean!, variance!];
}
