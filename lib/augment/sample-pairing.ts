/** Sample pairing: each image with another one of its batch. */
import { add, cast, equal, gatherRows, maximum, mul, reshape, sub } from '../ops';
import { declareSettings, probability, type OptionsOf } from '../settings';
import { tensor, type Tensor } from '../tensor/tensor';
import type { Augmentation, Draws, ImageBatch } from './augmentation';
import { always } from './kinds';
import { noArgument } from './native';

const pairingSettings = declareSettings({
  weight: probability('Share that the other image has.', { default: 0.5 }),
  p: always,
});

export type SamplePairingOptions = OptionsOf<typeof pairingSettings>;

class SamplePairing implements Augmentation {
  readonly name = 'samplePairing';

  constructor(readonly settings: { readonly weight: number; readonly p: number }) {}

  record(batch: ImageBatch, draws: Draws): ImageBatch {
    const [count = 0] = batch.images.shape;
    const next = tensor(Int32Array.from({ length: count }, (_, i) => (i + 1) % count));
    const own = cast(batch.images, 'f32');
    const other = cast(gatherRows(batch.images, next), 'f32');
    const images = cast(add(own, mul(sub(other, own), this.weights(count, draws))), 'u8');
    return { ...batch, images };
  }

  /** The weight of each sample, or 0 where it stays as it is. */
  private weights(count: number, draws: Draws): Tensor | number {
    const { weight, p } = this.settings;
    if (p === 1) return weight;
    const u = reshape(draws.uniform(1), [count, 1, 1, 1]);
    const stays = equal(maximum(u, p), u);
    return mul(sub(1, stays), weight);
  }
}

function makeSamplePairing(options?: SamplePairingOptions): Augmentation {
  return new SamplePairing(pairingSettings.read('augment.samplePairing', options));
}

/**
 * The mean of each image and the next one of the batch, and of the last and the first; the label stays.
 * With `weight` w it is x + w (x' - x), rounded down: Pillow's Image.blend. The other image is as it comes
 * to this place of the list. Inoue 2018, "Data augmentation by pairing samples for images classification".
 * @throws OptionError
 */
export const samplePairing = Object.assign(makeSamplePairing, {
  kind: 'samplePairing',
  args: noArgument,
  settings: pairingSettings,
});
