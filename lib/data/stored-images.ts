/** Images of any sizes in one buffer, and how views of them become a model's inputs. */
import { ShapeError } from '../errors';
import { imageBatch, resampleImages, slice, viewCrops } from '../ops';
import { runtimeScalar, tensor, type PersistentTensor, type Tensor } from '../tensor/tensor';
import { Placement } from './placement';
import type {
  ChannelStatistics,
  ImageRecipe,
  Normalization,
  Size,
  StoredImages,
  WindowRecipe,
} from './samples';
import { PLAIN_VIEW, viewTensor } from './views';

/** The table of `count` images of one size. */
export function uniformTable(count: number, [height, width]: Size, channels: number): PersistentTensor {
  return new Placement({ length: count, height, width, channels }).table();
}

/**
 * Records a view of images `index` (i32 [B]), f32 [B, C, H, W]: a window of each, resized and
 * normalized. `view` as for `ops.viewCrops`.
 */
export function recordView(
  images: Omit<StoredImages, 'sizeOf'>,
  index: Tensor,
  view: Tensor,
  recipe: WindowRecipe,
): Tensor {
  const { data, table, largest, channels } = images;
  const { size } = recipe;
  const crops = viewCrops(table, index, view, { size });
  return normalized(resampleImages(data, table, index, crops, { size, channels, largest }), recipe);
}

/** Records the centre of images `index`, u8 [B, C, H, W], made as small as covers a window of `size`. */
export function recordWindow(images: StoredImages, index: Tensor, size: Size): Tensor {
  const { data, table, largest, channels } = images;
  const crops = viewCrops(table, index, viewTensor(PLAIN_VIEW), { size });
  return resampleImages(data, table, index, crops, { size, channels, largest });
}

const noEpoch = runtimeScalar(() => 0);

/**
 * Records (x / 255 - mean) / std of images u8 [N, C, H, W], per channel, or of rows `index` (i32
 * [B]) of them.
 */
export function normalized(
  images: Tensor,
  { mean, std }: ChannelStatistics,
  index: Tensor = everyRow(images),
): Tensor {
  const [, , height = 1, width = 1] = images.shape;
  const size = [height, width] as const;
  const nothingRandom = { seed: 0, flip: 0, padding: 0, size };
  return imageBatch(images, index, tensor([...mean]), tensor([...std]), noEpoch, nothingRandom);
}

/**
 * Records the centre of images [B, C, H, W]; at odd differences as torchvision's CenterCrop has it.
 * @throws ShapeError for images that are smaller
 */
export function centreOf(images: Tensor, [height, width]: Size): Tensor {
  const [count = 0, channels = 1, h = 0, w = 0] = images.shape;
  if (height > h || width > w)
    throw new ShapeError(`the model takes the centre ${height}x${width} of images, these are ${h}x${w}`);
  if (height === h && width === w) return images;
  return slice(images, [0, 0, begin(h - height), begin(w - width)], [count, channels, height, width]);
}

/** Half of what is left over; of an odd number the half that is even when rounded. */
function begin(rest: number): number {
  const half = Math.floor(rest / 2);
  return rest % 2 === 0 || half % 2 === 0 ? half : half + 1;
}

/** The rows 0, 1, ... of a tensor, i32 [N]. */
export function everyRow(images: Tensor): Tensor {
  return tensor(Int32Array.from({ length: images.shape[0]! }, (_, row) => row));
}

/** The recipe of images that are only normalized, or of their centres. */
export function normalizing(normalization: Normalization): ImageRecipe {
  const { crop } = normalization;
  return {
    record: ({ data, index, targets, weights }) => {
      const inputs = normalized(data, normalization, index);
      return { inputs: crop === undefined ? inputs : centreOf(inputs, crop), targets, weights };
    },
  };
}
