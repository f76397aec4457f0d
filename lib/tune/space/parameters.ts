/**
 * What a space is made of: plain frozen data, which is also its form in files.
 *
 * A space is an object of parameters and constants by name. A conditional has a space for each of its
 * branches, of which a trial gets one.
 */
import { OptionError } from '../../errors';
import { bool, checkKeys, checkList, checkObject, finite, positive, show } from '../../options';
import type { Value } from './dimension';

export interface Uniform {
  readonly type: 'uniform';
  readonly low: number;
  readonly high: number;
  readonly step?: number;
}

export interface LogUniform {
  readonly type: 'logUniform';
  readonly low: number;
  readonly high: number;
}

export interface Integer {
  readonly type: 'integer';
  readonly low: number;
  readonly high: number;
  readonly step: number;
  readonly log: boolean;
}

export interface Choice<T extends Value = Value> {
  readonly type: 'choice';
  readonly choices: readonly T[];
}

export interface Conditional<B = Branches> {
  readonly type: 'conditional';
  readonly branches: B;
}

/** The spaces of a conditional by the names of its branches. */
export interface Branches {
  readonly [choice: string]: Space;
}

/** A parameter of a search space. */
export type Parameter = Uniform | LogUniform | Integer | Choice | Conditional;

/** Parameters by name. What is not a parameter is a constant, which each trial gets as it is. */
export interface Space {
  readonly [name: string]: Parameter | Value;
}

/** What a trial gets of one parameter, or of a constant. */
export type SuggestedValue<P> =
  P extends Choice<infer T>
    ? T
    : P extends Conditional<infer B>
      ? { [K in keyof B & string]: { readonly choice: K } & Suggested<B[K]> }[keyof B & string]
      : P extends Uniform | LogUniform | Integer
        ? number
        : P;

/**
 * What a trial of the space `S` gets: numbers, one of the choices, and for a conditional the name of the
 * branch as `choice`, beside the parameters of that branch.
 */
export type Suggested<S> = { readonly [K in keyof S]: SuggestedValue<S[K]> };

/** A study writes the choices of a parameter with each trial, so they should be few. */
const MOST_CHOICES = 1000;
/** Names and texts are written with each trial, too. */
const LONGEST_NAME = 200;
/** Constants are written once. */
const LONGEST_CONSTANT = 10_000;
/** Conditionals within conditionals. */
const DEEPEST = 16;

/**
 * Real numbers from `low` to `high`, all equally likely; with `step` only low, low + step, low + 2 step, ...
 * up to `high`.
 * @throws OptionError unless low <= high are finite and step is above 0
 */
export function uniform(low: number, high: number, options: { readonly step?: number } = {}): Uniform {
  checkKeys('tune.uniform', options, ['step']);
  return uniformOf('tune.uniform', { low, high, ...options });
}

/**
 * Real numbers from `low` to `high` whose logarithms are equally likely: `10 ** uniform(a, b)`, for learning
 * rates and other scales.
 * @throws OptionError unless 0 < low <= high, both finite
 */
export function logUniform(low: number, high: number): LogUniform {
  return logUniformOf('tune.logUniform', { low, high });
}

/**
 * Whole numbers from `low` to `high`, both included.
 * @param options `step` (default 1): only low, low + step, ... up to `high`. `log` (default false): equal
 *   ratios weigh the same; `low` is then at least 1, and `step` is 1
 * @throws OptionError for a range that is empty or not of whole numbers
 */
export function integer(
  low: number,
  high: number,
  options: { readonly step?: number; readonly log?: boolean } = {},
): Integer {
  checkKeys('tune.integer', options, ['step', 'log']);
  return integerOf('tune.integer', { low, high, ...options });
}

/**
 * One of a list of numbers, texts, booleans or null, without an order.
 * @throws OptionError for a list that is empty, longer than 1,000 or names a choice twice
 */
export function choice<const T extends Value>(choices: readonly T[]): Choice<T> {
  return choiceOf('tune.choice', { choices }) as Choice<T>;
}

/**
 * One of several branches, each a space that exists only where the branch was chosen:
 * `conditional({ sgd: { momentum: uniform(0, 0.99) }, adam: {} })` suggests
 * `{ choice: 'sgd', momentum: 0.3 }` or `{ choice: 'adam' }`.
 * @throws OptionError for no branches, and for a branch that is not a space or has a parameter `choice`
 */
export function conditional<const B extends Branches>(branches: B): Conditional<B> {
  return conditionalOf('tune.conditional', { branches }, 0) as Conditional<B>;
}

/**
 * Checks a space, from a program or from a file.
 * @throws OptionError naming the parameter and what is wrong with it
 */
export function readSpace(where: string, space: unknown): Space {
  checkObject(where, 'space', space);
  return entriesOf(`${where}: space`, space, 0);
}

function entriesOf(where: string, entries: object, depth: number): Space {
  if (depth > DEEPEST) throw new OptionError(`${where}: more than ${DEEPEST} conditionals within each other`);
  return frozen(
    Object.entries(entries).map(([name, entry]: [string, unknown]) => {
      checkName(where, name);
      if (depth > 0 && name === 'choice')
        throw new OptionError(`${where}: choice is the branch itself, so no parameter may be called so`);
      return [name, parameterOf(`${where}.${name}`, entry, depth)];
    }),
  );
}

function parameterOf(where: string, entry: unknown, depth: number): Parameter | Value {
  if (typeof entry !== 'object' || entry === null) return valueOf(where, entry, LONGEST_CONSTANT);
  if (Array.isArray(entry))
    throw new OptionError(`${where} is a list; did you mean tune.choice(${show(entry)})?`);
  const type: unknown = 'type' in entry ? entry.type : undefined;
  if (typeof type !== 'string' || !Object.hasOwn(KINDS, type))
    throw new OptionError(
      `${where}: type must be one of ${Object.keys(KINDS).join(', ')}, got ${show(type)}; ` +
        `a branch or a group of parameters is written tune.conditional({ ... })`,
    );
  const { keys, of } = KINDS[type as Parameter['type']];
  checkKeys(where, entry, ['type', ...keys]);
  return of(where, entry as Fields, depth);
}

type Fields = Readonly<Record<string, unknown>>;

const KINDS: Readonly<
  Record<
    Parameter['type'],
    {
      readonly keys: readonly string[];
      readonly of: (where: string, fields: Fields, depth: number) => Parameter;
    }
  >
> = {
  uniform: { keys: ['low', 'high', 'step'], of: uniformOf },
  logUniform: { keys: ['low', 'high'], of: logUniformOf },
  integer: { keys: ['low', 'high', 'step', 'log'], of: integerOf },
  choice: { keys: ['choices'], of: choiceOf },
  conditional: { keys: ['branches'], of: conditionalOf },
};

/** `low` and `high`, in order and not further apart than a number can say. */
function rangeOf(where: string, fields: Fields): { low: number; high: number } {
  const low = finite(where, 'low', fields['low']);
  const high = finite(where, 'high', fields['high']);
  if (low > high) throw new OptionError(`${where}: low must not be above high, got ${low} and ${high}`);
  if (!Number.isFinite(high - low)) throw new OptionError(`${where}: ${low} to ${high} is too wide a range`);
  return { low, high };
}

function uniformOf(where: string, fields: Fields): Uniform {
  const { low, high } = rangeOf(where, fields);
  if (fields['step'] === undefined) return Object.freeze({ type: 'uniform', low, high });
  const step = positive(where, 'step', fields['step']);
  return Object.freeze({ type: 'uniform', low, high: lastStep(low, high, step), step });
}

/** The last of low, low + step, ... that is not above high, but for rounding. */
function lastStep(low: number, high: number, step: number): number {
  const steps = (high - low) / step;
  const whole = Math.round(steps);
  return Math.abs(steps - whole) < 1e-9 * Math.max(1, whole) ? high : low + Math.floor(steps) * step;
}

function logUniformOf(where: string, fields: Fields): LogUniform {
  const { low, high } = rangeOf(where, fields);
  requireAboveZero(where, low);
  return Object.freeze({ type: 'logUniform', low, high });
}

function requireAboveZero(where: string, low: number): void {
  if (low <= 0) throw new OptionError(`${where}: low must be above 0 for a logarithmic range, got ${low}`);
}

function integerOf(where: string, fields: Fields): Integer {
  const { low, high } = rangeOf(where, fields);
  const step = fields['step'] === undefined ? 1 : fields['step'];
  const log = bool(where, 'log', fields['log'] === undefined ? false : fields['log']);
  for (const [name, value] of Object.entries({ low, high, step }))
    if (!Number.isSafeInteger(value))
      throw new OptionError(`${where}: ${name} must be a whole number, got ${show(value)}`);
  const by = positive(where, 'step', step);
  if (log) requireAboveZero(where, low);
  if (log && by !== 1) throw new OptionError(`${where}: a logarithmic range has the step 1, got ${by}`);
  return Object.freeze({ type: 'integer', low, high: high - ((high - low) % by), step: by, log });
}

function choiceOf(where: string, fields: Fields): Choice {
  const { choices } = fields;
  checkList(where, 'choices', choices);
  if (choices.length === 0) throw new OptionError(`${where}: choices must have at least one choice`);
  if (choices.length > MOST_CHOICES)
    throw new OptionError(`${where}: at most ${MOST_CHOICES} choices, got ${choices.length}`);
  const values = Array.from(choices, (value, i) => valueOf(`${where}: choice ${i}`, value));
  const twice = values.find((value, i) => values.indexOf(value) < i);
  if (twice !== undefined) throw new OptionError(`${where}: the choice ${show(twice)} comes twice`);
  return Object.freeze({ type: 'choice', choices: Object.freeze(values) });
}

function conditionalOf(where: string, fields: Fields, depth: number): Conditional {
  const { branches } = fields;
  checkObject(where, 'branches', branches);
  const names = Object.keys(branches);
  if (names.length === 0) throw new OptionError(`${where}: branches must have at least one branch`);
  if (names.length > MOST_CHOICES)
    throw new OptionError(`${where}: at most ${MOST_CHOICES} branches, got ${names.length}`);
  const read = Object.entries(branches).map(([name, branch]: [string, unknown]) => {
    checkName(where, name);
    checkObject(where, `the branch ${show(name)}`, branch);
    return [name, entriesOf(`${where}.${name}`, branch, depth + 1)] as const;
  });
  return Object.freeze({ type: 'conditional', branches: frozen(read) });
}

function valueOf(where: string, value: unknown, longest = LONGEST_NAME): Value {
  if (typeof value === 'number') return finite(where, 'value', value);
  if (typeof value === 'string' && value.length > longest)
    throw new OptionError(`${where}: at most ${longest} characters, got ${value.length}`);
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  throw new OptionError(`${where}: expected a number, a text, true, false or null, got ${show(value)}`);
}

/** Points are objects by name, so a name must not be one that every object has. */
function checkName(where: string, name: string): void {
  if (name.length === 0 || name.length > LONGEST_NAME)
    throw new OptionError(`${where}: a name has 1 to ${LONGEST_NAME} characters, got ${show(name)}`);
  if (name in Object.prototype) throw new OptionError(`${where}: ${name} cannot be the name of a parameter`);
}

function frozen<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  return Object.freeze(Object.fromEntries(entries));
}
