/**
 * Pointwise functions of one tensor: rows of one table. A row is the kernel's name and what
 * its backward reads.
 */
import { OptionError } from '../errors';
import { activations, alike, savedAlike, type Activation } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import { finite, show } from '../options';
import type { Tensor } from '../tensor/tensor';
import { checkDType } from './checks';

/** What the derivative is computed from: the function's output (saves keeping the input) or its input. */
type Saved = 'input' | 'output';

/** The kernel's attributes. */
type UnaryAttrs = Readonly<Record<string, number>>;

/** An activation that kernels can apply; `masks`: whether its derivative is 0 or 1. */
interface FusedForm {
  readonly activation?: Activation;
  readonly masks?: true;
}

function backwardOp(name: string, { activation, masks }: FusedForm): OpRecord<UnaryAttrs> {
  return {
    name: `${name}_backward`,
    bf16: savedAlike,
    ...(masks && { masks: activation }),
    infer: ([dy]) => [{ shape: dy!.shape, dtype: dy!.dtype }],
    lower: (l, attrs) => l.call(`${name}_backward`, l.inputs, l.outputs, attrs, [0, 1]),
  };
}

function unaryOp(name: string, saved: Saved, fused: FusedForm = {}): OpRecord<UnaryAttrs> {
  const backward = backwardOp(name, fused);
  return {
    name,
    bf16: alike,
    activation: fused.activation,
    infer: ([x]) => {
      checkDType(name, 'x', x!, 'f32');
      return [{ shape: x!.shape, dtype: x!.dtype }];
    },
    grad: ({ inputs, outputs, grads, attrs }) => {
      const kept = saved === 'input' ? inputs[0]! : outputs[0]!;
      return [first(applyOp(backward, [grads[0]!, kept], attrs))];
    },
    lower: (l, attrs) => l.call(name, l.inputs, l.outputs, attrs, [0]),
  };
}

function unary(name: string, saved: Saved, fused?: FusedForm): (x: Tensor) => Tensor {
  const op = unaryOp(name, saved, fused);
  return (x) => first(applyOp(op, [x], {}));
}

function unaryWith(
  name: string,
  saved: Saved,
  parameter: string,
  initial: number,
): (x: Tensor, value?: number) => Tensor {
  const op = unaryOp(name, saved);
  return (x, value = initial) => first(applyOp(op, [x], { [parameter]: finite(name, parameter, value) }));
}

/** max(x, 0) */
export const relu = unary('relu', 'output', { activation: activations.relu, masks: true });
/** min(max(x, 0), 6) */
export const relu6 = unary('relu6', 'output', { activation: activations.relu6, masks: true });
/** x for x > 0, otherwise slope x. Slope defaults to 0.01. */
export const leakyRelu = unaryWith('leaky_relu', 'input', 'slope', 0.01);
/** x for x > 0, otherwise alpha (e^x - 1). Alpha defaults to 1. Clevert et al. 2015. */
export const elu = unaryWith('elu', 'input', 'alpha', 1);
/** x Phi(x), the exact form with erf. Hendrycks & Gimpel 2016. */
export const gelu = unary('gelu', 'input');
/** x sigmoid(x). Elfwing et al. 2017. */
export const silu = unary('silu', 'input');
/** Hyperbolic tangent. */
export const tanh = unary('tanh', 'output', { activation: activations.tanh });
/** 1 / (1 + e^-x) */
export const sigmoid = unary('sigmoid', 'output', { activation: activations.sigmoid });
/** e^x */
export const exp = unary('exp', 'output');
/** Natural logarithm; NaN below zero, -Infinity at zero. */
export const log = unary('log', 'input');
/** Square root; NaN below zero. */
export const sqrt = unary('sqrt', 'output');
/** x^2 */
export const square = unary('square', 'input');
/** |x|; its derivative at 0 is 0. */
export const abs = unary('abs', 'input');

const affineOp: OpRecord<{ scale: number; shift: number }> = {
  name: 'affine',
  bf16: alike,
  infer: ([x]) => {
    checkDType('affine', 'x', x!, 'f32');
    return [{ shape: x!.shape, dtype: x!.dtype }];
  },
  grad: ({ grads, attrs }) => [affine(grads[0]!, attrs.scale, 0)],
  lower: (l, { scale, shift }) => l.call('affine', l.inputs, l.outputs, { scale, shift }, [0]),
};

/** scale x + shift, with numbers fixed when the program is compiled. */
export function affine(x: Tensor, scale: number, shift = 0): Tensor {
  for (const [name, value] of Object.entries({ scale, shift }))
    if (typeof value !== 'number')
      throw new OptionError(`affine: ${name} must be a number, got ${show(value)}`);
  return first(applyOp(affineOp, [x], { scale, shift }));
}

/** -x */
export function neg(x: Tensor): Tensor {
  return affine(x, -1);
}
