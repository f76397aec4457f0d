/**
 * Successive halving: synchronous (Jamieson & Talwalkar 2016, "Non-stochastic best arm identification and
 * hyperparameter optimization") or asynchronous (Li et al. 2020).
 */
import { OptionError } from '../../errors';
import { bool, declareSettings, positiveInteger, type OptionsOf } from '../../settings';
import { whereOf } from '../maker';
import { suggestAsynchronous } from './asynchronous-halving';
import { promotionsOf, rungsOf } from './brackets';
import { declareStrategy } from './declare';
import { checkResources, halvingSettings, halvingStrategy, suggestHalving, type Bracket } from './halving';

const NAME = 'successiveHalving';

const settings = declareSettings({
  ...halvingSettings,
  trials: positiveInteger(
    'New points of a round. Default: as many as leave one at the end, 81 with the other defaults; without end where it is asynchronous.',
    { optional: true },
  ),
  rounds: positiveInteger('How many times it begins anew with new points.', { default: 1 }),
  asynchronous: bool(
    'Whether a trial is promoted as soon as it is among the best of those that have ended at its rung so far, so that no worker waits.',
    { default: false },
  ),
});

export type SuccessiveHalvingOptions = OptionsOf<typeof settings>;

/**
 * Runs `trials` new points with a small budget, promotes the best of every `reductionFactor` to a budget that
 * many times as large, and so on until `maxResource`. A promotion is a trial of its own, which continues the
 * checkpoint of the trial that it promotes (`trial.continues`). A rung is decided when all of its trials have
 * ended; workers wait for that. Failed and pruned trials are not promoted and hold nothing up.
 *
 * With `asynchronous` it is ASHA: a worker promotes a trial that is among the best 1 / `reductionFactor` of
 * those that have ended at its rung so far, the highest rung first, and begins a new one where there is none.
 * It never waits, and goes on without end unless `trials` is given. (`tune.asha`, the rule, stops trials
 * instead, and needs no checkpoints.)
 *
 * `tune.successiveHalving({ trials: 27, maxResource: 27 })`
 * `tune.successiveHalving({ asynchronous: true, maxResource: 27 })`
 *
 * @throws OptionError, also for several rounds of what is asynchronous; and when the study begins, for
 *   several objectives
 */
export const successiveHalving = declareStrategy(NAME, settings, (values) => {
  const { minResource, maxResource, reductionFactor, rounds, asynchronous } = values;
  checkResources(NAME, minResource, maxResource);
  if (asynchronous && rounds > 1)
    throw new OptionError(`${whereOf(NAME)}: an asynchronous search has one round, got rounds: ${rounds}`);
  const bracket = promotionsOf(minResource, maxResource, reductionFactor);
  const trials = values.trials ?? (asynchronous ? Infinity : Math.ceil(reductionFactor ** bracket));
  const rungs = rungsOf(trials, bracket, maxResource, reductionFactor);
  if (asynchronous) {
    // Promotions that later trials show to be wrong may fill a rung beyond its share.
    const filled = rungs.map((rung, i) => (i === 0 ? rung : { ...rung, trials: Infinity }));
    const only = { round: 0, bracket, rungs: filled };
    const halving = { ...values, name: NAME, bracket: only, brackets: () => [only] };
    return halvingStrategy(halving, (state) => suggestAsynchronous(state, halving));
  }
  function* brackets(): Generator<Bracket> {
    for (let round = 0; round < rounds; round++) yield { round, bracket, rungs };
  }
  const halving = { ...values, name: NAME, brackets };
  return halvingStrategy(halving, (state) => suggestHalving(state, halving));
});
