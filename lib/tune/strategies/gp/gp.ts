/**
 * Bayesian optimization by a Gaussian process with expected improvement (Snoek et al. 2012; Shahriari et al.
 * 2016). Whole numbers and choices as in Garrido-Merchan & Hernandez-Lobato 2020: the process sees only
 * values that can be tried. Kernel, priors and the search for the best point follow Optuna 5's GPSampler.
 */
import { declareSettings, nonNegativeInteger, positiveInteger, type OptionsOf } from '../../../settings';
import type { Point } from '../../space/dimension';
import type { Direction, TrialRecord } from '../../study/trial';
import { declareStrategy, requireOneObjective, seed } from '../declare';
import { drawPoint, drawValue, pointBy } from '../draw';
import { observer } from '../observations';
import { lossOf } from '../ranking';
import type { Steps } from '../steps';
import type { SearchState } from '../strategy';
import { axesOf, coordinatesOf, valuesOf, type Axis } from './axes';
import { fitKernel } from './fit';
import { mostImproving } from './improve';
import { normalized } from './outputs';
import { GaussianProcess } from './process';

const settings = declareSettings({
  seed,
  startup: nonNegativeInteger('Trials drawn at random before it begins; failed ones do not count.', {
    default: 10,
  }),
  candidates: positiveInteger('Points drawn at random, from the best of which local searches start.', {
    default: 2048,
  }),
  observations: positiveInteger(
    'Trials that it learns from, at most: half of them the best ones, and the latest of the others.',
    { default: 200 },
  ),
});

export type GpOptions = OptionsOf<typeof settings>;

interface Observed {
  readonly number: number;
  readonly x: Float64Array;
  /** What the objective says, as something to minimize. */
  readonly loss: number;
}

/** What a finished trial says. A pruned one says its last report, but never that it is the best. */
function lossesOf(trials: readonly TrialRecord[], direction: Direction): Map<number, number> {
  const losses = new Map<number, number>();
  for (const { number, state, values } of trials)
    if (state === 'complete') losses.set(number, lossOf(values?.[0], direction));
  const best = Math.min(...losses.values());
  for (const { number, state, reports } of trials) {
    const last = reports.at(-1);
    if (state !== 'pruned' || last === undefined) continue;
    const loss = lossOf(last.value, direction);
    losses.set(number, best === Infinity ? loss : Math.max(loss, best));
  }
  return losses;
}

/** Infinite losses become the worst finite one, or the best. */
function finite(observed: readonly Observed[]): Observed[] {
  const losses = observed.map(({ loss }) => loss).filter(Number.isFinite);
  const [low, high] = losses.length === 0 ? [0, 0] : [Math.min(...losses), Math.max(...losses)];
  return observed.map((one) => ({ ...one, loss: Math.min(Math.max(one.loss, low), high) }));
}

/** At most so many, by number. */
function mostTelling(observed: readonly Observed[], most: number): Observed[] {
  if (observed.length <= most) return [...observed];
  const ranked = [...observed].sort((a, b) => a.loss - b.loss || a.number - b.number);
  const best = ranked.slice(0, Math.ceil(most / 2));
  const others = ranked.slice(best.length).sort((a, b) => b.number - a.number);
  return [...best, ...others.slice(0, most - best.length)].sort((a, b) => a.number - b.number);
}

interface Known {
  readonly observed: readonly Observed[];
  /** Where trials still run. */
  readonly running: readonly Float64Array[];
}

function knownOf(
  { trials, dimensions, directions }: SearchState,
  axes: readonly Axis[],
  most: number,
): Known {
  const seen = observer(dimensions);
  const losses = lossesOf(trials, directions[0]!);
  const observed: Observed[] = [];
  const running: Float64Array[] = [];
  for (const trial of trials) {
    const loss = losses.get(trial.number);
    if (loss === undefined && trial.state !== 'running') continue;
    const x = coordinatesOf(axes, seen(trial));
    if (x === undefined) continue;
    if (loss === undefined) running.push(x);
    else observed.push({ number: trial.number, x, loss });
  }
  return { observed: mostTelling(finite(observed), most), running: running.slice(-most) };
}

/** The values of the axes with the highest expected improvement. */
function* improving(
  state: SearchState,
  axes: readonly Axis[],
  known: Known,
  candidates: number,
): Steps<Point> {
  const { dimensions, fixed = {}, random } = state;
  const { observed, running } = known;
  const values = normalized(observed.map(({ loss }) => loss));
  const best = Math.min(...values);
  const choices = axes.map(({ kind }) => kind === 'choice');
  const observations = { points: observed.map(({ x }) => x), values, choices };
  const kernel = yield* fitKernel(observations);
  const process = new GaussianProcess(observations, kernel).believing(running);
  const fixedAxes = axes.map(({ dimension }) => dimension.name in fixed);
  const improvement = { process, best, axes, fixed: fixedAxes };
  // They have a value wherever one exists.
  const drawn = Array.from({ length: candidates }, () =>
    coordinatesOf(axes, drawPoint(dimensions, random, fixed))!,
  );
  const incumbent = observed[values.indexOf(best)]!.x;
  const starts = fixedAxes.includes(true) ? [] : [incumbent];
  return valuesOf(axes, yield* mostImproving(improvement, drawn, starts, random));
}

/**
 * Fits a Gaussian process to the trials and suggests the point whose expected improvement over the best is
 * highest. It begins with random ones. Best for searches of tens to a few hundred long trials in up to
 * about twenty dimensions; one objective. Trials that still run count with the value that the process
 * expects of them, pruned ones with their last report; failed ones do not count. Dimensions that do not
 * exist stand at a constant. It sees losses on a curve that leaves them little skew.
 *
 * `tune.gp({ seed: 1 })`
 *
 * @throws OptionError
 */
export const gp = declareStrategy('gp', settings, ({ startup, candidates, observations }) => ({
  check: (_, directions) => requireOneObjective('gp', directions),
  *steps(state) {
    const { dimensions, random, fixed = {} } = state;
    const axes = axesOf(dimensions);
    const known = knownOf(state, axes, observations);
    const { length } = known.observed;
    if (length < startup || length === 0 || axes.every(({ count }) => count === 1))
      return { point: drawPoint(dimensions, random, fixed) };
    const found = yield* improving(state, axes, known, candidates);
    const point = pointBy(dimensions, fixed, ({ name, domain }) => found[name] ?? drawValue(domain, random));
    return { point };
  },
}));
