/** `--strategy 'tpe(startup=20)'` and `--rules 'median(warmup=2),diverged'`. */
import { parseCall, splitPieces, valueOf, type Piece } from '../augment/spelling';
import { OptionError } from '../errors';
import { nearest, show } from '../options';
import { kind, type Setting } from '../settings';
import type { AnyMaker } from '../tune/maker';
import { rules } from '../tune/rules/registry';
import type { Rule } from '../tune/rules/rule';
import { strategies } from '../tune/strategies/registry';
import type { Strategy } from '../tune/strategies/strategy';

interface Registry<T> {
  /** What messages call one of them. */
  readonly one: string;
  readonly example: string;
  readonly makers: Readonly<Record<string, AnyMaker<T>>>;
}

const STRATEGIES: Registry<Strategy> = {
  one: 'strategy',
  example: 'a strategy such as tpe(startup=20)',
  makers: strategies,
};
const RULES: Registry<Rule> = { one: 'rule', example: 'rules such as median(warmup=2)', makers: rules };

/** @throws OptionError with the place in the text */
export function parseStrategy(where: string, text: string, seed = 0): Strategy {
  return make(where, { text, at: 0 }, text, STRATEGIES, { seed });
}

/** `none` is the empty list. @throws OptionError with the place in the text */
export function parseRules(where: string, text: string): Rule[] {
  if (text === 'none') return [];
  return splitPieces({ text, at: 0 }, ',').map((piece) => make(where, piece, text, RULES, {}));
}

function make<T>(
  where: string,
  piece: Piece,
  whole: string,
  { one, example, makers }: Registry<T>,
  usual: Readonly<Record<string, unknown>>,
): T {
  const { name, positional, named } = parseCall(where, piece, whole, example);
  const maker = Object.values(makers).find(({ kind: known }) => plain(known) === plain(name));
  if (maker === undefined) {
    const near = nearest(name, Object.keys(makers));
    const meant = near === undefined ? '' : ` (did you mean ${show(near)}?)`;
    throw new OptionError(
      `${where}: there is no ${one} ${show(name)}${meant}; known: ${Object.keys(makers).join(', ')}`,
    );
  }
  const { declared, keys } = maker.settings;
  if (positional.length > 0)
    throw new OptionError(`${where}: ${maker.kind} takes its settings by name: ${keys.join(', ')}`);
  const options: Record<string, unknown> = { ...usual };
  for (const [key, { text }] of named) options[key] = settingOf(declared[key], text);
  return maker(options);
}

/** In any case, and with dashes: `coarse-to-fine`. */
function plain(name: string): string {
  return name.replaceAll('-', '').toLowerCase();
}

/** `2:5` is a list, and so is one number where a list is wanted. */
function settingOf(setting: Setting | undefined, text: string): unknown {
  const value = valueOf(text);
  return setting?.domain.type === 'list' && !Array.isArray(value) ? [value] : value;
}

function checked(parse: (where: string, text: string) => unknown) {
  return kind<string>({
    check: (where, name, value) => {
      if (typeof value !== 'string')
        throw new OptionError(`${where}: ${name} must be a text, got ${show(value)}`);
      parse(name, value);
      return value;
    },
    domain: { type: 'string' },
  });
}

/** Texts that are checked and stay texts. */
export const strategyText = checked(parseStrategy);
export const rulesText = checked(parseRules);

/** For the help. */
export const STRATEGY_NAMES = Object.keys(strategies).join(', ');
export const RULE_NAMES = Object.keys(rules).join(', ');
