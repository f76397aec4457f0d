/**
 * Logical shapes (PyTorch's) and physical dims (rank 4 is stored channels-last; all other ranks row-major).
 */
import { ShapeError } from '../errors';
import { MAX_RANK } from '../native';
import { clipList, show } from '../options';

/** Sizes of the axes, as PyTorch has them: [N, C, H, W] for images. */
export type Shape = readonly number[];

export function numel(shape: Shape): number {
  return shape.reduce((n, d) => n * d, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** `[16, 3, 32, 32]`, for messages. */
export function formatShape(shape: Shape): string {
  return `[${clipList(shape.map(show))}]`; // it may hold anything where it is refused
}

/** Throws ShapeError unless it is an array and every dim a whole number that a program can address. */
export function checkShape(where: string, shape: Shape): void {
  if (!Array.isArray(shape))
    throw new ShapeError(`${where}: a shape must be an array of dimensions, got ${show(shape)}`);
  if (shape.length > MAX_RANK)
    throw new ShapeError(`${where}: rank is at most ${MAX_RANK}, got ${formatShape(shape)}`);
  for (const d of shape) {
    if (!Number.isSafeInteger(d) || d < 0) {
      throw new ShapeError(
        `${where}: dimensions must be whole numbers of at least 0, got ${formatShape(shape)}`,
      );
    }
  }
  if (!(numel(shape) < 2 ** 40))
    throw new ShapeError(`${where}: ${formatShape(shape)} has too many elements`);
}

/** Logical axis order of a tensor's memory: [0, 2, 3, 1] for rank 4. */
export function physicalAxes(rank: number): readonly number[] {
  return rank === 4 ? [0, 2, 3, 1] : Array.from({ length: rank }, (_, i) => i);
}

/** Dims as native code sees them. */
export function physicalDims(shape: Shape): number[] {
  return physicalAxes(shape.length).map((axis) => shape[axis]!);
}

/** Position of a logical axis among the physical ones. */
export function physicalAxis(axis: number, rank: number): number {
  return physicalAxes(rank).indexOf(axis);
}

/** Whether memory in logical (row-major) order and in physical order is the same thing for this shape. */
export function isLayoutTrivial(shape: Shape): boolean {
  return shape.length !== 4 || shape[1] === 1 || shape[2]! * shape[3]! === 1 || numel(shape) === 0;
}

/** Shape of a broadcast of two, aligned at the right as in NumPy and PyTorch. */
export function broadcastShapes(where: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const da = a[i - rank + a.length] ?? 1;
    const db = b[i - rank + b.length] ?? 1;
    if (da !== db && da !== 1 && db !== 1) {
      throw new ShapeError(
        `${where}: shapes ${formatShape(a)} and ${formatShape(b)} cannot be broadcast together`,
      );
    }
    return da === 1 ? db : da;
  });
}

/** Turns an axis that may be negative into one in [0, rank). */
export function normalizeAxis(where: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new ShapeError(`${where}: axis must be a whole number in [${-rank}, ${rank}), got ${show(axis)}`);
  }
  return axis < 0 ? axis + rank : axis;
}
