/** The strategy within another one: what suggests new points where that one decides about budgets. */
import { OptionError } from '../../errors';
import { show } from '../../options';
import { kind, type Json } from '../../settings';
import { NOTE } from '../study/notes';
import type { TrialRecord } from '../study/trial';
import { gp } from './gp/gp';
import { random } from './random';
import type { SearchState, Strategy } from './strategy';
import { tpe } from './tpe';

const BASES = { random, tpe, gp };
type BaseName = keyof typeof BASES;
const names = Object.keys(BASES);

const isBase = (name: unknown): name is BaseName => typeof name === 'string' && Object.hasOwn(BASES, name);

function isStrategy(value: unknown): value is Strategy {
  if (typeof value !== 'object' || value === null) return false;
  return 'name' in value && 'suggest' in value && typeof value.suggest === 'function';
}

/** A strategy by name, with its defaults, or as it was made. */
export const baseOf = kind<Strategy, BaseName | Strategy>({
  check: (where, name, value) => {
    if (isBase(value)) return BASES[value]();
    if (isStrategy(value) && isBase(value.name)) return value;
    throw new OptionError(
      `${where}: ${name} must be one of ${names.join(', ')}, or a strategy that tune.${names.join(' or tune.')} made, got ${show(value)}`,
    );
  },
  domain: { type: 'choice', choices: names },
  toJson: ({ name, settings }): Json => (Object.keys(settings).length === 0 ? name : { name, ...settings }),
  fromJson: (json) => {
    if (typeof json !== 'object' || json === null || !('name' in json) || !isBase(json.name)) return json;
    const make = BASES[json.name];
    const values = make.settings.fromJson(make.kind, json);
    return make(values);
  },
});

const isFinished = ({ state }: TrialRecord): boolean => state === 'complete' || state === 'pruned';

/** What a trial was meant to run; Infinity where nobody said. */
export function budgetOf({ notes }: TrialRecord): number {
  const budget = notes[NOTE.budget];
  return typeof budget === 'number' ? budget : Infinity;
}

/**
 * The trials that a model may learn from: those of one budget, since values after different budgets do
 * not compare. It is the highest budget that has `enough` finished trials, as in BOHB (Falkner et al. 2018),
 * or the one that has most. Trials that run count, too, so that workers spread out.
 */
export function comparable({ trials }: SearchState, enough: number): TrialRecord[] {
  const counts = new Map<number, number>();
  for (const trial of trials.filter(isFinished)) {
    const budget = budgetOf(trial);
    counts.set(budget, (counts.get(budget) ?? 0) + 1);
  }
  const budgets = [...counts].sort(([a], [b]) => b - a);
  const most = Math.max(0, ...counts.values());
  const [chosen] = budgets.find(([, count]) => count >= Math.min(enough, most)) ?? [];
  return trials.filter((trial) =>
    isFinished(trial) ? budgetOf(trial) === chosen : trial.state === 'running',
  );
}
