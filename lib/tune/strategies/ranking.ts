/** Trials by what became of them, the best first. */
import type { Direction, TrialRecord } from '../study/trial';
import { compare, frontsOf, subsetOf, type Losses } from './hypervolume';

/** A value as something to minimize; what is not a number is worst. */
export function lossOf(value: number | undefined, direction: Direction): number {
  if (value === undefined || Number.isNaN(value)) return Infinity;
  return direction === 'minimize' ? value : -value;
}

/** One for each objective. */
export function lossesOf({ values = [] }: TrialRecord, directions: readonly Direction[]): Losses {
  return directions.map((direction, i) => lossOf(values[i], direction));
}

/** Trials that were pruned late come first, of these the ones with the better last report. */
function prunedScore({ reports }: TrialRecord, direction: Direction): Losses {
  const last = reports.at(-1);
  return last === undefined ? [1, 0] : [-last.step, lossOf(last.value, direction)];
}

/** The best `count` of several objectives: whole fronts, and of the last one those that dominate most. */
function bestOfMany(trials: readonly TrialRecord[], directions: readonly Direction[], count: number) {
  const losses = trials.map((trial) => lossesOf(trial, directions));
  const best: number[] = [];
  for (const front of frontsOf(losses, count)) {
    if (best.length + front.length <= count) best.push(...front);
    else best.push(...partOf(front, losses, count - best.length));
  }
  return best.map((i) => trials[i]!);
}

function partOf(front: readonly number[], losses: readonly Losses[], count: number): number[] {
  if (count <= 0) return [];
  // Equal points add nothing to each other: each is chosen once before any is chosen twice.
  const seen = new Set<string>();
  const unique: number[] = [];
  const twins: number[] = [];
  for (const i of front) {
    const key = losses[i]!.join(' ');
    (seen.has(key) ? twins : unique).push(i);
    seen.add(key);
  }
  if (unique.length <= count) return [...unique, ...twins.slice(0, count - unique.length)];
  // The order of Optuna, for equal volumes.
  const sorted = unique.sort((i, j) => compare(losses[i]!, losses[j]!));
  const points = sorted.map((i) => losses[i]!);
  return subsetOf(points, count, referenceOf(points)).map((k) => sorted[k]!);
}

/** A point that all of them dominate, a tenth beyond the worst in each. */
function referenceOf(points: readonly Losses[]): number[] {
  return points[0]!.map((_, i) => {
    const worst = Math.max(...points.map((point) => point[i]!));
    return Math.max(1.1 * worst, 0.9 * worst) || 1e-12;
  });
}

/**
 * The best `count` of the trials that are complete or pruned. Complete ones come before pruned ones, which
 * are ranked by their last step and then by its report.
 */
export function bestOf(
  trials: readonly TrialRecord[],
  directions: readonly Direction[],
  count: number,
): TrialRecord[] {
  const complete = trials.filter(({ state }) => state === 'complete');
  const [direction = 'minimize'] = directions;
  const order = (score: (trial: TrialRecord) => Losses) => (a: TrialRecord, b: TrialRecord) =>
    compare(score(a), score(b));
  const best =
    directions.length > 1
      ? bestOfMany(complete, directions, count)
      : complete.sort(order((trial) => lossesOf(trial, directions))).slice(0, count);
  const pruned = trials.filter(({ state }) => state === 'pruned');
  pruned.sort(order((trial) => prunedScore(trial, direction)));
  return [...best, ...pruned.slice(0, Math.max(0, count - best.length))];
}
