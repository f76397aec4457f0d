/**
 * A batch of images out of a data set in native memory: picked, cropped, flipped and normalized in one pass.
 */
import { ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { checkObject, nonNegativeInteger, probability } from '../options';
import { streamKey, type StreamKey } from '../random';
import { formatShape, type Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkPerImage, checkRank, checkScalar, pair } from './checks';

/** How a batch of images is made from stored ones. */
export interface ImageBatchOptions {
  readonly seed: number;
  /** Probability of mirroring left and right. 0: never. */
  readonly flip: number;
  /** Random crops from the image with this many zero pixels around it. 0: none. */
  readonly padding: number;
  /** Height and width of the result. */
  readonly size: readonly [number, number];
  /** How often each sample came before in this epoch, i32 [B]. Default: never. */
  readonly occurrence?: Tensor;
}

interface ImageBatchAttrs {
  readonly key: StreamKey;
  readonly flip: number;
  readonly padding: number;
  readonly size: readonly [number, number];
}

const imageBatchOp: OpRecord<ImageBatchAttrs> = {
  name: 'image_batch',
  bf16: 'f32',
  infer: ([data, index, mean, std, epoch, occurrence], { size, padding }) => {
    checkDType('image_batch', 'data', data!, 'u8');
    checkRank('image_batch', 'data', data!, 4);
    checkDType('image_batch', 'index', index!, 'i32');
    checkRank('image_batch', 'index', index!, 1);
    checkScalar('image_batch', 'epoch', epoch!);
    if (occurrence !== undefined) checkPerImage('image_batch', 'occurrence', occurrence, index!);
    const [, c, h, w] = data!.shape as [number, number, number, number];
    for (const t of [mean!, std!]) {
      if (t.rank !== 1 || t.shape[0] !== c)
        throw new ShapeError(`image_batch: mean and std must be [${c}], got ${formatShape(t.shape)}`);
    }
    if (size[0] > h + 2 * padding || size[1] > w + 2 * padding) {
      throw new ShapeError(
        `image_batch: crops of ${formatShape(size)} do not fit into images ${formatShape([h, w])} with padding ${padding}`,
      );
    }
    const shape: Shape = [index!.shape[0]!, c, size[0], size[1]];
    return [{ shape, dtype: 'f32' }];
  },
  lower: (l, { key, flip, padding }) => l.call('image_batch', l.inputs, l.outputs, { key, flip, padding }),
};

/**
 * Images `index` (i32 [B]) of data (u8 [N, C, H, W]) as f32: (x / 255 - mean) / std, after a random flip and
 * crop. What happens to an image is a function of (seed, epoch, its index, its occurrence), whatever the
 * batch it is in.
 * @param epoch a runtime scalar
 */
export function imageBatch(
  data: Tensor,
  index: Tensor,
  mean: Tensor,
  std: Tensor,
  epoch: Tensor,
  options: ImageBatchOptions,
): Tensor {
  const where = 'image_batch';
  checkObject(where, 'options', options);
  const seed = nonNegativeInteger(where, 'seed', options.seed);
  const flip = probability(where, 'flip', options.flip);
  const padding = nonNegativeInteger(where, 'padding', options.padding);
  const size = pair(where, 'size', options.size, 1);
  const attrs = { key: streamKey(seed, 'augment'), flip, padding, size };
  const { occurrence } = options;
  const inputs = [data, index, mean, std, epoch, ...(occurrence === undefined ? [] : [occurrence])];
  return first(applyOp(imageBatchOp, inputs, attrs));
}
