// A look at the trials of a study.

/**
 * A trial whose objective throws is recorded as failed, and the search goes on.
 * @param {import('tenon').tune.Study<any>} study
 */
export function requireSuccess({ trials }) {
  const failed = trials.filter(({ state }) => state !== 'complete' && state !== 'pruned');
  if (failed.length > 0 || trials.length === 0) throw new Error(`failed trials: ${JSON.stringify(trials)}`);
}
