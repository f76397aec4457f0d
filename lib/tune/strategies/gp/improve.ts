/** The point of the highest expected improvement: many drawn points, and a local search from the best. */
import type { Random } from '../random-numbers';
import type { Steps } from '../steps';
import { present, settled, type Axis } from './axes';
import { minimize } from './lbfgs';
import { logImprovement } from './log-ei';
import type { GaussianProcess } from './process';

/** What is searched: values below `best` improve on it. */
export interface Improvement {
  readonly process: GaussianProcess;
  readonly best: number;
  readonly axes: readonly Axis[];
  /** Which axes somebody has fixed. */
  readonly fixed: readonly boolean[];
}

/** Keeps the logarithm finite where a point is known exactly. */
const LEAST_VARIANCE = 1e-20;
/** Local searches, and rounds of each over the reals and then each grid and choice. */
const STARTS = 10;
const ROUNDS = 20;
const ITERATIONS = 50;
/** What a round must gain. */
const GAIN = 1e-6;
const TOLERANCE = 1e-3;
/** Drawn points valued before the event loop may have its turn. */
const DRAWN_IN_STEP = 64;
/** Grids of at most so many values are tried whole; larger ones by steps that double and halve. */
const WHOLE_GRID = 16;

/** log E[max(0, best - f(x))]. */
export function logExpectedImprovement({ process, best }: Improvement, x: Float64Array): number {
  const { mean, variance } = process.posterior(x);
  const deviation = Math.sqrt(variance + LEAST_VARIANCE);
  return logImprovement((best - mean) / deviation).value + Math.log(deviation);
}

/** The same, with its derivatives by the coordinates; 0 for choices. */
export function improvementSlope(
  { process, best }: Improvement,
  x: Float64Array,
  slopes: Float64Array,
): number {
  const { mean, variance, meanSlope, varianceSlope } = process.posteriorSlope(x);
  const deviation = Math.sqrt(variance + LEAST_VARIANCE);
  const z = (best - mean) / deviation;
  const { value, slope } = logImprovement(z);
  for (let j = 0; j < x.length; j++) {
    const wider = varianceSlope[j]! / (2 * deviation);
    slopes[j] = (slope * (-meanSlope[j]! - z * wider) + wider) / deviation;
  }
  return value + Math.log(deviation);
}

interface Found {
  readonly x: Float64Array;
  readonly value: number;
}

/** L-BFGS over the reals that exist and are free, in units of the kernel's lengths. */
function climb(improvement: Improvement, from: Found): Found {
  const { axes, fixed, process } = improvement;
  const exist = present(axes, from.x);
  const moved = axes.flatMap(({ kind }, j) => (kind === 'real' && exist[j]! && !fixed[j]! ? [j] : []));
  if (moved.length === 0) return from;
  // A dimension that does not matter has a huge length, which would make its unit useless.
  const lengths = moved.map((j) => Math.min(1 / Math.sqrt(process.kernel.weights[j]!), 10));
  const slopes = new Float64Array(axes.length);
  const placed = (scaled: Float64Array): Float64Array => {
    const x = Float64Array.from(from.x);
    moved.forEach((j, i) => (x[j] = scaled[i]! * lengths[i]!));
    return x;
  };
  const { x, value } = minimize(
    (scaled, gradient) => {
      const found = improvementSlope(improvement, placed(scaled), slopes);
      moved.forEach((j, i) => (gradient[i] = -slopes[j]! * lengths[i]!));
      return -found;
    },
    moved.map((j, i) => from.x[j]! / lengths[i]!),
    {
      low: moved.map(() => 0),
      high: lengths.map((length) => 1 / length),
      tolerance: TOLERANCE,
      iterations: ITERATIONS,
    },
  );
  return -value > from.value ? { x: placed(x), value: -value } : from;
}

/** The better of `from` and what it becomes with value number `index` of axis `j`. */
function tried(improvement: Improvement, from: Found, j: number, index: number): Found {
  const { axes } = improvement;
  const changed = Float64Array.from(from.x);
  changed[j] = axes[j]!.at(index);
  const x = settled(axes, changed);
  const value = logExpectedImprovement(improvement, x);
  return value > from.value ? { x, value } : from;
}

/** Other values of a grid or choice. */
function vary(improvement: Improvement, from: Found, j: number): Found {
  const { kind, count, at, toCoordinate, toValue } = improvement.axes[j]!;
  if (kind === 'choice' || count <= WHOLE_GRID) {
    let best = from;
    for (let index = 0; index < count; index++)
      if (at(index) !== from.x[j]) best = tried(improvement, best, j, index);
    return best;
  }
  // The index of a coordinate, by bisection, as coordinates rise.
  const indexOf = (coordinate: number): number => {
    const exact = toCoordinate(toValue(coordinate));
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (at(middle) < exact) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  let best = from;
  for (let step = 2 ** Math.floor(Math.log2(count / 2)); step >= 1; step = Math.floor(step / 2)) {
    const here = indexOf(best.x[j]!);
    for (const index of [here - step, here + step])
      if (index >= 0 && index < count) best = tried(improvement, best, j, index);
  }
  return best;
}

/** The highest place that a search from one point comes to. */
function localSearch(improvement: Improvement, start: Found): Found {
  const { axes, fixed } = improvement;
  let best = start;
  for (let round = 0; round < ROUNDS; round++) {
    const before = best;
    best = climb(improvement, best);
    let changed = false;
    for (const [j, { kind }] of axes.entries()) {
      if (kind === 'real' || fixed[j]! || !present(axes, best.x)[j]!) continue;
      const varied = vary(improvement, best, j);
      changed ||= varied !== best;
      best = varied;
    }
    // The reals alone are at their maximum after the first climb.
    if (!changed || best.value - before.value < GAIN) break;
  }
  return best;
}

/** Indices of places: the best first, then others with chances that grow with the improvement. */
function startsOf(values: readonly number[], count: number, random: Random): number[] {
  const highest = Math.max(...values);
  const first = values.indexOf(highest);
  const chances = values.map((value, i) => (i === first ? 0 : Math.exp(value - highest)));
  const starts = [first];
  while (starts.length < count) {
    let left = random.uniform() * chances.reduce((sum, chance) => sum + chance, 0);
    // Not a number where no chance is left.
    const next = chances.findIndex((chance) => chance > 0 && (left -= chance) < 0);
    if (next < 0) break;
    starts.push(next);
    chances[next] = 0;
  }
  return starts;
}

/**
 * The best place found.
 * @param drawn places all over the space, at least one
 * @param known where to search from as well: the best so far
 */
export function* mostImproving(
  improvement: Improvement,
  drawn: readonly Float64Array[],
  known: readonly Float64Array[],
  random: Random,
): Steps<Float64Array> {
  const valued = (x: Float64Array): Found => ({ x, value: logExpectedImprovement(improvement, x) });
  const places: Found[] = [];
  for (const [i, x] of drawn.entries()) {
    if (i % DRAWN_IN_STEP === 0) yield;
    places.push(valued(x));
  }
  const starts = startsOf(
    places.map(({ value }) => value),
    STARTS - known.length,
    random,
  ).map((i) => places[i]!);
  let best: Found | undefined;
  for (const start of [...starts, ...known.map(valued)]) {
    yield;
    const found = localSearch(improvement, start);
    if (best === undefined || found.value > best.value) best = found;
  }
  return best!.x;
}
