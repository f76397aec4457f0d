/**
 * The tree-structured Parzen estimator: points that are likely among the good trials and unlikely among the
 * others (Bergstra et al. 2011). Several dimensions at once as in Falkner et al. 2018; several objectives as
 * in Ozaki et al. 2022; which pieces matter is in Watanabe 2023. The pieces and defaults are those of Optuna
 * 5's TPESampler.
 */
import { bool, declareSettings, nonNegativeInteger, positiveInteger, type OptionsOf } from '../../settings';
import type { Dimension, Point } from '../space/dimension';
import { countOf, exists } from '../space/domain';
import type { Direction, TrialRecord } from '../study/trial';
import { declareStrategy, seed } from './declare';
import { drawPoint, drawValue } from './draw';
import { observer } from './observations';
import { ParzenEstimator } from './parzen';
import type { Random } from './random-numbers';
import { bestOf } from './ranking';
import type { SearchState } from './strategy';

const settings = declareSettings({
  seed,
  startup: nonNegativeInteger('Trials drawn at random before it begins; failed ones do not count.', {
    default: 10,
  }),
  candidates: positiveInteger('Points drawn from the good density, of which the best is suggested.', {
    default: 24,
  }),
  multivariate: bool(
    'Whether dimensions that always exist together are drawn together; default: with one objective.',
    { optional: true },
  ),
  constantLiar: bool('Whether trials that still run count as bad, so that workers spread out.', {
    default: true,
  }),
});

export type TpeOptions = OptionsOf<typeof settings>;

/** How many of so many trials are good: a tenth, and at most 25 where there is one objective. */
function goodOf(count: number, directions: readonly Direction[]): number {
  const tenth = Math.ceil(0.1 * count);
  return directions.length > 1 ? tenth : Math.min(tenth, 25);
}

/** Recent observations that weigh the same; those before them weigh less, down to 1 / count. */
const FULL_WEIGHTS = 25;

/** Weights by age, the oldest first (Bergstra et al. 2013). */
export function weightsOf(count: number): number[] {
  const ramp = Math.max(0, count - FULL_WEIGHTS);
  const rise = (i: number): number =>
    ramp === 1 ? 1 / count : 1 / count + ((1 - 1 / count) * i) / (ramp - 1);
  return Array.from({ length: count }, (_, i) => (i < ramp ? rise(i) : 1));
}

/** Good trials and the others, each by number. */
interface Split {
  readonly good: readonly Point[];
  readonly bad: readonly Point[];
}

function split({ trials, directions, dimensions }: SearchState, liar: boolean): Split {
  const finished = trials.filter(isFinished);
  const best = new Set(bestOf(finished, directions, goodOf(finished.length, directions)));
  const observed = observer(dimensions);
  const others = trials.filter(
    (trial) => (isFinished(trial) && !best.has(trial)) || (liar && trial.state === 'running'),
  );
  return { good: finished.filter((trial) => best.has(trial)).map(observed), bad: others.map(observed) };
}

function isFinished({ state }: TrialRecord): boolean {
  return state === 'complete' || state === 'pruned';
}

/** Dimensions that exist together; each by itself where it is not `multivariate`. */
function groupsOf(dimensions: readonly Dimension[], multivariate: boolean): Dimension[][] {
  const groups = new Map<string, Dimension[]>();
  for (const dimension of dimensions) {
    const key = multivariate ? JSON.stringify(dimension.when) : dimension.name;
    groups.set(key, [...(groups.get(key) ?? []), dimension]);
  }
  return [...groups.values()];
}

function estimate(group: readonly Dimension[], points: readonly Point[], even: boolean): ParzenEstimator {
  const complete = points.filter((point) => group.every(({ name }) => name in point));
  const weights = even ? complete.map(() => 1) : weightsOf(complete.length);
  return new ParzenEstimator(group, complete, weights);
}

interface Drawing {
  readonly candidates: number;
  readonly random: Random;
  readonly several: boolean;
}

/** The candidate with the highest ratio of densities, good to bad. */
function drawBest(group: readonly Dimension[], fixed: Point, { good, bad }: Split, drawing: Drawing): Point {
  const likely = estimate(group, good, drawing.several);
  const unlikely = estimate(group, bad, false);
  let best: Point = {};
  let highest = -Infinity;
  for (let i = 0; i < drawing.candidates; i++) {
    const drawn = likely.draw(drawing.random);
    const point = Object.fromEntries(group.map(({ name }) => [name, fixed[name] ?? drawn[name]!]));
    const ratio = likely.logDensity(point) - unlikely.logDensity(point);
    if (i > 0 && !(ratio > highest)) continue;
    best = point;
    highest = ratio;
  }
  return best;
}

/**
 * Draws points that are likely among the best tenth of the trials and unlikely among the others. It begins
 * with random ones. Pruned trials count, behind complete ones; failed ones do not. Any number of workers and
 * of objectives.
 *
 * `tune.tpe({ seed: 1, startup: 20 })`
 *
 * @throws OptionError
 */
export const tpe = declareStrategy(
  'tpe',
  settings,
  ({ startup, candidates, multivariate, constantLiar }) => ({
    check: () => undefined,
    suggest: (state) => {
      const { dimensions, directions, random, fixed = {} } = state;
      const finished = state.trials.filter(isFinished).length;
      if (finished < startup || finished === 0) return { point: drawPoint(dimensions, random, fixed) };
      const trials = split(state, constantLiar);
      const several = directions.length > 1;
      const point: Record<string, number> = {};
      for (const group of groupsOf(dimensions, multivariate ?? !several)) {
        // Dimensions of a group exist together.
        if (!exists(group[0]!, point)) continue;
        const free = group.filter(({ domain }) => countOf(domain) > 1);
        const single = group.filter(({ domain }) => countOf(domain) === 1);
        for (const { name, domain } of single) point[name] = fixed[name] ?? drawValue(domain, random);
        if (free.length > 0)
          Object.assign(point, drawBest(free, fixed, trials, { candidates, random, several }));
      }
      return { point };
    },
  }),
);
