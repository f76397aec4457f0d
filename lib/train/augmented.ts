/** How a trainer's augmentations become a part of its batches. */
import type { Augmentation } from '../augment';
import { runsBefore } from '../augment/custom';
import { CustomRun } from '../augment/custom-run';
import { Mixing } from '../augment/mixing';
import { Pipeline } from '../augment/pipeline';
import { OptionError, TenonError } from '../errors';
import type { ChannelStatistics, ImageRecipe, Size } from '../data/samples';
import type { Dataset } from '../data/dataset';
import type { Loss } from '../losses';
import { asImages } from '../ops';
import { formatShape } from '../tensor/shape';
import { runtimeScalar, tensor, type Tensor } from '../tensor/tensor';
import type { Preparation } from './batch-source';
import type { InputTransform } from './inputs';

/** Batches that workers change while earlier ones train: PyTorch's prefetch_factor. */
const BATCHES_AHEAD = 2;

/** What batches are augmented with. */
export interface AugmentedOptions {
  readonly seed: number;
  /** A runtime scalar. */
  readonly epoch: Tensor;
  readonly normalization: ChannelStatistics;
  /** What inputs go through behind the normalization. */
  readonly transform: InputTransform | undefined;
}

/** The parts of a `DatasetSource` that make its batches. @throws OptionError where something does not fit */
export async function augmentedBatches(
  list: readonly Augmentation[],
  data: Dataset,
  { seed, epoch, normalization, transform }: AugmentedOptions,
): Promise<{ recipe: ImageRecipe; preparation?: Preparation }> {
  const [channels = 1, height = 1, width = 1] = data.inputShape;
  // With a transform, images are normalized there, and their normalization here says nothing of their mean.
  const statistics = list.length === 0 || transform === undefined ? normalization : await data.statistics();
  const { mean } = statistics ?? normalization;
  const pipeline = new Pipeline(list);
  if (data.kind === 'images') pipeline.check({ channels, size: [height, width], mean }, data.ownSizes);
  const classes = data.labelled ? data.classNames.length : undefined;
  const recipe = pipeline.recipe({ seed, epoch, normalization, mean, classes });
  if (!runsBefore(list)) return { recipe };
  if (data.ownSizes)
    throw new OptionError(
      'augment: a function of your own takes images of one size, those of this set keep sizes of their own',
    );
  const shape = [channels, height, width] as const;
  const custom = new CustomRun(list, seed);
  const describe = (sample: number): string | undefined => data.fileOf(sample);
  return {
    recipe,
    preparation: {
      prepare: async (batch) => {
        const pixels = (await data.inputsOf(batch.samples)) as Uint8Array;
        return custom.change({ ...batch, pixels, shape, describe });
      },
      ahead: custom.inWorkers ? BATCHES_AHEAD : 0,
      close: () => custom.close(),
    },
  };
}

/**
 * The size that a model sees the images of a set in while it is trained on them: that in which they leave the
 * list. @throws as recording a batch does
 */
export function trainedSize(list: readonly Augmentation[], data: Dataset): Size {
  const [channels = 1, height = 1, width = 1] = data.inputShape;
  if (list.length === 0 || data.kind !== 'images') return [height, width];
  const normalization = data.unscaled();
  const classes = data.labelled ? data.classNames.length : undefined;
  const drawn = { seed: 0, epoch: runtimeScalar(() => 0) };
  const recipe = new Pipeline(list).recipe({ ...drawn, normalization, mean: normalization.mean, classes });
  // Only recorded: what a user's own augmentation makes of images, nothing else can tell.
  const index = tensor(data.rowsAt(Int32Array.of(0, 0)));
  const bytes = tensor(new Uint8Array(2 * channels * height * width), [2, channels * height * width]);
  const images = runsBefore(list) ? asImages(bytes, [height, width, channels]) : undefined;
  const [, , h = height, w = width] = data.batch({ index, images }, recipe).inputs.shape;
  return [h, w];
}

/**
 * The loss, which says why it gets probabilities instead of class indices where it does not take them and
 * something in the list mixes samples.
 */
export function lossOfMixed(list: readonly Augmentation[], loss: Loss): Loss {
  const mixing = list.find((item) => item instanceof Mixing);
  if (mixing === undefined) return loss;
  const explained: Loss = (outputs, targets, weights) => {
    try {
      return loss(outputs, targets, weights);
    } catch (error) {
      if (!(error instanceof TenonError) || targets.dtype !== 'f32') throw error;
      throw new OptionError(
        `fit: augment.${mixing.name} turns classes into probabilities, f32 ${formatShape(targets.shape)}, which the loss does not take (crossEntropy does): ${error.message}`,
        { cause: error },
      );
    }
  };
  // Whether a loss takes weights is seen by its length.
  return Object.assign(Object.defineProperty(explained, 'length', { value: loss.length }), loss);
}
