/** Layers one after the other, named by place. */
import { describe, type Json } from '../files/architecture';
import { LayerChain } from './chain';
import { refuseUnknown, register } from '../layer';
import type { Module } from '../module';
import type { Chain, ChainIn, ChainOut, Channels, Untyped } from '../typing';
import { byPlace, checkedLayers, listIn } from './sublayers';

/** Applies its layers in order. Their parameters are named by place, as in PyTorch: '0.weight'. */
export class Sequential<In extends number = number, Out extends number = number> extends LayerChain {
  static override readonly kind: string = 'sequential';
  declare readonly channels?: Channels<In, Out>;

  constructor(layers: readonly Module[]) {
    super(checkedLayers('nn.sequential', layers));
  }

  override members(): Iterable<[string, unknown]> {
    return byPlace(this.layers);
  }

  override config(): Json {
    return { layers: this.layers.map(describe) };
  }

  override replaceHead<Head extends Module>(
    head: Head,
  ): Sequential<In, number extends Out ? number : ChainOut<[Head]>> {
    return super.replaceHead(head) as Sequential<In, number extends Out ? number : ChainOut<[Head]>>;
  }
}

register(Sequential, (config, child) => {
  refuseUnknown(config, ['layers']);
  return new Sequential(listIn(config, 'layers').map(child));
});

/**
 * Layers one after the other. Neighbours whose channel counts are known and differ do not compile.
 * @throws OptionError when something is not a module
 */
export function sequential<const Layers extends readonly Untyped[]>(
  ...layers: Layers
): Sequential<ChainIn<Layers>, ChainOut<Layers>>;

export function sequential<const Layers extends readonly Module[]>(
  ...layers: Layers & Chain<Layers>
): Sequential<ChainIn<Layers>, ChainOut<Layers>>;

export function sequential(...layers: readonly Module[]): Sequential {
  return new Sequential(layers);
}
