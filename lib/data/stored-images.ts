/** Images of any sizes in one buffer, and how views of them become a model's inputs. */
import { imageBatch, resampleImages, viewCrops } from '../ops';
import { runtimeScalar, tensor, zeros, type PersistentTensor, type Tensor } from '../tensor/tensor';
import type { ChannelStatistics, ImageRecipe, Size, StoredImages, WindowRecipe } from './samples';

/** The table of `count` images of one size. */
export function uniformTable(count: number, [height, width]: Size, channels: number): PersistentTensor {
  const table = zeros([count, 3], 'f64');
  const rows = new Float64Array(count * 3);
  const bytes = height * width * channels;
  for (let i = 0; i < count; i++) rows.set([i * bytes, height, width], i * 3);
  table.storage.fill(rows);
  return table;
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

/** The rows 0, 1, ... of a tensor, i32 [N]. */
export function everyRow(images: Tensor): Tensor {
  return tensor(Int32Array.from({ length: images.shape[0]! }, (_, row) => row));
}

/** The recipe of images that are only normalized. */
export function normalizing(statistics: ChannelStatistics): ImageRecipe {
  return {
    record: ({ data, index, targets }) => ({ inputs: normalized(data, statistics, index), targets }),
  };
}
