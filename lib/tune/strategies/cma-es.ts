/**
 * CMA-ES (Hansen 2016): a normal distribution that moves and stretches towards the better half of each
 * generation; whole numbers with a margin (Hamano et al. 2022). Its state is computed anew from the trials.
 */
import { OptionError } from '../../errors';
import { declareSettings, kind, number, type Json, type OptionsOf } from '../../settings';
import { positiveInteger as checkCount } from '../../options';
import type { Dimension } from '../space/dimension';
import { countOf, scaleOf, valueAt, type NumericDomain } from '../space/domain';
import type { TrialRecord } from '../study/trial';
import { axesOf, begin, drawStep, update, usualPopulation } from './cma-distribution';
import { whereOf } from '../maker';
import { declareStrategy, requireOneObjective, seed } from './declare';
import { drawValue, pointBy } from './draw';
import { keepMargins, type Widened } from './margin';
import { observer } from './observations';
import { bestOf } from './ranking';
import type { SearchState, Suggestion } from './strategy';

const NAME = 'cmaEs';
/** What trials note: `{ generation, drawn, parents }`. */
const NOTE = `tenon:${NAME}`;

const population = kind<number>({
  check: (where, name, value) => {
    const count = checkCount(where, name, value);
    if (count >= 2) return count;
    throw new OptionError(`${where}: ${name} must be at least 2, got ${count}`);
  },
  domain: { type: 'integer', minimum: 2 },
});

const settings = declareSettings({
  seed,
  population: population('Trials of each generation; default: 4 + 3 ln(numeric dimensions).', {
    optional: true,
  }),
  sigma: number({ exclusiveMinimum: 0, maximum: 1 })(
    'Standard deviation of the first generation around the middle, as a share of each range.',
    { default: 1 / 6 },
  ),
});

export type CmaEsOptions = OptionsOf<typeof settings>;

/** A numeric dimension as an interval from 0 to 1. */
interface Axis {
  readonly name: string;
  readonly valueOf: (place: number) => number;
  /** Between neighbouring values; none for real numbers. */
  readonly thresholds: readonly number[];
}

/** More values of a whole number than this are as good as real: the margin does not matter. */
const MOST_THRESHOLDS = 1000;

function axisOf(name: string, domain: NumericDomain): Axis {
  const { low, high, to, from } = scaleOf(domain);
  const { step } = domain;
  const count = countOf(domain) - 1;
  const thresholds =
    step === undefined || count > MOST_THRESHOLDS
      ? []
      : Array.from({ length: count }, (_, i) => (to(valueAt(domain, i) + step / 2) - low) / (high - low));
  return { name, valueOf: (place) => from(low + place * (high - low)), thresholds };
}

/** Dimensions with numbers that always exist. Others are drawn at random. */
function axesIn(dimensions: readonly Dimension[]): Axis[] {
  return dimensions.flatMap(({ name, domain, when }) =>
    when.length > 0 || domain.type === 'choice' || countOf(domain) === 1 ? [] : [axisOf(name, domain)],
  );
}

/** A trial that was drawn from the distribution of a generation. */
interface Drawn {
  readonly trial: TrialRecord;
  readonly generation: number;
  /** Before the margin and rounding. */
  readonly drawn: readonly number[];
  /** The numbers of the trials that made its generation's distribution of the one before. */
  readonly parents: readonly number[];
}

function drawnOf(trial: TrialRecord, axes: readonly Axis[]): Drawn | undefined {
  const note = trial.notes[NOTE];
  if (typeof note !== 'object' || note === null || Array.isArray(note)) return undefined;
  const { generation, drawn, parents } = note as Readonly<Record<string, Json>>;
  if (typeof generation !== 'number' || typeof drawn !== 'object' || drawn === null) return undefined;
  const places = axes.map(({ name }) => (drawn as Readonly<Record<string, Json>>)[name]);
  const isPlace = (place: unknown): place is number => typeof place === 'number' && Number.isFinite(place);
  if (!places.every(isPlace)) return undefined;
  return { trial, generation, drawn: places, parents: Array.isArray(parents) ? (parents as number[]) : [] };
}

/** What the next trial is drawn from, and the trials that made it of the generation before. */
interface Present extends Widened {
  readonly parents: readonly number[];
}

/** The distribution after all generations that are finished. */
function replay(state: SearchState, axes: readonly Axis[], sigma: number, count: number): Present {
  const observed = observer(state.dimensions);
  const all = state.trials
    .filter((trial) => axes.every(({ name }) => name in observed(trial)))
    .flatMap((trial) => drawnOf(trial, axes) ?? []);
  const byGeneration = new Map<number, Drawn[]>();
  for (const one of all) byGeneration.set(one.generation, [...(byGeneration.get(one.generation) ?? []), one]);
  // The probability of leaving a value (Hamano et al.).
  const least = 1 / (axes.length * count);
  const widen = (widened: Widened): Widened =>
    keepMargins(
      widened,
      axes.map(({ thresholds }) => thresholds),
      least,
    );
  const first = begin(
    axes.map(() => 0.5),
    sigma,
  );
  let present: Present = { ...widen({ distribution: first, widening: axes.map(() => 1) }), parents: [] };
  for (;;) {
    const { distribution, widening } = present;
    const parents = parentsOf(byGeneration, distribution.generation, count);
    if (parents === undefined) return present;
    const trials = parents.map(({ trial }) => trial);
    const places = new Map(parents.map(({ trial, drawn }) => [trial, drawn]));
    const ranked = bestOf(trials, state.directions, count).map((trial) => places.get(trial)!);
    const next = widen({ distribution: update(distribution, ranked), widening });
    present = { ...next, parents: trials.map(({ number }) => number) };
  }
}

/**
 * The trials that a generation is followed by: those that the first trial of the next one names, so that
 * every process computes the same; else the first that are finished, once there are enough.
 */
function parentsOf(
  byGeneration: ReadonlyMap<number, readonly Drawn[]>,
  generation: number,
  count: number,
): Drawn[] | undefined {
  const finished = (byGeneration.get(generation) ?? []).filter(
    ({ trial: { state } }) => state === 'complete' || state === 'pruned',
  );
  const named = new Set(byGeneration.get(generation + 1)?.[0]?.parents);
  const parents = finished.filter(({ trial }) => named.has(trial.number));
  if (parents.length === count) return parents;
  return finished.length < count ? undefined : finished.slice(0, count);
}

/** How often a point outside of the ranges is drawn again, before it is moved to their ends. */
const MOST_DRAWS = 100;

function draw(
  { distribution, widening }: Present,
  { random }: SearchState,
): { drawn: number[]; places: number[] } {
  const axes = axesOf(distribution);
  const { mean, sigma } = distribution;
  for (let i = 0; ; i++) {
    const step = drawStep(axes, random);
    const places = step.map((y, k) => mean[k]! + sigma * widening[k]! * y);
    const inside = places.every((place) => place >= 0 && place <= 1);
    if (!inside && i < MOST_DRAWS) continue;
    const clipped = places.map((place) => Math.min(Math.max(place, 0), 1));
    return {
      drawn: clipped.map((place, k) => mean[k]! + (place - mean[k]!) / widening[k]!),
      places: clipped,
    };
  }
}

function suggest(state: SearchState, sigma: number, given: number | undefined): Suggestion {
  const { dimensions, fixed = {}, random } = state;
  const axes = axesIn(dimensions);
  const present = replay(state, axes, sigma, given ?? usualPopulation(axes.length));
  const { drawn, places } = draw(present, state);
  const values = new Map(axes.map(({ name, valueOf }, i) => [name, valueOf(places[i]!)]));
  const point = pointBy(
    dimensions,
    fixed,
    ({ name, domain }) => values.get(name) ?? drawValue(domain, random),
  );
  // What somebody else has chosen says nothing about the distribution.
  if (axes.some(({ name }) => fixed[name] !== undefined)) return { point };
  const note = {
    generation: present.distribution.generation,
    drawn: Object.fromEntries(axes.map(({ name }, i) => [name, drawn[i]!])),
    parents: present.parents,
  };
  return { point, notes: { [NOTE]: note } };
}

/**
 * Draws each generation from a normal distribution, which moves to the better half and takes on its shape.
 * For numbers that always exist; choices, and what depends on them, are drawn at random. With more workers
 * than trials in a generation, the surplus tells it nothing.
 *
 * `tune.cmaEs({ population: 8 })`
 *
 * @throws OptionError; also when the study begins, for several objectives and for a space without such a
 *   number
 */
export const cmaEs = declareStrategy(NAME, settings, (values) => ({
  check: (dimensions, directions) => {
    requireOneObjective(NAME, directions);
    if (axesIn(dimensions).length === 0)
      throw new OptionError(
        `${whereOf(NAME)}: the space has no numeric dimension that always exists; tune.tpe searches it`,
      );
  },
  suggest: (state) => suggest(state, values.sigma, values.population),
}));
