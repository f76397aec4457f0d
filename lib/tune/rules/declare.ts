/** What the makers of rules share: declared settings, and how values compare. */
import type { Declared, Settings, ValuesOf } from '../../settings';
import { declareMaker, type Maker } from '../maker';
import type { Direction, Report } from '../study/trial';
import type { Rule } from './rule';

/** Declares a rule: `make` gets its settings, checked and with defaults, and returns what the rule asks. */
export function declareRule<D extends Declared>(
  name: string,
  settings: Settings<D>,
  make: (values: ValuesOf<D>) => Rule['stops'],
): Maker<Rule, D> {
  return declareMaker(name, settings, (values): Rule => ({
    name,
    settings: settings.toJson(values),
    stops: make(values),
  }));
}

/** A number in a reason, with as many digits as people read. */
export function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** Whether `a` is a worse value than `b`. False where one of them is NaN. */
export function isWorse(a: number, b: number, direction: Direction): boolean {
  return direction === 'minimize' ? a > b : a < b;
}

/** The best of reports that are numbers; undefined where none is. */
export function bestReport(reports: readonly Report[], direction: Direction): number | undefined {
  let best: number | undefined;
  for (const { value } of reports) {
    if (Number.isNaN(value)) continue;
    if (best === undefined || isWorse(best, value, direction)) best = value;
  }
  return best;
}
