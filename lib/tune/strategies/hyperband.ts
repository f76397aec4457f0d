/** Hyperband (Li et al. 2018, "Hyperband: a novel bandit-based approach to hyperparameter optimization"). */
import { declareSettings, positiveInteger, type OptionsOf } from '../../settings';
import { promotionsOf, rungsOf, type Rung } from './brackets';
import { declareStrategy } from './declare';
import { checkResources, halvingSettings, halvingStrategy, suggestHalving, type Bracket } from './halving';

const NAME = 'hyperband';

const settings = declareSettings({
  ...halvingSettings,
  rounds: positiveInteger('How many times all brackets are run. Default: again and again.', {
    optional: true,
  }),
});

export type HyperbandOptions = OptionsOf<typeof settings>;

/**
 * Rounds of brackets of successive halving, from many trials of small budgets to few that run with
 * `maxResource` from the start, each bracket about as costly as the others: how long it takes until a trial
 * shows what it is worth need not be known. A promotion continues the checkpoint of the trial that it
 * promotes (`trial.continues`). While a rung waits for its trials, other workers begin the next bracket.
 * `tune.hyperband({ base: 'tpe' })` is BOHB (Falkner et al. 2018): new points come from a model of the trials
 * at the highest budget that has enough `observations`, but for a third of them (`randomFraction`), which are
 * drawn at random.
 *
 * `tune.hyperband({ maxResource: 27, base: 'tpe' })`
 *
 * @throws OptionError; also when the study begins, for several objectives
 */
export const hyperband = declareStrategy(NAME, settings, (values) => {
  const { minResource, maxResource, reductionFactor, rounds = Infinity } = values;
  checkResources(NAME, minResource, maxResource);
  const most = promotionsOf(minResource, maxResource, reductionFactor);
  // Algorithm 1: n = ceil(B / R * factor^s / (s + 1)), where B = (most + 1) R.
  const rungs = Array.from({ length: most + 1 }, (_, s): Rung[] =>
    rungsOf(Math.ceil(((most + 1) * reductionFactor ** s) / (s + 1)), s, maxResource, reductionFactor),
  );
  function* brackets(): Generator<Bracket> {
    for (let round = 0; round < rounds; round++)
      for (let bracket = most; bracket >= 0; bracket--) yield { round, bracket, rungs: rungs[bracket]! };
  }
  const halving = { ...values, name: NAME, brackets };
  return halvingStrategy(halving, (state) => suggestHalving(state, halving));
});
