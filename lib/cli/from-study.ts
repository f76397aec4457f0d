/** `tenon train --from-study`: the settings of a trial as defaults of a run. */
import { DataError } from '../errors';
import { clip } from '../options';
import { NOTE } from '../tune/study/notes';
import type { Study } from '../tune/study/study';
import { UsageError } from './exit-codes';
import { compatible, type RecipeFlags } from './recipe';
import { openRecorded, withoutPassword } from './recorded-study';
import { givenOf } from './trial-settings';

/**
 * The options with what a trial of the study of `--from-study` ran with, the best one unless `--trial` names
 * another. Options that were given win, and settings of the trial that contradict them are left out.
 * @throws DataError where there is no such study, or no trial of it was completed; UsageError for a trial
 *   that it does not have
 */
export async function withStudy(given: RecipeFlags): Promise<RecipeFlags> {
  const { fromStudy } = given;
  if (fromStudy == null) return given;
  const study = await openRecorded(fromStudy);
  try {
    const { number, params, notes } = trialOf(study, fromStudy, given.trial ?? undefined);
    const budget = notes[NOTE.budget];
    const trained = { ...givenOf(params), ...(typeof budget === 'number' && { epochs: budget }) };
    return {
      ...compatible(trained, given),
      ...given,
      fromStudy: withoutPassword(fromStudy),
      trial: number,
    };
  } finally {
    await study.close();
  }
}

function trialOf(study: Study, name: string, number: number | undefined): Study['trials'][number] {
  const trial = number === undefined ? study.best : study.trials[number];
  if (trial !== undefined && trial.state !== 'waiting') return trial;
  if (number === undefined) throw new DataError(`--from-study: no trial of ${clip(name)} was completed`);
  const last = study.trials.length - 1;
  throw new UsageError(
    trial === undefined
      ? `--trial ${number}: ${clip(name)} has ${last < 0 ? 'no trials' : `the trials 0 to ${last}`}`
      : `--trial ${number} has no settings yet: it waits in ${clip(name)}`,
  );
}
