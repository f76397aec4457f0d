/** Ends trials that do worse than others did at the same step: the rules of Optuna 5's PercentilePruner. */
import {
  declareSettings,
  nonNegativeInteger,
  number,
  positiveInteger,
  type OptionsOf,
  type ValuesOf,
} from '../../settings';
import type { Report } from '../study/trial';
import { bestReport, declareRule, isWorse, shown } from './declare';
import type { RuleState } from './rule';

/** The settings of `tune.percentile` and `tune.median`. */
export const shared = {
  startup: nonNegativeInteger('Complete trials before the first is stopped.', { default: 5 }),
  warmup: nonNegativeInteger('Steps below this one never stop a trial.', { default: 0 }),
  interval: positiveInteger(
    'Steps between two decisions, counted from `warmup`. Where a trial does not report at one of them, its next report is decided on.',
    { default: 1 },
  ),
  minTrials: positiveInteger('Complete trials that must have reported at the step.', { default: 1 }),
};

const settings = declareSettings({
  percentile: number({ minimum: 0, maximum: 100 })(
    'How many of 100 trials are kept: 25 keeps what would be among the best quarter.',
  ),
  ...shared,
});

export type PercentileOptions = OptionsOf<typeof settings>;

/** Whether the last report is the first since the step at which a decision was due. */
function isDue(reports: readonly Report[], warmup: number, interval: number): boolean {
  const { step } = reports.at(-1)!;
  const before = reports.at(-2)?.step ?? -1;
  return before < Math.floor((step - warmup) / interval) * interval + warmup;
}

/** Between neighbours, as NumPy's percentile. `values` are sorted and not empty. */
function quantile(values: readonly number[], share: number): number {
  const place = share * (values.length - 1);
  const below = Math.floor(place);
  const low = values[below]!;
  const high = values[below + 1] ?? low;
  const part = place - below;
  if (low === high || part === 0) return low;
  return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part);
}

/** What complete trials reported at a step, without NaN, rising. */
function reportsAt(
  { trials }: RuleState,
  step: number,
): { readonly count: number; readonly sorted: number[] } {
  const values = trials
    .filter(({ state }) => state === 'complete')
    .flatMap(({ reports }) => reports.find((report) => report.step === step)?.value ?? []);
  return {
    count: values.length,
    sorted: values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b),
  };
}

/** Why the trial should end: its best report is worse than a percentile of the others at its last step. */
export function stopsBelow(
  state: RuleState,
  percentile: number,
  { startup, warmup, interval, minTrials }: ValuesOf<typeof shared>,
  name: string,
): string | undefined {
  const { trial, direction } = state;
  const last = trial.reports.at(-1);
  if (last === undefined || last.step < warmup || !isDue(trial.reports, warmup, interval)) return undefined;
  const complete = state.trials.filter((other) => other.state === 'complete').length;
  if (complete === 0 || complete < startup) return undefined;
  const best = bestReport(trial.reports, direction);
  if (best === undefined) return 'all of its reports are NaN';
  const { count, sorted } = reportsAt(state, last.step);
  if (count < minTrials || sorted.length === 0) return undefined;
  const bound = quantile(sorted, (direction === 'minimize' ? percentile : 100 - percentile) / 100);
  if (!isWorse(best, bound, direction)) return undefined;
  return `its best report, ${shown(best)}, is worse than ${name} of others at step ${last.step}, ${shown(bound)}`;
}

/**
 * Stops a trial whose best report so far is worse than a percentile of what complete trials reported at the
 * same step, as Optuna's PercentilePruner does. A trial whose reports are all NaN is stopped, too.
 *
 * `tune.percentile({ percentile: 25, warmup: 2 })`
 *
 * @throws OptionError
 */
export const percentile = declareRule(
  'percentile',
  settings,
  (values) => (state) =>
    stopsBelow(state, values.percentile, values, `the percentile ${shown(values.percentile)}`),
);
