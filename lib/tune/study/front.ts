/** The trials that no other trial beats in every objective. */
import { frontsOf } from '../strategies/hypervolume';
import { lossesOf } from '../strategies/ranking';
import type { Direction, TrialRecord } from './trial';

/** Complete trials on the Pareto front, by number; of equal ones all. What is not a number is worst. */
export function frontOf<T extends TrialRecord>(trials: readonly T[], directions: readonly Direction[]): T[] {
  const complete = trials.filter(
    ({ state, values }) => state === 'complete' && values?.length === directions.length,
  );
  const [front = []] = frontsOf(
    complete.map((trial) => lossesOf(trial, directions)),
    1,
  );
  return front.map((i) => complete[i]!);
}

/** The best of the complete trials in one objective; of equal ones the first. */
export function bestOf<T extends TrialRecord>(trials: readonly T[], direction: Direction): T | undefined {
  let best: { readonly trial: T; readonly value: number } | undefined;
  for (const trial of trials) {
    const value = trial.values?.[0];
    if (trial.state !== 'complete' || value === undefined || Number.isNaN(value)) continue;
    const better = best === undefined || (direction === 'maximize' ? value > best.value : value < best.value);
    if (better) best = { trial, value };
  }
  return best?.trial;
}
