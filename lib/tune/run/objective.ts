/** Calls an objective and judges what comes of it, in this process or in a worker. */
import { TrialPruned } from '../../errors';
import { messageOf, show } from '../../options';
import type { Outcome } from './runnable';
import type { Trial } from './trial';

/** What is searched for: one number, or one for each direction. */
export type Objective<P> = (
  params: P,
  trial: Trial<P>,
) => number | readonly number[] | Promise<number | readonly number[]>;

export async function outcomeOf<P>(
  objective: Objective<P>,
  trial: Trial<P>,
  directions: number,
): Promise<Outcome> {
  try {
    const result: unknown = await objective(trial.params, trial);
    const reason = trial.stopped;
    return reason === undefined ? judge(result, directions) : { state: 'pruned', reason };
  } catch (error) {
    if (error instanceof TrialPruned) return { state: 'pruned', reason: error.message };
    return { state: 'failed', error: messageOf(error) };
  }
}

/** What an objective returned, which may be anything. */
function judge(result: unknown, count: number): Outcome {
  const values: readonly unknown[] = Array.isArray(result) ? result : [result];
  const numbers = values.filter((value): value is number => Number.isFinite(value));
  if (numbers.length === values.length && values.length === count)
    return { state: 'complete', values: numbers };
  const expected = count === 1 ? 'a finite number' : `${count} finite numbers`;
  return { state: 'failed', error: `the objective returned ${show(result)}, not ${expected}` };
}
