/** Activation layers. The formulas are in lib/ops/unary.ts and lib/ops/softmax.ts. */
import * as ops from '../ops';
import { checkKeys, finite } from '../options';
import type { Tensor } from '../tensor/tensor';
import type { Json } from './architecture';
import { Module } from './module';
import type { PassThrough } from './typing';

/** A layer without settings that works element by element. */
function pointwise(kind: string, name: string, fn: (x: Tensor) => Tensor): () => Activation {
  const layer = class extends Activation {
    static override readonly kind: string = kind;
    override forward(x: Tensor): Tensor {
      return fn(x);
    }
  };
  // summary() shows the class's name.
  Object.defineProperty(layer, 'name', { value: name });
  return () => new layer();
}

/** The base of layers that leave shapes as they are. */
export abstract class Activation extends Module {
  declare readonly channels?: PassThrough;
  abstract override forward(x: Tensor): Tensor;
}

/** max(x, 0) */
export const relu = pointwise('relu', 'ReLU', ops.relu);
/** min(max(x, 0), 6) */
export const relu6 = pointwise('relu6', 'ReLU6', ops.relu6);
/** x Phi(x), exact. */
export const gelu = pointwise('gelu', 'GELU', ops.gelu);
/** x sigmoid(x) */
export const silu = pointwise('silu', 'SiLU', ops.silu);
/** Hyperbolic tangent. */
export const tanh = pointwise('tanh', 'Tanh', ops.tanh);
/** 1 / (1 + e^-x) */
export const sigmoid = pointwise('sigmoid', 'Sigmoid', ops.sigmoid);

export class LeakyReLU extends Activation {
  static override readonly kind: string = 'leakyRelu';
  readonly slope: number;

  constructor(options: { readonly slope?: number } = {}) {
    super();
    checkKeys('nn.leakyRelu', options, ['slope']);
    this.slope = finite('nn.leakyRelu', 'slope', options.slope ?? 0.01);
  }

  override forward(x: Tensor): Tensor {
    return ops.leakyRelu(x, this.slope);
  }

  override config(): Json {
    return { slope: this.slope };
  }
}

/** x for x > 0, otherwise slope x; slope defaults to 0.01. @throws OptionError */
export function leakyRelu(options: { readonly slope?: number } = {}): LeakyReLU {
  return new LeakyReLU(options);
}

export class ELU extends Activation {
  static override readonly kind: string = 'elu';
  readonly alpha: number;

  constructor(options: { readonly alpha?: number } = {}) {
    super();
    checkKeys('nn.elu', options, ['alpha']);
    this.alpha = finite('nn.elu', 'alpha', options.alpha ?? 1);
  }

  override forward(x: Tensor): Tensor {
    return ops.elu(x, this.alpha);
  }

  override config(): Json {
    return { alpha: this.alpha };
  }
}

/** x for x > 0, otherwise alpha (e^x - 1); alpha defaults to 1. @throws OptionError */
export function elu(options: { readonly alpha?: number } = {}): ELU {
  return new ELU(options);
}

/** e^x / sum e^x along axis 1. */
export const softmax = pointwise('softmax', 'Softmax', (x) => ops.softmax(x));
/** log softmax(x) along axis 1. */
export const logSoftmax = pointwise('logSoftmax', 'LogSoftmax', (x) => ops.logSoftmax(x));
