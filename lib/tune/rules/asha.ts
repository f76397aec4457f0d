/**
 * Asynchronous successive halving as a rule (Li et al. 2020, "A system for massively parallel hyperparameter
 * tuning"), with the decisions of Optuna 5's SuccessiveHalvingPruner.
 */
import { OptionError } from '../../errors';
import {
  declareSettings,
  nonNegativeInteger,
  number,
  positiveInteger,
  type OptionsOf,
  type ValuesOf,
} from '../../settings';
import type { Report, TrialRecord } from '../study/trial';
import { reportsOf } from './chain';
import { declareRule, isWorse, shown } from './declare';
import type { RuleState } from './rule';

const settings = declareSettings({
  minResource: positiveInteger(
    'The step of the first rung: no trial is stopped before it. Default: a hundredth of the last step of the trial that was complete first, at least 1; before that, no trial is stopped.',
    { optional: true },
  ),
  reductionFactor: number({ minimum: 2 })(
    'One of so many trials passes a rung. Each rung is so many times as far as the one before.',
    { default: 4 },
  ),
  minEarlyStoppingRate: nonNegativeInteger('Rungs that are left out at the beginning.', { default: 0 }),
  bootstrapCount: nonNegativeInteger(
    'How many trials are stopped at a rung before one may pass it. Only together with `minResource`.',
    { default: 0 },
  ),
});

export type AshaOptions = OptionsOf<typeof settings>;

type Values = ValuesOf<typeof settings>;

interface Rungs {
  readonly first: number;
  /** Trials that count. */
  readonly trials: readonly TrialRecord[];
}

/** Where the first rung is, as long as anybody can say. */
function rungsOf({ trials }: RuleState, { minResource }: Values): Rungs | undefined {
  if (minResource !== undefined) return { first: minResource, trials };
  const complete = trials.filter(({ state, reports }) => state === 'complete' && reports.length > 0);
  const ended = ({ ended: time = -Infinity }: TrialRecord): number => time;
  const [first] = complete.sort((a, b) => ended(a) - ended(b) || a.number - b.number);
  if (first === undefined) return undefined;
  return {
    first: Math.max(1, Math.floor(first.reports.at(-1)!.step / 100)),
    // Those that ended before there were rungs did not compete at them.
    trials: trials.filter((trial) => trial.state === 'running' || ended(trial) > ended(first)),
  };
}

/** Which report completed a rung: the first at its step or behind. */
function completing(reports: readonly Report[], step: number): number {
  return reports.findIndex((report) => report.step >= step);
}

/**
 * What other trials of all reported when they completed a rung; `before` is the step of the rung before it.
 */
function competing(
  { trial: self, trials: all }: RuleState,
  trials: readonly TrialRecord[],
  step: number,
  before: number,
): number[] {
  return trials.flatMap((trial) => {
    if (trial.number === self.number) return [];
    const reports = reportsOf(trial, all);
    const at = completing(reports, step);
    const value = reports[at]?.value ?? NaN;
    // It may have completed the rung in the trial that it continues, which counts by itself.
    if (Number.isNaN(value) || at < reports.length - trial.reports.length) return [];
    // One report may complete several rungs. A trial that ended with it was stopped at the first of them.
    const ended = trial.state === 'pruned' && at === reports.length - 1;
    return ended && completing(reports, before) === at ? [] : [value];
  });
}

/** Why a trial does not pass a rung that its last report, `value`, completes. */
function stopsAt(
  state: RuleState,
  others: readonly number[],
  value: number,
  values: Values,
): string | undefined {
  const { direction } = state;
  const all = [...others, value].sort((a, b) => a - b);
  if (direction === 'maximize') all.reverse();
  if (all.length <= values.bootstrapCount)
    return `it is among the first ${values.bootstrapCount} trials there`;
  const passing = Math.max(1, Math.floor(all.length / values.reductionFactor));
  const bound = all[passing - 1]!;
  if (!isWorse(value, bound, direction)) return undefined;
  return `${shown(value)} is not among the best ${passing} of ${all.length}, which end at ${shown(bound)}`;
}

function decide(state: RuleState, values: Values): string | undefined {
  const { trial } = state;
  const last = trial.reports.at(-1);
  const rungs = rungsOf(state, values);
  if (last === undefined || rungs === undefined) return undefined;
  const stepOf = (rung: number): number =>
    rungs.first * values.reductionFactor ** (values.minEarlyStoppingRate + rung);
  for (let rung = 0; last.step >= stepOf(rung); rung++) {
    const step = stepOf(rung);
    // It passed this rung with an earlier report.
    if (completing(trial.reports, step) < trial.reports.length - 1) continue;
    if (Number.isNaN(last.value)) return `the report is NaN at rung ${rung}`;
    const before = rung === 0 ? Infinity : stepOf(rung - 1);
    const others = competing(state, rungs.trials, step, before);
    const reason = stopsAt(state, others, last.value, values);
    if (reason !== undefined) return `rung ${rung}, step ${step}: ${reason}`;
  }
  return undefined;
}

/**
 * Stops trials at rungs, which are at the steps `minResource`, `minResource` x `reductionFactor`, and so on.
 * A trial passes a rung where its report there is among the best 1 / `reductionFactor` of all that have
 * reported there so far, and otherwise ends. Nobody waits: decisions are made with what is known, and the
 * first trials at a rung pass.
 *
 * `tune.asha({ minResource: 1, reductionFactor: 3 })`
 *
 * @throws OptionError; also for `bootstrapCount` without `minResource`
 */
export const asha = declareRule('asha', settings, (values) => {
  if (values.bootstrapCount > 0 && values.minResource === undefined)
    throw new OptionError('tune.asha: bootstrapCount needs minResource');
  return (state) => decide(state, values);
});
