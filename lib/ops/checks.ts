/** Checks that many ops share. Messages name the argument, what came and what was expected. */
import { DTypeError, ShapeError } from '../errors';
import type { DType } from '../tensor/dtype';
import { formatShape } from '../tensor/shape';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { show } from '../options';
import { kind, type Kind } from '../settings';

export function checkDType(op: string, name: string, t: Tensor, ...dtypes: DType[]): void {
  checkTensor(op, name, t);
  if (!dtypes.includes(t.dtype))
    throw new DTypeError(`${op}: ${name} must be ${dtypes.join(' or ')}, got ${t.dtype}`);
}

export function checkRank(op: string, name: string, t: Tensor, ...ranks: number[]): void {
  checkTensor(op, name, t);
  if (!ranks.includes(t.rank)) {
    throw new ShapeError(`${op}: ${name} must have rank ${ranks.join(' or ')}, got ${formatShape(t.shape)}`);
  }
}

/** An i32 number for each of the images that `index` names. */
export function checkPerImage(op: string, name: string, t: Tensor, index: Tensor): void {
  checkDType(op, name, t, 'i32');
  checkRank(op, name, t, 1);
  if (t.shape[0] !== index.shape[0])
    throw new ShapeError(
      `${op}: ${name} must be ${formatShape(index.shape)}, as index is, got ${formatShape(t.shape)}`,
    );
}

/** A pair: [height, width], or one number for both. */
export type Pair = number | readonly [number, number];

/** Normalizes a Pair, each part a whole number from `minimum` to 65535. @throws ShapeError */
export function pair(op: string, name: string, value: unknown, minimum: number): [number, number] {
  const both: readonly unknown[] = Array.isArray(value) ? (value as unknown[]) : [value, value];
  const valid = (v: unknown): v is number =>
    typeof v === 'number' && Number.isSafeInteger(v) && v >= minimum && v <= 65535;
  const [h, w] = both;
  if (both.length !== 2 || !valid(h) || !valid(w))
    throw new ShapeError(
      `${op}: ${name} must be a whole number from ${minimum} to 65535, or two of them, got ${show(value)}`,
    );
  return [h, w];
}

/** A setting that is a Pair of whole numbers from `minimum` to 65535. */
export function pairFrom(minimum: number): Kind<readonly [number, number], Pair> {
  const side = { type: 'integer', minimum, maximum: 65535 } as const;
  return kind<readonly [number, number], Pair>({
    check: (where, name, value) => pair(where, name, value, minimum),
    domain: { type: 'tuple', parts: { height: side, width: side } },
  });
}

/** A runtime scalar operand: f64, rank 0. */
export function checkScalar(op: string, name: string, t: Tensor): void {
  checkDType(op, name, t, 'f64');
  checkRank(op, name, t, 0);
}
