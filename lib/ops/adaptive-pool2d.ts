/**
 * Adaptive pooling chooses windows so that the output has the size that was asked for. Row i of n output rows
 * takes the input's rows floor(i H / n) to ceil((i + 1) H / n) - 1, and columns likewise, as in PyTorch.
 */
import { OptionError, ShapeError } from '../errors';
import { show } from '../options';
import { formatShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank } from './checks';
import { avgPool2d, maxPool2d } from './pool2d';
import { concat, slice } from './shape-ops';

/** Height and width of the output, as one number or two. null keeps the size of the input. */
export type AdaptiveSize = number | null | readonly [height: number | null, width: number | null];

type Pool = (x: Tensor, kernel: readonly [number, number]) => Tensor;

/** Height and width as two entries. @throws OptionError */
export function adaptiveSize(where: string, size: unknown): [number | null, number | null] {
  const both: readonly unknown[] = Array.isArray(size) ? (size as unknown[]) : [size, size];
  const valid = (n: unknown): n is number | null =>
    n === null || (Number.isSafeInteger(n) && (n as number) >= 1 && (n as number) <= 65535);
  const [height, width] = both;
  if (both.length !== 2 || !valid(height) || !valid(width))
    throw new OptionError(
      `${where}: size must be a whole number of at least 1 or null, or two of them, got ${show(size)}`,
    );
  return [height, width];
}

/** Pools axis 2 or 3 to `count` elements. */
function poolAxis(pool: Pool, x: Tensor, axis: 2 | 3, count: number): Tensor {
  const length = x.shape[axis]!;
  const kernelOf = (size: number): [number, number] => (axis === 2 ? [size, 1] : [1, size]);
  if (length % count === 0) return length === count ? x : pool(x, kernelOf(length / count));
  const parts = Array.from({ length: count }, (_, i) => {
    const begin = Math.floor((i * length) / count);
    const size = Math.ceil(((i + 1) * length) / count) - begin;
    const start = x.shape.map((_dim, a) => (a === axis ? begin : 0));
    const part = slice(
      x,
      start,
      x.shape.map((dim, a) => (a === axis ? size : dim)),
    );
    return size === 1 ? part : pool(part, kernelOf(size));
  });
  return concat(parts, axis);
}

/**
 * A window is a rectangle. Pooling columns first and then rows therefore yields its mean, and the first
 * of equal maxima.
 */
function adaptivePool(name: string, pool: Pool, x: Tensor, size: AdaptiveSize): Tensor {
  const [height, width] = adaptiveSize(name, size);
  checkDType(name, 'x', x, 'f32');
  checkRank(name, 'x', x, 4);
  const [h, w] = [x.shape[2]!, x.shape[3]!];
  if (h < 1 || w < 1) throw new ShapeError(`${name}: x ${formatShape(x.shape)} has no pixels`);
  const [oh, ow] = [height ?? h, width ?? w];
  if (h % oh === 0 && w % ow === 0) return h === oh && w === ow ? x : pool(x, [h / oh, w / ow]);
  return poolAxis(pool, poolAxis(pool, x, 3, ow), 2, oh);
}

/**
 * Mean over windows of x [N, C, H, W]; the result is [N, C, height, width].
 * @throws OptionError, ShapeError
 */
export function adaptiveAvgPool2d(x: Tensor, size: AdaptiveSize): Tensor {
  return adaptivePool('adaptive_avg_pool2d', avgPool2d, x, size);
}

/**
 * Largest element of windows of x [N, C, H, W]; the result is [N, C, height, width].
 * @throws OptionError, ShapeError
 */
export function adaptiveMaxPool2d(x: Tensor, size: AdaptiveSize): Tensor {
  return adaptivePool('adaptive_max_pool2d', maxPool2d, x, size);
}
