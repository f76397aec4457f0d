/** Grid search: every combination of some values of each dimension, once. */
import { OptionError } from '../../errors';
import { checkList, clipList, finite, nearest, positiveInteger, show } from '../../options';
import { declareSettings, kind, oneOf, type OptionsOf } from '../../settings';
import type { Dimension, Domain, Point } from '../space/dimension';
import { contains, countOf, scaleOf, valueAt } from '../space/domain';
import { whereOf } from '../maker';
import { declareStrategy, seed } from './declare';
import { pointBy } from './draw';
import { gridOf, type Axis, type Grid } from './grid-points';
import { isUnrecorded, observer } from './observations';
import { shuffled } from './shuffle';
import type { SearchState, Suggestion } from './strategy';

const where = whereOf('grid');

/** How many values a dimension has on the grid, or which. */
type Points = number | readonly number[];

function checkPoints(name: string, value: unknown): Points {
  if (!Array.isArray(value)) return positiveInteger(where, name, value);
  checkList(where, name, value);
  if (value.length === 0) throw new OptionError(`${where}: ${name} has no values`);
  return [...new Set(value.map((one) => finite(where, name, one)))];
}

/** For all real dimensions, or for dimensions by name. */
type PointsOption = number | Readonly<Record<string, Points>>;

const pointsOf = kind<PointsOption>({
  check: (_, name, value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return positiveInteger(where, name, value);
    return Object.fromEntries(
      Object.entries(value).map(([key, points]) => [key, checkPoints(`${name} of ${key}`, points)]),
    );
  },
  domain: { type: 'integer', minimum: 1 },
  toJson: (value) => value,
});

const settings = declareSettings({
  seed,
  points: pointsOf(
    'How many values each real dimension has, evenly on its scale and with both ends; or, by name of the dimension, how many or a list of them. All values of integers and of stepped dimensions are tried unless they are named here. A real dimension without a step needs it.',
    { optional: true },
  ),
  order: oneOf(['rows', 'shuffled'])(
    'rows: as nested loops would, the last dimension fastest. shuffled: in an order that the seed decides.',
    { default: 'rows' },
  ),
});

export type GridOptions = OptionsOf<typeof settings>;

/** `count` values of a domain, evenly on its scale, both ends among them; the middle where it is one. */
function spread(domain: Domain, count: number): number[] {
  if (domain.type === 'choice' || count >= countOf(domain)) return all(domain);
  const { to, from } = scaleOf(domain);
  const top = domain.step === undefined ? domain.high : valueAt(domain, countOf(domain) - 1);
  const [low, high] = [to(domain.low), to(top)];
  if (count === 1) return [from((low + high) / 2)];
  const inner = Array.from({ length: count - 2 }, (_, i) =>
    from(low + ((high - low) * (i + 1)) / (count - 1)),
  );
  // The ends as they are, without the error of a logarithm.
  return [...new Set([domain.low, ...inner, top])];
}

/** More values than a grid may have in one dimension: they are held in a list. */
const MOST_VALUES = 2 ** 20;

function all(domain: Domain): number[] {
  return Array.from({ length: countOf(domain) }, (_, i) => valueAt(domain, i));
}

/** The values of a dimension on the grid. @throws OptionError */
function axisOf({ name, domain }: Dimension, points: PointsOption | undefined): number[] {
  const named = typeof points === 'object' ? points[name] : undefined;
  if (typeof named === 'object') {
    const outside = named.find((value) => !contains(domain, value));
    if (outside === undefined) return [...named];
    throw new OptionError(`${where}: ${show(outside)} lies outside of ${name}`);
  }
  const real = countOf(domain) === Infinity;
  const count = named ?? (real && typeof points === 'number' ? points : countOf(domain));
  if (count === Infinity)
    throw new OptionError(
      `${where}: ${name} is real and has no step; say how many values of it to try: points: { ${JSON.stringify(name)}: 5 }`,
    );
  if (Math.min(count, countOf(domain)) > MOST_VALUES)
    throw new OptionError(`${where}: ${name} has ${count} values, and at most ${MOST_VALUES} can be tried`);
  return spread(domain, count);
}

function axesOf(dimensions: readonly Dimension[], points: PointsOption | undefined): Axis[] {
  return dimensions.map((dimension) => ({ dimension, values: axisOf(dimension, points) }));
}

function checkNames(dimensions: readonly Dimension[], points: PointsOption | undefined): void {
  if (typeof points !== 'object') return;
  const names = dimensions.map(({ name }) => name);
  for (const name of Object.keys(points)) {
    if (names.includes(name)) continue;
    const near = nearest(name, names);
    const meant = near === undefined ? '' : ` (did you mean ${show(near)}?)`;
    throw new OptionError(
      `${where}: points names ${show(name)}${meant}, and there is no such dimension; known: ${clipList(names)}`,
    );
  }
}

/** The same text for the same point. */
function keyOf(dimensions: readonly Dimension[], point: Point): string {
  return dimensions.map(({ name }) => point[name] ?? '').join(' ');
}

/**
 * The first point that was not tried; one further for each trial before this one that is about to record its
 * own, so that workers do not take the same.
 */
function next(state: SearchState, grid: Grid, place: (i: number) => number): Suggestion | 'wait' | undefined {
  const { dimensions, trials } = state;
  const observed = observer(dimensions);
  const tried = new Set(trials.map((trial) => keyOf(dimensions, observed(trial))));
  const unrecorded = trials.filter(isUnrecorded).length;
  let passed = 0;
  // At least one of the first `tried.size + 1` points is new.
  for (let i = 0; i < grid.size; i++) {
    const point = grid.at(place(i));
    if (tried.has(keyOf(dimensions, point))) continue;
    if (passed === unrecorded) return { point };
    passed++;
  }
  return passed > 0 ? 'wait' : undefined;
}

/** A trial that somebody enqueued: the rest is drawn from the grid's values. */
function completed({ dimensions, random, fixed = {} }: SearchState, axes: readonly Axis[]): Suggestion {
  const values = new Map(axes.map((axis) => [axis.dimension.name, axis.values]));
  const choose = ({ name }: Dimension): number => {
    const own = values.get(name)!;
    return own[random.below(own.length)]!;
  };
  return { point: pointBy(dimensions, fixed, choose) };
}

/**
 * Tries every combination of some values of each dimension once, and ends. Dimensions that depend on a choice
 * are combined only where they exist. A trial counts as tried whatever became of it. Any number of objectives
 * and of workers.
 *
 * `tune.grid({ points: 5 })`, `tune.grid({ points: { lr: [0.01, 0.1], momentum: 3 } })`
 *
 * @throws OptionError; also when the study begins, for a real dimension without a step that `points` does not
 *   name, values outside of a dimension, and more than 2^40 points
 */
export const grid = declareStrategy('grid', settings, (values) => ({
  check: (dimensions) => {
    checkNames(dimensions, values.points);
    gridOf(where, axesOf(dimensions, values.points));
  },
  suggest: (state) => {
    const axes = axesOf(state.dimensions, values.points);
    if (state.fixed !== undefined) return completed(state, axes);
    const points = gridOf(where, axes);
    const order =
      values.order === 'rows' ? (i: number) => i : shuffled(points.size, values.seed, 'tune grid');
    return next(state, points, order);
  },
}));
