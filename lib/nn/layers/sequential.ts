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
 * The same for layers whose types say nothing.
 * @hidden
 */
export function sequential<const Layers extends readonly Untyped[]>(
  ...layers: Layers
): Sequential<ChainIn<Layers>, ChainOut<Layers>>;

/**
 * Layers one after the other: each takes what the one before it returns. Parameters are named by place, as in
 * PyTorch: `0.weight`. TypeScript refuses neighbours whose channel counts are known and differ.
 *
 * `nn.sequential(nn.conv2d(1, 8, { kernel: 3 }), nn.relu(), nn.globalAvgPool2d(),
 * nn.flatten(), nn.linear(8, 10))`
 * @throws OptionError when something is not a module
 */
export function sequential<const Layers extends readonly Module[]>(
  ...layers: Layers & Chain<Layers>
): Sequential<ChainIn<Layers>, ChainOut<Layers>>;

export function sequential(...layers: readonly Module[]): Sequential {
  return new Sequential(layers);
}
