/**
 * From a list of augmentations to the recipe of a batch: rows of the data, u8 operations in the order of the
 * list, normalization, then what works on normalized inputs.
 */
import type { ChannelStatistics, ImageRecipe, RawBatch, Recorded } from '../data/samples';
import { everyRow, normalized } from '../data/stored-images';
import { OptionError, ShapeError } from '../errors';
import { gatherRows, imageBatch, sampleUniform, type ImageBatchOptions } from '../ops';
import { clip, show, showMade } from '../options';
import { formatShape, type Shape } from '../tensor/shape';
import { tensor, Tensor } from '../tensor/tensor';
import type { Augmentation, Draws, ImageBatch, Stage } from './augmentation';
import { CustomAugmentation } from './custom';
import { encodeAll, NativeAugmentation, recordProgram, type Placed } from './native';
import type { ImageForm } from './program';
import { cutterOf } from './windows';

/** What a pipeline is recorded with. */
export interface PipelineOptions {
  readonly seed: number;
  /** The epoch, counted from 0: a runtime scalar. */
  readonly epoch: Tensor;
  readonly normalization: ChannelStatistics;
  /** The mean of each channel, of values scaled to 0..1: what cutout fills with. */
  readonly mean: readonly number[];
  readonly classes: number | undefined;
}

/** An augmentation and its place in the list, from 1. */
type Entry = readonly [place: number, item: Augmentation];

const stageOf = ({ stage }: Augmentation): Stage => stage ?? 'images';

/**
 * @throws OptionError for something that is not a list of augmentations, or a list in an order that makes no
 *   sense
 */
export function checkAugmentations(list: unknown): readonly Augmentation[] {
  if (!Array.isArray(list))
    throw new OptionError(`augment: expected a list of augmentations, got ${show(list)}`);
  let last: Augmentation | undefined;
  for (const item of list as unknown[]) {
    if (!isAugmentation(item))
      throw new OptionError(
        `augment: expected augment.flip(), augment.randomCrop(), ..., got ${showMade(item)}`,
      );
    const early = item instanceof CustomAugmentation || stageOf(item) === 'images';
    if (last !== undefined && early && stageOf(last) === 'inputs')
      throw new OptionError(
        `augment: ${clip(item.name)} works on pixels, and must stand before ${clip(last.name)}, which works on normalized inputs`,
      );
    if (item instanceof CustomAugmentation && last !== undefined && !(last instanceof CustomAugmentation))
      throw new OptionError(
        `augment: ${clip(item.name)} runs before the step, and must stand at the head of the list, before ${clip(last.name)}`,
      );
    last = item;
  }
  return list as readonly Augmentation[];
}

function isAugmentation(item: unknown): item is Augmentation {
  if (typeof item !== 'object' || item === null) return false;
  const { name, stage, record } = item as Partial<Augmentation>;
  const known = stage === undefined || stage === 'images' || stage === 'inputs';
  return typeof name === 'string' && known && typeof record === 'function';
}

export class Pipeline {
  private readonly images: readonly Entry[];
  private readonly inputs: readonly Entry[];

  constructor(list: readonly Augmentation[]) {
    const entries = list.map((item, i): Entry => [i + 1, item]);
    this.images = entries.filter(
      ([, item]) => stageOf(item) === 'images' && !(item instanceof CustomAugmentation),
    );
    this.inputs = entries.filter(([, item]) => stageOf(item) === 'inputs');
  }

  /**
   * Finds what does not suit images of this form, or at sizes of their own, before anything is recorded.
   * Behind an augmentation of the user's, only recording can tell. @throws OptionError
   */
  check(form: ImageForm, ownSizes: boolean): void {
    encodeAll(leading(this.images), form);
    const [first] = this.images;
    if (ownSizes && first !== undefined) cutterOf(first[1]);
  }

  recipe(options: PipelineOptions): ImageRecipe {
    const { seed, epoch } = options;
    return {
      record: (stored) => this.record(stored, options),
      cut: (images, { index, occurrence = none(index) }) => {
        const [first] = this.images;
        const cutter = first && cutterOf(first[1]);
        return cutter?.cut(images, index, index, { seed, epoch, occurrence, place: first![0] });
      },
    };
  }

  private record(stored: RawBatch, options: PipelineOptions): Recorded {
    const occurrence = stored.occurrence ?? none(stored.samples);
    const { seed, epoch, normalization, classes } = options;
    const draws = { seed, epoch, occurrence };
    // image_batch draws by the row of the data, so it has to be the sample.
    const inPlace = stored.index === stored.samples;
    const mirrored = inPlace
      ? cropAndFlip(
          this.images.map(([, item]) => item),
          stored.data.shape,
        )
      : undefined;
    let { targets, weights } = stored;
    let images: Tensor;
    if (mirrored !== undefined) {
      const { data, index } = stored;
      const [mean, std] = [tensor([...normalization.mean]), tensor([...normalization.std])];
      const more = stored.occurrence && { occurrence: stored.occurrence };
      images = imageBatch(data, index, mean, std, epoch, { ...mirrored, ...more, seed });
    } else {
      const batch = this.recordImages(stored, { ...draws, mean: options.mean, classes });
      ({ targets, weights } = batch);
      images = normalized(batch.images, normalization);
    }
    const { samples } = stored;
    const batch = this.recordInputs({ images, targets, samples, classes, weights }, draws);
    return { inputs: batch.images, targets: batch.targets, weights: batch.weights };
  }

  /** What works on inputs, f32 [B, C, H, W]. */
  recordInputs(batch: ImageBatch, draws: Stream): ImageBatch {
    return this.inputs.reduce((inputs, entry) => recordOne(entry, inputs, draws, 'f32'), batch);
  }

  /** The images of a batch as u8: everything before normalization. */
  recordImages(stored: RawBatch, options: ImageOptions): ImageBatch {
    const { mean, classes, ...draws } = options;
    const { samples } = stored;
    let { data, index, targets, weights } = stored;
    let rest = stored.cut === true ? this.images.slice(1) : this.images;
    while (rest.length > 0) {
      const program = leading(rest);
      const [entry] = rest;
      if (program.length > 0) {
        data = recordProgram(program, { data, index, samples, mean }, draws);
      } else {
        const images = gatherRows(data, index);
        const batch = { images, targets, samples, classes, weights };
        ({ images: data, targets, weights } = recordOne(entry!, batch, draws, 'u8'));
      }
      index = everyRow(data);
      rest = rest.slice(Math.max(1, program.length));
    }
    const images = data === stored.data && stored.cut !== true ? gatherRows(data, index) : data;
    return { images, targets, samples, classes, weights };
  }
}

/** What decides the draws of all augmentations of a list. */
type Stream = Omit<Draws, 'place' | 'uniform'>;

type ImageOptions = Stream & Pick<PipelineOptions, 'mean' | 'classes'>;

/** The native augmentations that a list begins with. */
function leading(entries: readonly Entry[]): Placed {
  const end = entries.findIndex(([, item]) => !(item instanceof NativeAugmentation));
  const native = end < 0 ? entries : entries.slice(0, end);
  return native.map(([place, item]) => [place, item as NativeAugmentation]);
}

/** How often each sample came before where nobody says: never. */
export function none(samples: Tensor): Tensor {
  return tensor(new Int32Array(samples.shape[0]!));
}

/** Records one augmentation, and checks what it returns. */
function recordOne([place, item]: Entry, batch: ImageBatch, draws: Stream, dtype: 'u8' | 'f32'): ImageBatch {
  const uniform = (count: number): Tensor =>
    sampleUniform({ samples: batch.samples, ...draws }, { seed: draws.seed, place, count });
  const after: unknown = item.record(batch, { ...draws, place, uniform });
  const where = `augment: ${clip(item.name)}`;
  const { images, targets, weights = batch.weights } = (after ?? {}) as Partial<ImageBatch>;
  if (!(images instanceof Tensor) || !(targets instanceof Tensor))
    throw new OptionError(
      `${where}: record must return the batch, { images, targets, samples }, got ${show(after)}`,
    );
  const [count, channels] = batch.images.shape;
  if (images.rank !== 4 || images.shape[0] !== count || images.dtype !== dtype)
    throw new ShapeError(
      `${where}: record must return images ${dtype} ${formatShape([count!, channels!])} + [H, W], got ${images.dtype} ${formatShape(images.shape)}`,
    );
  if (targets.shape[0] !== count)
    throw new ShapeError(`${where}: record must return ${count} targets, got ${formatShape(targets.shape)}`);
  if (weights !== undefined && !isPerSample(weights, count!))
    throw new ShapeError(`${where}: record must return weights f32 ${formatShape([count!])}, or none`);
  return { ...batch, images, targets, weights };
}

function isPerSample(weights: unknown, count: number): boolean {
  if (!(weights instanceof Tensor) || weights.dtype !== 'f32') return false;
  return weights.rank === 1 && weights.shape[0] === count;
}

/** What the kernel image_batch can do besides normalizing. */
type Mirrored = Pick<ImageBatchOptions, 'flip' | 'padding' | 'size'>;

/** A flip and a crop over black, at most one of each: image_batch does them while it normalizes. */
function cropAndFlip(items: readonly Augmentation[], [, , h = 1, w = 1]: Shape): Mirrored | undefined {
  let plan: Mirrored = { flip: 0, padding: 0, size: [h, w] };
  const seen = new Set<string>();
  for (const item of items) {
    if (!(item instanceof NativeAugmentation) || seen.has(item.name)) return undefined;
    seen.add(item.name);
    const { p, padding, size, fill } = item.settings;
    if (item.name === 'flip') plan = { ...plan, flip: p as number };
    else if (item.name === 'randomCrop' && p === 1 && fill === 0)
      plan = { ...plan, padding: padding as number, size: size as Mirrored['size'] };
    else return undefined;
  }
  return plan;
}
