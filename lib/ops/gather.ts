/** Picking examples out of data sets that live in native memory: rows of anything, images with normalization and augmentation. */
import { ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { checkObject, nonNegativeInteger, oneOf, probability } from '../options';
import { streamKey, type StreamKey } from '../random';
import { checkShape, formatShape, type Shape } from '../tensor/shape';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { checkDType, checkRank, checkScalar, pair } from './checks';

const gatherOp: OpRecord<null> = {
  name: 'gather_rows',
  infer: ([data, index]) => {
    checkDType('gather_rows', 'index', index!, 'i32');
    checkRank('gather_rows', 'index', index!, 1);
    if (data!.rank === 0) throw new ShapeError('gather_rows: data has no rows');
    return [{ shape: [index!.shape[0]!, ...data!.shape.slice(1)], dtype: data!.dtype }];
  },
  lower: (l) => l.call('gather_rows', l.inputs, l.outputs),
};

/** Rows `index` (i32 [B]) of data [N, ...]: [B, ...]. An index outside [0, N) rejects the run. Not differentiable. */
export function gatherRows(data: Tensor, index: Tensor): Tensor {
  return first(applyOp(gatherOp, [data, index], null));
}

/** How a batch of images is made from stored ones. */
export interface ImageBatchOptions {
  readonly seed: number;
  /** Probability of mirroring left and right. 0: never. */
  readonly flip: number;
  /** Random crops from the image with this many zero pixels around it. 0: none. */
  readonly padding: number;
  /** Height and width of the result. */
  readonly size: readonly [number, number];
}

interface ImageBatchAttrs {
  readonly key: StreamKey;
  readonly flip: number;
  readonly padding: number;
  readonly size: readonly [number, number];
}

const imageBatchOp: OpRecord<ImageBatchAttrs> = {
  name: 'image_batch',
  infer: ([data, index, mean, std, epoch], { size, padding }) => {
    checkDType('image_batch', 'data', data!, 'u8');
    checkRank('image_batch', 'data', data!, 4);
    checkDType('image_batch', 'index', index!, 'i32');
    checkRank('image_batch', 'index', index!, 1);
    checkScalar('image_batch', 'epoch', epoch!);
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
  lower: (l, { key, flip, padding }) => l.call('image_batch', l.inputs, l.outputs, [...key, flip, padding]),
};

/**
 * Images `index` (i32 [B]) of data (u8 [N, C, H, W]) as f32: (x / 255 - mean) / std, after a random flip and crop. What happens to an
 * image is a function of (seed, epoch, its index), whatever the batch it is in.
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
  return first(applyOp(imageBatchOp, [data, index, mean, std, epoch], attrs));
}

export const castOp: OpRecord<{ dtype: 'f32' | 'i32' | 'f64' | 'bf16' }> = {
  name: 'cast',
  infer: ([x], { dtype }) => [{ shape: x!.shape, dtype }],
  lower: (l) => l.call('cast', l.inputs, l.outputs),
};

/** The same numbers in another type. f32 to i32 truncates. Not differentiable. */
export function cast(x: Tensor, dtype: 'f32' | 'i32' | 'f64'): Tensor {
  checkTensor('cast', 'x', x);
  oneOf('cast', 'dtype', dtype, ['f32', 'i32', 'f64']);
  return x.dtype === dtype ? x : first(applyOp(castOp, [x], { dtype }));
}

const asImagesOp: OpRecord<{ size: readonly [number, number, number] }> = {
  name: 'as_images',
  view: true,
  infer: ([x], { size: [h, w, c] }) => {
    checkRank('as_images', 'x', x!, 2);
    if (x!.shape[1] !== h * w * c) {
      throw new ShapeError(
        `as_images: rows must hold ${h} x ${w} x ${c} = ${h * w * c} values, x is ${formatShape(x!.shape)}`,
      );
    }
    return [{ shape: [x!.shape[0]!, c, h, w], dtype: x!.dtype }];
  },
  lower: (l) => l.alias(l.outputs[0]!, l.inputs[0]!),
};

/**
 * Reads rows of H W C interleaved values (as decoders give them) as images [N, C, H, W]. Costs nothing: that is how images lie in memory.
 */
export function asImages(
  x: Tensor,
  size: readonly [height: number, width: number, channels: number],
): Tensor {
  checkShape('as_images', size);
  if (size.length !== 3)
    throw new ShapeError(`as_images: size must be [height, width, channels], got ${formatShape(size)}`);
  return first(applyOp(asImagesOp, [x], { size }));
}
