/** Layers side by side. */
import { OptionError } from '../../errors';
import * as ops from '../../ops';
import type { Tensor } from '../../tensor/tensor';
import { describe, type Json } from '../files/architecture';
import { refuseUnknown, register } from '../layer';
import { Module } from '../module';
import { byPlace, checkedLayers, listIn } from './sublayers';

/** Applies all its layers to the same input and puts their outputs one after the other. */
export class Concat extends Module {
  static override readonly kind: string = 'concat';
  readonly layers: readonly Module[];

  constructor(layers: readonly Module[]) {
    super();
    this.layers = checkedLayers('nn.concat', layers);
    if (layers.length === 0) throw new OptionError('nn.concat: needs at least one layer');
  }

  override members(): Iterable<[string, unknown]> {
    return byPlace(this.layers);
  }

  override config(): Json {
    return { layers: this.layers.map(describe) };
  }

  override forward(x: Tensor): Tensor {
    return ops.concat(
      this.layers.map((layer) => layer.forward(x)),
      1,
    );
  }
}

register(Concat, (config, child) => {
  refuseUnknown(config, ['layers']);
  return new Concat(listIn(config, 'layers').map(child));
});

/**
 * Layers side by side: their outputs concatenated along the channels (axis 1).
 * @throws OptionError when something is not a module
 */
export function concat(...layers: readonly Module[]): Concat {
  return new Concat(layers);
}
