/**
 * Decisions beside those of Optuna 5's pruners, on the same sequences of
 * reports (test/fixtures/make_pruners.py).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rules } from '../../../lib/tune/rules/registry';
import type { Rule } from '../../../lib/tune/rules/rule';
import type { Direction, Report, TrialRecord, TrialState } from '../../../lib/tune/study/trial';
import { trialOf } from '../strategies/harness';

interface Run {
  readonly rule: string;
  readonly settings: object;
  readonly direction: Direction;
  /** `STATE STEP:VALUE STEP:VALUE ...`; a pruned trial was ended at its last report. */
  readonly trials: readonly string[];
}

const path = join(__dirname, '../../fixtures/pruners.json');
const { values: runs } = JSON.parse(readFileSync(path, 'utf8')) as { values: readonly Run[] };

function valueOf(text: string): number {
  return text.endsWith('inf') ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text);
}

function parse(text: string, number: number): TrialRecord {
  const [state, ...reports] = text.split(' ');
  return trialOf(
    number,
    [],
    {},
    {
      state: state as TrialState,
      ended: number,
      reports: reports.map((report): Report => {
        const [step = '', value = ''] = report.split(':');
        return { step: Number(step), value: valueOf(value) };
      }),
    },
  );
}

/** After how many reports the rule ends the trial; Infinity: it does not. */
function endOf(rule: Rule, trial: TrialRecord, before: readonly TrialRecord[], direction: Direction): number {
  for (let count = 1; count <= trial.reports.length; count++) {
    const { ended: _, ...rest } = trial;
    const now: TrialRecord = { ...rest, state: 'running', reports: trial.reports.slice(0, count) };
    if (rule.stops({ trial: now, trials: [...before, now], direction }) !== undefined) return count;
  }
  return Infinity;
}

it.each(runs.map((run) => [`${run.rule}(${JSON.stringify(run.settings)}), ${run.direction}`, run] as const))(
  '%s decides as Optuna does',
  (_, { rule: name, settings, direction, trials: texts }) => {
    const rule = rules[name]!(settings);
    const trials = texts.map(parse);
    const expected = trials.map(({ state, reports }) => (state === 'pruned' ? reports.length : Infinity));
    const ends = trials.map((trial, i) => endOf(rule, trial, trials.slice(0, i), direction));
    expect(ends).toEqual(expected);
    // Trials end at several places, or the run would show little.
    expect(new Set(ends).size).toBeGreaterThan(2);
  },
);
