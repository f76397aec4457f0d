/** Synchronous successive halving (Jamieson & Talwalkar 2016, "Non-stochastic best arm identification"). */
import { declareSettings, positiveInteger, type OptionsOf } from '../../settings';
import { promotionsOf, rungsOf } from './brackets';
import { declareStrategy } from './declare';
import { checkResources, halvingSettings, halvingStrategy, type Bracket } from './halving';

const NAME = 'successiveHalving';

const settings = declareSettings({
  ...halvingSettings,
  trials: positiveInteger(
    'New points of a round. Default: as many as leave one at the end, 81 with the other defaults.',
    { optional: true },
  ),
  rounds: positiveInteger('How many times it begins anew with new points.', { default: 1 }),
});

export type SuccessiveHalvingOptions = OptionsOf<typeof settings>;

/**
 * Runs `trials` new points with a small budget, promotes the best of every `reductionFactor` to a budget that
 * many times as large, and so on until `maxResource`. A promotion is a trial of its own, which continues the
 * checkpoint of the trial that it promotes (`trial.continues`). A rung is decided when all of its trials have
 * ended; workers wait for that. Failed and pruned trials are not promoted and hold nothing up.
 *
 * `tune.successiveHalving({ trials: 27, maxResource: 27 })`
 *
 * @throws OptionError; also when the study begins, for several objectives
 */
export const successiveHalving = declareStrategy(NAME, settings, (values) => {
  const { minResource, maxResource, reductionFactor, rounds } = values;
  checkResources(NAME, minResource, maxResource);
  const bracket = promotionsOf(minResource, maxResource, reductionFactor);
  const trials = values.trials ?? Math.ceil(reductionFactor ** bracket);
  const rungs = rungsOf(trials, bracket, maxResource, reductionFactor);
  function* brackets(): Generator<Bracket> {
    for (let round = 0; round < rounds; round++) yield { round, bracket, rungs };
  }
  return halvingStrategy({ ...values, name: NAME, brackets });
});
