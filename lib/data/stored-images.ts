/** Images of any sizes in one buffer, and how views of them become a model's inputs. */
import { imageBatch, resampleImages, viewCrops } from '../ops';
import { runtimeScalar, tensor, zeros, type PersistentTensor, type Tensor } from '../tensor/tensor';
import type { ChannelStatistics, Size, StoredImages, WindowRecipe } from './samples';

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

/** Records (x / 255 - mean) / std of images u8 [N, C, H, W], per channel. */
export function normalized(images: Tensor, { mean, std }: ChannelStatistics): Tensor {
  const [count = 0, , height = 1, width = 1] = images.shape;
  const every = tensor(Int32Array.from({ length: count }, (_, i) => i));
  const size = [height, width] as const;
  const nothingRandom = { seed: 0, flip: 0, padding: 0, size };
  return imageBatch(images, every, tensor([...mean]), tensor([...std]), noEpoch, nothingRandom);
}
