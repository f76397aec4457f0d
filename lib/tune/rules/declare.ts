/** What the makers of rules share: declared settings, a name for the command line and the log. */
import type { Declared, OptionsOf, Settings, ValuesOf } from '../../settings';
import type { Direction, Report } from '../study/trial';
import type { Rule } from './rule';

/** A function of `tune` that makes a rule, `tune.median`, with the declaration of its options. */
export interface RuleMaker<D extends Declared> {
  /** @throws OptionError */
  (options?: OptionsOf<D>): Rule;
  readonly kind: string;
  readonly settings: Settings<D>;
}

/** Declares a rule: `make` gets its settings, checked and with defaults, and returns what the rule asks. */
export function declareRule<D extends Declared>(
  name: string,
  settings: Settings<D>,
  make: (values: ValuesOf<D>) => Rule['stops'],
): RuleMaker<D> {
  const maker = (options?: OptionsOf<D>): Rule => {
    const values = settings.read(`tune.${name}`, options);
    return { name, settings: settings.toJson(values), stops: make(values) };
  };
  return Object.assign(maker, { kind: name, settings });
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
