/** Reads interleaved pixels, which is the order in which decoders return them, as images. */
import { ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { checkShape, formatShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkRank } from './checks';

const asImagesOp: OpRecord<{ size: readonly [number, number, number] }> = {
  name: 'as_images',
  bf16: 'f32',
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
 * Reads rows of H W C interleaved values, as decoders return them, as images [N, C, H, W]. This costs
 * nothing, because images lie in memory in that order.
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
