/** The trials that no other trial beats in every objective. */
import type { Direction, TrialRecord } from './trial';

/** Whether `a` is at least as good as `b` everywhere, and better somewhere. */
export function dominates(
  a: readonly number[],
  b: readonly number[],
  directions: readonly Direction[],
): boolean {
  let better = false;
  for (const [i, direction] of directions.entries()) {
    const gain = ((a[i] ?? NaN) - (b[i] ?? NaN)) * (direction === 'maximize' ? 1 : -1);
    if (!(gain >= 0)) return false;
    if (gain > 0) better = true;
  }
  return better;
}

/** Complete trials on the Pareto front, by number; of equal ones all. */
export function frontOf<T extends TrialRecord>(trials: readonly T[], directions: readonly Direction[]): T[] {
  let front: T[] = [];
  for (const trial of trials) {
    const { values } = trial;
    if (trial.state !== 'complete' || values?.length !== directions.length) continue;
    if (front.some((other) => dominates(other.values ?? [], values, directions))) continue;
    front = front.filter((other) => !dominates(values, other.values ?? [], directions));
    front.push(trial);
  }
  return front;
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
