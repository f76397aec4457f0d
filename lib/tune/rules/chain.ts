/** Trainings that went on in another trial: from a checkpoint, or after a worker's death. */
import { NOTE } from '../study/notes';
import type { Report, TrialRecord } from '../study/trial';

/** The trial whose training this one goes on with. A retry has the notes of the trial that it tries again. */
function beforeOf({ number, notes }: TrialRecord, trials: readonly TrialRecord[]): TrialRecord | undefined {
  const before = notes[NOTE.retryOf] ?? notes[NOTE.continues];
  // A log from elsewhere must not lead around in a circle.
  return typeof before === 'number' && before < number ? trials[before] : undefined;
}

/**
 * The reports of a training from its beginning: behind those of the trials that it continues, up to the step
 * at which each of them was left, come the trial's own. Steps count the whole training. A trial that reports
 * from the first step on has begun anew, and has its own reports alone.
 */
export function reportsOf(trial: TrialRecord, trials: readonly TrialRecord[]): readonly Report[] {
  const parts: (readonly Report[])[] = [];
  let first = Infinity;
  for (let one: TrialRecord | undefined = trial; one !== undefined; one = beforeOf(one, trials)) {
    const left = first;
    const part = one.reports.filter(({ step }) => step < left);
    parts.unshift(part);
    first = part[0]?.step ?? first;
  }
  return parts.flat();
}
