/** What the ops of batch norm have in common: operands, and attributes of kernels. */
import { ShapeError } from '../errors';
import { activations, type Fused, type NormOperands } from '../graph/facts';
import type { KernelAttrs } from '../native';
import { formatShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank } from './checks';

/** What a normalization by given statistics reads, as fusion names it. */
export function givenOperands<T>([x, gamma, beta, mean, variance]: readonly T[]): NormOperands<T> & {
  beta: T;
} {
  return { x: x!, gamma: gamma!, beta: beta!, mean: mean!, variance: variance! };
}

/** The activations that its kernels can apply, and mask by. */
export const applied = [activations.relu, activations.relu6];

export interface NormAttrs {
  readonly eps: number;
}

export function forwardAttrs({ eps }: NormAttrs, { activation, residual }: Fused): KernelAttrs {
  return { eps, activation, hasResidual: residual };
}

export function backwardAttrs(
  { eps }: NormAttrs,
  { activation, residual, mask, addend }: Fused,
): KernelAttrs {
  const code = (activation === activations.relu6 ? 3 : 1) + (mask === 'output' ? 0 : 1);
  return { eps, mask: activation === 0 ? 0 : code, hasResidual: residual, hasAddend: addend };
}

/** @returns the channels of x. @throws DTypeError, ShapeError */
export function checkOperands(op: string, x: Tensor, perChannel: readonly Tensor[]): number {
  checkDType(op, 'x', x, 'f32');
  checkRank(op, 'x', x, 2, 4);
  const channels = x.shape[1]!;
  for (const t of perChannel) {
    if (t.rank !== 1 || t.shape[0] !== channels) {
      throw new ShapeError(
        `${op}: expects [${channels}] per-channel values for x ${formatShape(x.shape)}, got ${formatShape(t.shape)}`,
      );
    }
  }
  return channels;
}
