/** A user's space as dimensions, and points as what a trial gets and back. */
import { OptionError } from '../../errors';
import { checkKeys, checkObject, nearest, show } from '../../options';
import type { Dimension, Domain, Point, Value } from './dimension';
import { exists } from './domain';
import type { Parameter, Space, Suggested } from './parameters';

/** A surrogate model of more than this many parameters would not fit in memory. */
const MOST_DIMENSIONS = 1000;

/**
 * The dimensions of a checked space, each choice before those that depend on it.
 * @throws OptionError where there are none, more than 1,000, or two of one name (a dot within a name can be
 *   the dot between two)
 */
export function dimensionsOf(where: string, space: Space): readonly Dimension[] {
  const dimensions = [...walk(space, '', [])];
  if (dimensions.length === 0)
    throw new OptionError(`${where}: the space is empty: it needs at least one parameter`);
  if (dimensions.length > MOST_DIMENSIONS)
    throw new OptionError(
      `${where}: a space has at most ${MOST_DIMENSIONS} parameters, got ${dimensions.length}`,
    );
  const names = new Set<string>();
  for (const { name } of dimensions) {
    if (names.has(name)) throw new OptionError(`${where}: two parameters of the space are called ${name}`);
    names.add(name);
  }
  return Object.freeze(dimensions);
}

function* walk(space: Space, prefix: string, when: Dimension['when']): Generator<Dimension> {
  for (const [key, entry] of Object.entries(space)) {
    if (!isParameter(entry)) continue;
    const name = prefix + key;
    yield Object.freeze({ name, domain: domainOf(entry), when });
    if (entry.type !== 'conditional') continue;
    for (const [index, [branch, inner]] of Object.entries(entry.branches).entries())
      yield* walk(inner, `${name}.${branch}.`, Object.freeze([...when, Object.freeze({ name, index })]));
  }
}

function isParameter(entry: Parameter | Value): entry is Parameter {
  return typeof entry === 'object' && entry !== null;
}

function domainOf(parameter: Parameter): Domain {
  switch (parameter.type) {
    case 'uniform':
      return Object.freeze({ ...parameter, type: 'float', log: false });
    case 'logUniform':
      return Object.freeze({ ...parameter, type: 'float', log: true });
    case 'integer':
    case 'choice':
      return parameter;
    case 'conditional':
      return Object.freeze({ type: 'choice', choices: Object.freeze(Object.keys(parameter.branches)) });
  }
}

/** What a trial gets for a point, which has a number for each dimension that exists. */
export function suggestionOf<S extends Space>(space: S, point: Point): Suggested<S> {
  return inner(space, point, '') as Suggested<S>;
}

function inner(space: Space, point: Point, prefix: string): Readonly<Record<string, unknown>> {
  const entries = Object.entries(space).map(([key, entry]) => {
    if (!isParameter(entry)) return [key, entry];
    const name = prefix + key;
    const number = point[name] ?? NaN;
    if (entry.type === 'choice') return [key, entry.choices[number]];
    if (entry.type !== 'conditional') return [key, number];
    const [branch, within] = Object.entries(entry.branches)[number] ?? ['', {}];
    return [key, Object.freeze({ choice: branch, ...inner(within, point, `${name}.${branch}.`) })];
  });
  return Object.freeze(Object.fromEntries(entries) as Record<string, unknown>);
}

/**
 * The numbers of what somebody chose himself, in the form that trials get; what he leaves out is left
 * to the strategy.
 * @throws OptionError for a name that the space does not have, or a value outside of its range
 */
export function pointOf(where: string, space: Space, params: unknown): Point {
  const point: Record<string, number> = {};
  collect(where, space, params, '', point);
  return point;
}

function collect(
  where: string,
  space: Space,
  params: unknown,
  prefix: string,
  point: Record<string, number>,
): void {
  checkObject(where, prefix === '' ? 'params' : prefix.slice(0, -1), params);
  checkKeys(where, params, [...(prefix === '' ? [] : ['choice']), ...Object.keys(space)]);
  for (const [key, value] of Object.entries(params) as [string, unknown][]) {
    const entry = space[key];
    if (value === undefined || entry === undefined) continue;
    const name = prefix + key;
    if (!isParameter(entry)) {
      if (value !== entry)
        throw new OptionError(`${where}: ${name} is always ${show(entry)} in this space, got ${show(value)}`);
    } else if (entry.type === 'conditional') {
      checkObject(where, name, value);
      const branch = 'choice' in value ? value.choice : undefined;
      point[name] = internal(where, name, domainOf(entry), branch);
      collect(where, entry.branches[String(branch)] ?? {}, value, `${name}.${String(branch)}.`, point);
    } else point[name] = internal(where, name, domainOf(entry), value);
  }
}

/** Whether a domain has this value, or a choice of this index; with a step, but for rounding. */
export function admits(domain: Domain, value: number): boolean {
  if (domain.type === 'choice') return Number.isInteger(value) && value >= 0 && value < domain.choices.length;
  const { low, high, step } = domain;
  if (domain.type === 'integer' && !Number.isInteger(value)) return false;
  if (step === undefined) return value >= low && value <= high;
  const steps = (value - low) / step;
  const nearest = Math.round(steps);
  return Math.abs(steps - nearest) <= 1e-9 && nearest >= 0 && nearest <= Math.round((high - low) / step);
}

/** @throws OptionError for a value outside of the domain */
function internal(where: string, name: string, domain: Domain, value: unknown): number {
  if (domain.type === 'choice') {
    const index = domain.choices.indexOf(value as Value);
    if (index >= 0) return index;
    const near = typeof value === 'string' ? nearest(value, domain.choices.map(String)) : undefined;
    const hint = near === undefined ? '' : ` (did you mean ${show(near)}?)`;
    throw new OptionError(
      `${where}: ${name} must be one of ${show(domain.choices)}, got ${show(value)}${hint}`,
    );
  }
  if (typeof value === 'number' && admits(domain, value)) return value;
  const kind = domain.type === 'integer' ? 'a whole number' : 'a number';
  const steps = (domain.step ?? 1) === 1 ? '' : ` in steps of ${domain.step}`;
  throw new OptionError(
    `${where}: ${name} must be ${kind} from ${domain.low} to ${domain.high}${steps}, got ${show(value)}`,
  );
}

/** The values of a point by the names of its dimensions, as Optuna shows them: choices as themselves. */
export function flatValues(dimensions: readonly Dimension[], point: Point): Readonly<Record<string, Value>> {
  return Object.fromEntries(
    dimensions.flatMap(({ name, domain }): [string, Value][] => {
      const number = Object.hasOwn(point, name) ? point[name] : undefined;
      if (number === undefined) return [];
      return [[name, domain.type === 'choice' ? (domain.choices[number] ?? null) : number]];
    }),
  );
}

/**
 * The way back, for what somebody enqueued. Names that the space does not have are left out, as Optuna does,
 * and so are dimensions that do not exist beside the others.
 * @throws OptionError for a value outside of its range
 */
export function pointOfFlat(
  where: string,
  dimensions: readonly Dimension[],
  values: Readonly<Record<string, unknown>>,
): Point {
  const point: Record<string, number> = {};
  for (const dimension of dimensions) {
    const { name, domain, when } = dimension;
    if (!Object.hasOwn(values, name)) continue;
    const open = when.some((parent) => point[parent.name] === undefined);
    if (open || exists(dimension, point)) point[name] = internal(where, name, domain, values[name]);
  }
  return point;
}
