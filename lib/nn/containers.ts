/** Layers one behind the other, and the layers that only move shapes. */
import { OptionError } from '../errors';
import * as ops from '../ops';
import { show } from '../options';
import type { Tensor } from '../tensor/tensor';
import { describe, type Json } from './architecture';
import { Module } from './module';
import type { Chain, ChainIn, ChainOut, Channels, PassThrough } from './typing';

/** Applies its layers in order. Their parameters are named by place, as in PyTorch: '0.weight'. */
export class Sequential<In extends number = number, Out extends number = number> extends Module {
  static override readonly kind: string = 'sequential';
  declare readonly channels?: Channels<In, Out>;
  readonly layers: readonly Module[];

  constructor(layers: readonly Module[]) {
    super();
    layers.forEach((layer: unknown, i) => {
      if (!(layer instanceof Module))
        throw new OptionError(`nn.sequential: layer ${i} must be a module, got ${show(layer)}`);
    });
    this.layers = [...layers];
  }

  override members(): Iterable<[string, unknown]> {
    return this.layers.map((layer, i) => [String(i), layer] as [string, unknown]);
  }

  override forward(x: Tensor): Tensor {
    return this.layers.reduce((y, layer) => layer.forward(y), x);
  }

  override config(): Json {
    return { layers: this.layers.map(describe) };
  }
}

/**
 * Layers one behind the other. Neighbours whose channel counts are known and differ do not compile.
 * @throws OptionError when something is not a module
 */
export function sequential<const Layers extends readonly Module[]>(
  ...layers: Layers & Chain<Layers>
): Sequential<ChainIn<Layers>, ChainOut<Layers>> {
  return new Sequential(layers);
}

/** [N, C, H, W] to [N, C H W]. */
export class Flatten extends Module {
  static override readonly kind: string = 'flatten';

  override forward(x: Tensor): Tensor {
    return ops.flatten(x);
  }
}

/** Joins all axes but the first: [N, C, H, W] to [N, C H W]. */
export function flatten(): Flatten {
  return new Flatten();
}

/** Gives what it gets. */
export class Identity extends Module {
  static override readonly kind: string = 'identity';
  declare readonly channels?: PassThrough;

  override forward(x: Tensor): Tensor {
    return x;
  }
}

export function identity(): Identity {
  return new Identity();
}
