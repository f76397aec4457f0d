/** Runs trials in this process, one at a time. */
import { AbortedError, TrialPruned } from '../../errors';
import { checkFunction, checkKeys, checkSignal, positiveInteger, messageOf, show } from '../../options';
import type { Outcome, Runnable, StudyTrial } from './runnable';
import { Trial } from './trial';

/** What is searched for: one number, or one for each direction. */
export type Objective<P> = (
  params: P,
  trial: Trial<P>,
) => number | readonly number[] | Promise<number | readonly number[]>;

export interface RunOptions {
  /** How many trials to run. Default: until the strategy has come to its end. */
  readonly trials?: number;
  /** Ends the search. The trial that runs sees it as `trial.signal`, and is recorded as failed. */
  readonly signal?: AbortSignal;
}

/** Milliseconds between two looks at the log while the strategy waits for trials of other workers. */
const WAIT = 200;

export async function* runTrials<P>(
  study: Runnable<P>,
  objective: Objective<P>,
  options: RunOptions,
): AsyncGenerator<StudyTrial<P>, void, undefined> {
  const where = 'study.run';
  checkKeys(where, options, ['trials', 'signal']);
  checkFunction(where, 'objective', objective);
  const trials = options.trials === undefined ? Infinity : positiveInteger(where, 'trials', options.trials);
  const signal = checkSignal(where, options.signal) ?? new AbortController().signal;
  for (let done = 0; done < trials; done++) {
    const taken = await take(study, signal);
    if (taken === undefined) return;
    const outcome = await outcomeOf(study, objective, taken, signal);
    yield await study.finish(taken.number, outcome);
  }
}

async function take<P>(study: Runnable<P>, signal: AbortSignal): Promise<StudyTrial<P> | undefined> {
  for (;;) {
    if (signal.aborted) throw new AbortedError('study.run was aborted', { cause: signal.reason });
    const taken = await study.take();
    if (taken !== 'wait') return taken;
    await new Promise((resolve) => setTimeout(resolve, WAIT));
  }
}

async function outcomeOf<P>(
  study: Runnable<P>,
  objective: Objective<P>,
  taken: StudyTrial<P>,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    const result: unknown = await objective(taken.params, new Trial(study, taken, signal));
    return judge(result, study.directions.length);
  } catch (error) {
    if (error instanceof TrialPruned) return { state: 'pruned', reason: error.message };
    return { state: 'failed', error: messageOf(error) };
  }
}

/** What an objective returned, which may be anything. */
export function judge(result: unknown, count: number): Outcome {
  const values: readonly unknown[] = Array.isArray(result) ? result : [result];
  const numbers = values.filter((value): value is number => Number.isFinite(value));
  if (numbers.length === values.length && values.length === count)
    return { state: 'complete', values: numbers };
  const expected = count === 1 ? 'a finite number' : `${count} finite numbers`;
  return { state: 'failed', error: `the objective returned ${show(result)}, not ${expected}` };
}
