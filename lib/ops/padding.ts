/** Borders around images: as callers give them, as layers and files keep them, and side by side. */
import { ShapeError } from '../errors';
import { show } from '../options';
import { kind, type Check, type Kind } from '../settings';
import { formatShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkRank, type Pair } from './checks';

/** Borders above, below, on the left and on the right. */
export type Sides = readonly [top: number, bottom: number, left: number, right: number];

/**
 * One number for all sides, [height, width] for both sides of each, or [top, bottom, left, right]. 'same' is
 * TensorFlow's SAME, and PyTorch's 'same' for a stride of 1: so much that the output has ceil(input / stride)
 * rows and columns, half of it before the image and half behind it, the odd one behind.
 */
export type Padding = Pair | Sides | 'same';

/** As layers and files have it: two numbers where opposite sides are alike. */
export type KeptPadding = readonly [number, number] | Sides | 'same';

/** Borders of a row: one number for both ends, [left, right], or 'same' as for images. */
export type RowPadding = number | Ends | 'same';

type Ends = readonly [left: number, right: number];

const largest = 65535;

function isSide(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= largest;
}

function checker(forms: string): Check<readonly [number, number] | Sides> {
  return (where, name, value) => {
    const given: readonly unknown[] = Array.isArray(value) ? (value as unknown[]) : [value, value];
    const [top, bottom, left, right] = given.length === 2 ? [given[0], given[0], given[1], given[1]] : given;
    if (given.length % 2 !== 0 || given.length > 4 || ![top, bottom, left, right].every(isSide))
      throw new ShapeError(
        `${where}: ${name} must be a whole number from 0 to ${largest}, ${forms}, got ${show(value)}`,
      );
    return kept([top, bottom, left, right] as unknown as Sides);
  };
}

const side = { type: 'integer', minimum: 0, maximum: largest } as const;
const domain = { type: 'tuple', parts: { top: side, bottom: side, left: side, right: side } } as const;

const numbersOnly = checker('or [height, width], or [top, bottom, left, right]');
const orSame = checker("or [height, width], or [top, bottom, left, right], or 'same'");

/** A setting that is a {@link Padding}. */
export const padding: Kind<KeptPadding, Padding> = kind<KeptPadding, Padding>({
  check: (where, name, value) => (value === 'same' ? value : orSame(where, name, value)),
  domain,
});

/** A setting that is a {@link Padding}, but not 'same'. */
export const sides = kind<Exclude<KeptPadding, 'same'>, Exclude<Padding, 'same'>>({
  check: numbersOnly,
  domain,
});

function rowChecker(forms: string): Check<number | Ends> {
  return (where, name, value) => {
    const given: readonly unknown[] = Array.isArray(value) ? (value as unknown[]) : [value, value];
    const [left, right] = given;
    if (given.length !== 2 || !isSide(left) || !isSide(right))
      throw new ShapeError(
        `${where}: ${name} must be a whole number from 0 to ${largest}, ${forms}, got ${show(value)}`,
      );
    return left === right ? left : [left, right];
  };
}

const rowDomain = { type: 'tuple', parts: { left: side, right: side } } as const;
const rowNumbersOnly = rowChecker('or [left, right]');
const rowOrSame = rowChecker("or [left, right], or 'same'");

/** A setting that is a {@link RowPadding}. One number is kept where both ends are alike. */
export const rowPadding = kind<RowPadding>({
  check: (where, name, value) => (value === 'same' ? value : rowOrSame(where, name, value)),
  domain: rowDomain,
});

/** A setting that is a {@link RowPadding}, but not 'same'. */
export const ends = kind<Exclude<RowPadding, 'same'>>({ check: rowNumbersOnly, domain: rowDomain });

/** The borders of an image of one row. */
export function aroundRow<P extends RowPadding>(given: P): Sides | Extract<P, 'same'> {
  if (given === 'same') return given as Extract<P, 'same'>;
  const [left, right] = typeof given === 'number' ? [given, given] : given;
  return [0, 0, left, right];
}

function kept([top, bottom, left, right]: Sides): readonly [number, number] | Sides {
  return top === bottom && left === right ? [top, left] : [top, bottom, left, right];
}

/** The number of each side. */
export function sidesOf(given: Exclude<KeptPadding, 'same'>): Sides {
  if (given.length === 4) return given;
  const [height, width] = given;
  return [height, height, width, width];
}

/** For messages: two numbers where opposite sides are alike. */
export function formatPadding(given: Sides): string {
  return formatShape(kept(given));
}

type Window = Readonly<Record<'kernel' | 'stride' | 'dilation', readonly [number, number]>>;

/** What 'same' is for an x of this size. @throws ShapeError unless x has rank 4 */
export function sameSides(op: string, x: Tensor, window: Window): Sides {
  checkRank(op, 'x', x, 4);
  const [top, bottom] = sameAlong(x.shape[2]!, window, 0);
  const [left, right] = sameAlong(x.shape[3]!, window, 1);
  return [top, bottom, left, right];
}

function sameAlong(
  input: number,
  { kernel, stride, dilation }: Window,
  axis: 0 | 1,
): [before: number, after: number] {
  const outputs = Math.ceil(input / stride[axis]);
  const reach = (outputs - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1;
  const all = Math.max(reach - input, 0);
  return [Math.floor(all / 2), Math.ceil(all / 2)];
}
