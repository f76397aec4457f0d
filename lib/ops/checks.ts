/** Checks that many ops share. Messages name the argument, what came and what was expected. */
import { DTypeError, ShapeError } from '../errors';
import type { DType } from '../tensor/dtype';
import { formatShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';

export function checkDType(op: string, name: string, t: Tensor, ...dtypes: DType[]): void {
  if (!dtypes.includes(t.dtype))
    throw new DTypeError(`${op}: ${name} must be ${dtypes.join(' or ')}, got ${t.dtype}`);
}

export function checkRank(op: string, name: string, t: Tensor, ...ranks: number[]): void {
  if (!ranks.includes(t.rank)) {
    throw new ShapeError(`${op}: ${name} must have rank ${ranks.join(' or ')}, got ${formatShape(t.shape)}`);
  }
}

/** A pair given as one number or two: [height, width]. */
export type Pair = number | readonly [number, number];

/** Normalizes a Pair, each part a whole number of at least `minimum`. */
export function pair(op: string, name: string, value: Pair, minimum: number): [number, number] {
  const [h, w] = typeof value === 'number' ? [value, value] : value;
  for (const v of [h, w]) {
    if (!Number.isSafeInteger(v) || v < minimum || v > 65535) {
      throw new ShapeError(
        `${op}: ${name} must be a whole number of at least ${minimum}, got ${formatShape([h, w])}`,
      );
    }
  }
  return [h, w];
}

/** A runtime scalar operand: f64, rank 0. */
export function checkScalar(op: string, name: string, t: Tensor): void {
  checkDType(op, name, t, 'f64');
  checkRank(op, name, t, 0);
}
