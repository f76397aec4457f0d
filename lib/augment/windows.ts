/**
 * Augmentations that cut windows out of images at sizes of their own: one resampling straight from the image
 * as it is kept, by a filter that averages where the image is shrunk (`ops.resampleImages`).
 */
import { everyRow, uniformTable } from '../data/stored-images';
import type { StoredImages } from '../data/samples';
import { OptionError } from '../errors';
import { randomResizedCrops, resampleImages, type RandomCropOperands } from '../ops';
import { clip } from '../options';
import type { Tensor } from '../tensor/tensor';
import type { Augmentation, Draws, ImageBatch } from './augmentation';
import type { Bounds } from './kinds';
import { NativeAugmentation } from './native';

type Size = readonly [height: number, width: number];

/** Draws the windows of a batch. */
type Crops = (operands: RandomCropOperands, options: { seed: number; place: number; size: Size }) => Tensor;

export class WindowAugmentation implements Augmentation {
  constructor(
    readonly name: string,
    readonly settings: Readonly<Record<string, unknown>>,
    private readonly size: Size,
    private readonly crops: Crops,
  ) {}

  /** Windows u8 [B, C, ...size] of images `index`, which are these samples. */
  cut(
    { data, table, largest, channels }: Omit<StoredImages, 'sizeOf'>,
    index: Tensor,
    samples: Tensor,
    { seed, epoch, occurrence, place }: Omit<Draws, 'uniform'>,
  ): Tensor {
    const { size } = this;
    const crops = this.crops({ table, index, samples, occurrence, epoch }, { seed, place, size });
    return resampleImages(data, table, index, crops, { size, channels, largest });
  }

  /** Images that have one size. */
  record(batch: ImageBatch, draws: Draws): ImageBatch {
    const { images, samples } = batch;
    const [count = 0, channels = 1, height = 1, width = 1] = images.shape;
    const table = uniformTable(count, [height, width], channels);
    const stored = { data: images, table, largest: [height, width] as const, channels };
    return { ...batch, images: this.cut(stored, everyRow(images), samples, draws) };
  }
}

/**
 * What cuts the windows of a list that begins with `item` out of images at sizes of their own; undefined if
 * it does not. @throws OptionError
 */
export function cutterOf(item: Augmentation): WindowAugmentation | undefined {
  if (item instanceof WindowAugmentation) return item;
  if (!(item instanceof NativeAugmentation) || item.name !== 'randomResizedCrop') return undefined;
  const { size, scale, ratio, interpolation, antialias, p } = item.settings as {
    size: Size;
    scale: Bounds;
    ratio: Bounds;
    interpolation: string;
    antialias: boolean;
    p: number;
  };
  if (interpolation !== 'bilinear' || !antialias || p < 1)
    throw new OptionError(
      `augment: ${clip(item.name)} of images that keep sizes of their own has interpolation 'bilinear', antialias true and p 1`,
    );
  return new WindowAugmentation(item.name, item.settings, size, (operands, draws) =>
    randomResizedCrops(operands, { ...draws, scale, ratio }),
  );
}
