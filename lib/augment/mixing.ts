/** Augmentations that mix the samples of a batch with each other, behind normalization. */
import { OptionError } from '../errors';
import { mixSamples, type MixChoice } from '../ops';
import { MIX_ALPHA } from '../ops/mix-samples';
import { declareSettings, number, probability, type OptionsOf } from '../settings';
import type { Augmentation, Draws, ImageBatch } from './augmentation';

const mixingSettings = declareSettings({
  alpha: number(MIX_ALPHA)(
    'The share that a sample keeps is drawn from Beta(alpha, alpha): near 0 most keep all or nothing, 1 is uniform.',
    { default: 1 },
  ),
  p: probability('Probability that a sample is mixed.', { default: 1 }),
});

export type MixingOptions = OptionsOf<typeof mixingSettings>;

/** Mixes samples, which makes class indices probabilities, f32 [B, K]. */
export class Mixing implements Augmentation {
  readonly stage = 'inputs';

  /** One of `choices` is drawn for each sample, with probability `p`. */
  constructor(
    readonly name: string,
    readonly settings: Readonly<Record<string, unknown>>,
    readonly choices: readonly MixChoice[],
    readonly p = 1,
  ) {}

  record(batch: ImageBatch, { seed, epoch, occurrence, place }: Draws): ImageBatch {
    const { images, targets, samples, classes, weights } = batch;
    if (classes === undefined)
      throw new OptionError(`augment.${this.name}: targets must be class indices, but they are numbers`);
    const { choices, p } = this;
    const mixed = mixSamples(
      { inputs: images, targets, samples, occurrence, epoch, weights },
      { seed, place, classes, choices, p },
    );
    return { ...batch, images: mixed.inputs, targets: mixed.targets, weights: mixed.weights };
  }
}

function mixing(name: string, cut: boolean, options: MixingOptions | undefined): Mixing {
  const settings = mixingSettings.read(`augment.${name}`, options);
  return new Mixing(name, settings, [{ ...settings, cut }]);
}

/**
 * Each sample becomes a weighted mean with the next one of the batch, and so do their targets: l x + (1 -
 * l) x', with l drawn for each sample from Beta(alpha, alpha). Zhang et al. 2018, "mixup: beyond empirical
 * risk minimization"; they use alpha 1 for CIFAR and 0.2 for ImageNet. The loss must take probabilities,
 * as crossEntropy does.
 * @throws OptionError
 */
export function mixup(options?: MixingOptions): Augmentation {
  return mixing('mixup', false, options);
}

/**
 * A window of the next sample of the batch replaces that of each sample, and targets are mixed by the shares
 * of pixels. The window's share of the area, before it is cut off at the edges, is 1 - l with l of
 * Beta(alpha, alpha). Yun et al. 2019, "CutMix: regularization strategy to train strong classifiers with
 * localizable features". The loss must take probabilities, as crossEntropy does.
 * @throws OptionError
 */
export function cutmix(options?: MixingOptions): Augmentation {
  return mixing('cutmix', true, options);
}
