/**
 * Activation layers without settings, which work element by element. The formulas are in lib/ops:
 * unary.ts and activations.ts.
 */
import * as ops from '../../ops';
import type { Tensor } from '../../tensor/tensor';
import { maker } from '../layer';
import { Activation } from './activation';

function pointwise(kind: string, name: string, fn: (x: Tensor) => Tensor): () => Activation {
  const layer = class extends Activation {
    static override readonly kind: string = kind;
    override forward(x: Tensor): Tensor {
      return fn(x);
    }
  };
  // summary() shows the class's name.
  Object.defineProperty(layer, 'name', { value: name });
  return maker(layer);
}

/** max(x, 0) */
export const relu = pointwise('relu', 'ReLU', ops.relu);
/** min(max(x, 0), 6) */
export const relu6 = pointwise('relu6', 'ReLU6', ops.relu6);
/** x sigmoid(x) */
export const silu = pointwise('silu', 'SiLU', ops.silu);
/** Hyperbolic tangent. */
export const tanh = pointwise('tanh', 'Tanh', ops.tanh);
/** 1 / (1 + e^-x) */
export const sigmoid = pointwise('sigmoid', 'Sigmoid', ops.sigmoid);
/** log(1 + e^x), PyTorch's Softplus with beta 1. */
export const softplus = pointwise('softplus', 'Softplus', ops.softplus);
/** x tanh(log(1 + e^x)) */
export const mish = pointwise('mish', 'Mish', ops.mish);
/** elu with the alpha and scale of self-normalizing networks. */
export const selu = pointwise('selu', 'SELU', ops.selu);
/** log sigmoid(x) */
export const logSigmoid = pointwise('logSigmoid', 'LogSigmoid', ops.logSigmoid);
/** x / (1 + |x|) */
export const softsign = pointwise('softsign', 'Softsign', ops.softsign);
/** min(max(x + 3, 0), 6) / 6 */
export const hardSigmoid = pointwise('hardSigmoid', 'Hardsigmoid', ops.hardSigmoid);
/** x min(max(x + 3, 0), 6) / 6 */
export const hardSwish = pointwise('hardSwish', 'Hardswish', ops.hardSwish);
