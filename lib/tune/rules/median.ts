/** Ends trials that do worse than the median of others (Golovin et al. 2017, "Google Vizier", 3.2.2). */
import { declareSettings, type OptionsOf } from '../../settings';
import { declareRule } from './declare';
import { shared, stopsBelow } from './percentile';

const settings = declareSettings(shared);

export type MedianOptions = OptionsOf<typeof settings>;

/**
 * Stops a trial whose best report so far is worse than the median of what complete trials reported at the
 * same step, as Optuna's MedianPruner does.
 *
 * `tune.median({ startup: 5, warmup: 2 })`
 *
 * @throws OptionError
 */
export const median = declareRule(
  'median',
  settings,
  (values) => (state) => stopsBelow(state, 50, values, 'the median'),
);
