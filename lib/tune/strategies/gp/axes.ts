/** Points as a Gaussian process sees them: a coordinate for each dimension, absent ones too. */
import type { Dimension, Point } from '../../space/dimension';
import { countOf, exists, scaleOf, valueAt } from '../../space/domain';

export interface Axis {
  readonly dimension: Dimension;
  /** `real`: anything from 0 to 1. `grid`: one of `count` numbers there. `choice`: an index. */
  readonly kind: 'real' | 'grid' | 'choice';
  /** Infinity for `real`. */
  readonly count: number;
  readonly toCoordinate: (value: number) => number;
  /** The value of a coordinate, the nearest one of a grid. */
  readonly toValue: (coordinate: number) => number;
  /** The coordinate of value number `index`, where it is a grid or a choice. */
  readonly at: (index: number) => number;
}

/** Where dimensions stand that do not exist: the middle, and for choices none of them. */
const ABSENT_NUMBER = 0.5;
const ABSENT_CHOICE = -1;

function axisOf(dimension: Dimension): Axis {
  const { domain } = dimension;
  const count = countOf(domain);
  const same = (number: number): number => number;
  if (domain.type === 'choice')
    return { dimension, kind: 'choice', count, toCoordinate: same, toValue: same, at: same };
  const { low, high, to, from } = scaleOf(domain);
  const toCoordinate = (value: number): number => (to(value) - low) / (high - low);
  return {
    dimension,
    kind: count === Infinity ? 'real' : 'grid',
    count,
    toCoordinate,
    toValue: (coordinate) => from(low + coordinate * (high - low)),
    at: (index) => toCoordinate(valueAt(domain, index)),
  };
}

/** The dimensions in which something is left to choose, and choices of one, on which others may depend. */
export function axesOf(dimensions: readonly Dimension[]): Axis[] {
  return dimensions.filter(({ domain }) => domain.type === 'choice' || countOf(domain) > 1).map(axisOf);
}

/** Undefined where the point lacks a dimension that exists beside the others. */
export function coordinatesOf(axes: readonly Axis[], point: Point): Float64Array | undefined {
  const coordinates = new Float64Array(axes.length);
  for (const [j, { dimension, kind, toCoordinate }] of axes.entries()) {
    const value = point[dimension.name];
    if (!exists(dimension, point)) coordinates[j] = kind === 'choice' ? ABSENT_CHOICE : ABSENT_NUMBER;
    else if (value === undefined) return undefined;
    else coordinates[j] = toCoordinate(value);
  }
  return coordinates;
}

/** The values of the axes that exist. */
export function valuesOf(axes: readonly Axis[], coordinates: Float64Array): Point {
  const point: Record<string, number> = {};
  axes.forEach(({ dimension, toValue }, j) => {
    if (exists(dimension, point)) point[dimension.name] = toValue(coordinates[j]!);
  });
  return point;
}

/**
 * The same with dimensions where they belong after a choice has changed: those that no longer exist at their
 * constant, and choices that exist anew at their first.
 */
export function settled(axes: readonly Axis[], coordinates: Float64Array): Float64Array {
  const point: Record<string, number> = {};
  return coordinates.map((coordinate, j) => {
    const { dimension, kind, toValue, at } = axes[j]!;
    if (!exists(dimension, point)) return kind === 'choice' ? ABSENT_CHOICE : ABSENT_NUMBER;
    const here = kind === 'choice' && coordinate < 0 ? at(0) : coordinate;
    point[dimension.name] = toValue(here);
    return kind === 'grid' ? toGrid(axes[j]!, here) : here;
  });
}

function toGrid({ toCoordinate, toValue }: Axis, coordinate: number): number {
  return toCoordinate(toValue(coordinate));
}

/** Which dimensions exist. */
export function present(axes: readonly Axis[], coordinates: Float64Array): boolean[] {
  const point = valuesOf(axes, coordinates);
  return axes.map(({ dimension }) => dimension.name in point);
}
