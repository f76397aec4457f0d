/** A fully connected layer that is factored through a few units. */
import { bool, declareSettings, positiveInteger, type OptionsOf } from '../../settings';
import { linear } from './linear';
import { sequential, type Sequential } from './sequential';

const args = {
  inFeatures: positiveInteger('Size of the last axis of the input.'),
  outFeatures: positiveInteger('Size of the last axis of the output.'),
};

const options = {
  rank: positiveInteger('Units in between: the rank of the product.'),
  bias: bool('Whether there is a bias, of the output.', { default: true }),
};

const settings = declareSettings({ ...args, ...options });

/** Options of {@link bottleneckLinear}: `rank`, and `bias`, which defaults to true. */
export type BottleneckLinearOptions = OptionsOf<typeof options>;

/**
 * y = x (B A)^T + bias with A [rank, in] and B [out, rank]: rank (in + out) weights instead of in out, which
 * is less where rank < in out / (in + out). Two linear layers, the first one without a bias, and nothing
 * between them; parameters 0.weight, 1.weight, 1.bias.
 * @throws OptionError
 */
export function bottleneckLinear<In extends number, Out extends number>(
  inFeatures: In,
  outFeatures: Out,
  given: BottleneckLinearOptions,
): Sequential<In, Out> {
  const { rank, bias } = settings.read('nn.bottleneckLinear', { ...given, inFeatures, outFeatures });
  return sequential(
    linear<In, number>(inFeatures, rank, { bias: false }),
    linear<number, Out>(rank, outFeatures, { bias }),
  );
}
