/** The points of a grid by their number, without a list of them. */
import { OptionError } from '../../errors';
import type { Dimension, Point } from '../space/dimension';
import { exists } from '../space/domain';

export interface Axis {
  readonly dimension: Dimension;
  /** At least one. */
  readonly values: readonly number[];
}

export interface Grid {
  readonly size: number;
  /** The point of a number from 0 to below `size`, the last dimension fastest. */
  at(index: number): Point;
}

/** Numbers of points are exact far beyond this; nobody tries as many. */
const MOST_POINTS = 2 ** 40;

/** How many points there are of the dimensions from `i` on, where those before have the values of `point`. */
type Counter = (i: number, point: Point) => number;

/** For each dimension, the ones before it that it and those behind it depend on. */
function conditionsOf(axes: readonly Axis[]): string[][] {
  const names = axes.map(({ dimension }) => dimension.name);
  return axes.map((_, i) => {
    const asked = axes.slice(i).flatMap(({ dimension }) => dimension.when.map(({ name }) => name));
    return [...new Set(asked)].filter((name) => names.slice(0, i).includes(name));
  });
}

function counterOf(axes: readonly Axis[], conditions: readonly (readonly string[])[]): Counter {
  const counts = new Map<string, number>();
  const countFrom: Counter = (i, point) => {
    const axis = axes[i];
    if (axis === undefined) return 1;
    const key = [i, ...conditions[i]!.map((name) => point[name] ?? '')].join(' ');
    const known = counts.get(key);
    if (known !== undefined) return known;
    const count = exists(axis.dimension, point) ? countOver(i, axis, point) : countFrom(i + 1, point);
    counts.set(key, count);
    return count;
  };
  const countOver = (i: number, { dimension: { name }, values }: Axis, point: Point): number => {
    if (!conditions[i + 1]?.includes(name)) return values.length * countFrom(i + 1, point);
    return values.reduce((sum, value) => sum + countFrom(i + 1, { ...point, [name]: value }), 0);
  };
  return countFrom;
}

/** @throws OptionError where it has more than 2^40 points */
export function gridOf(where: string, axes: readonly Axis[]): Grid {
  const conditions = conditionsOf(axes);
  const countFrom = counterOf(axes, conditions);
  const size = countFrom(0, {});
  if (size > MOST_POINTS)
    throw new OptionError(
      `${where}: the grid has ${size.toPrecision(3)} points, and at most 2^40 can be told apart`,
    );
  const at = (index: number): Point => {
    const point: Record<string, number> = {};
    let rest = index;
    axes.forEach(({ dimension, values }, i) => {
      if (!exists(dimension, point)) return;
      if (!conditions[i + 1]?.includes(dimension.name)) {
        const below = countFrom(i + 1, point);
        point[dimension.name] = values[Math.floor(rest / below)]!;
        rest %= below;
        return;
      }
      for (const value of values) {
        point[dimension.name] = value;
        const below = countFrom(i + 1, point);
        if (rest < below) return;
        rest -= below;
      }
    });
    return point;
  };
  return { size, at };
}
